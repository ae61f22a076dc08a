import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename, join } from 'node:path'
import type { JsonObject } from '../protocol/json.js'
import { CNI_VERSIONS, type CniVersion } from '../protocol/version.js'
import { clientBinary } from './client-binary.js'
import { CniInstallError } from './install-error.js'
import { putFile, syncFolderOf } from './put-file.js'
import { DEFAULT_CNI_SOCKET } from './serve-cni.js'

/** Where a plugin is installed, and what its configuration says. */
export interface CniInstallOptions {
  /** Folder of executables; default `/opt/cni/bin`. */
  readonly binFolder?: string
  /** Folder of configurations; default `/etc/cni/net.d`. */
  readonly configFolder?: string
  /** Name of the network, of the file and of its plugin; default `heddle`. */
  readonly name?: string
  /** Where the agent serves; default `/run/heddle/cni.sock`. */
  readonly socket?: string
  /** What the plugin's configuration has besides: `network`, `ipam`, `capabilities`… */
  readonly config?: JsonObject
  /** Plugins behind ours in the chain, such as `portmap`. */
  readonly chain?: readonly JsonObject[]
  /** Path of the executable; default: that of the platform's package. */
  readonly client?: string
}

/** What an installation has changed. */
export interface CniInstallation {
  /** The executable. */
  readonly executable: string
  /** The configuration. */
  readonly configuration: string
  /** Files that were moved aside, under the names that they had. */
  readonly kept: readonly string[]
}

/** For runtimes that do not look at `cniVersions`, since they are older than 1.1.0: containerd 1, podman 4. Newer ones take the newest of these. */
const LIST_VERSION: CniVersion = '1.0.0'

/** What the plugin takes from runtimes that have it to give. */
const CAPABILITIES = { ips: true, bandwidth: true, 'io.kubernetes.cri.pod-annotations': true }

/** Added to the name of a file that is moved aside: a runtime does not read it then. */
const KEPT = '.heddle-kept'

/**
 * Installs the plugin for the container runtime of this machine: the executable, and behind it the configuration, each by rename, so that no moment
 * has half of them. The executable gets the name `loopback` too, which runtimes call by themselves, where there is no plugin of that name. The
 * configuration comes only when an agent serves, because from then on pods are attached through it. Configurations that a runtime would prefer,
 * since their names come first, and files of our names that are another one's, are moved aside. Idempotent.
 *
 * @throws CniInstallError `cni.not-served` when no agent serves the socket, `cni.client-missing`, `cni.install`; then no configuration was changed
 */
export async function installCni(options: CniInstallOptions = {}): Promise<CniInstallation> {
  const { name = 'heddle', socket = DEFAULT_CNI_SOCKET, config = {}, chain = [] } = options
  const { executable, loopback, configuration } = placesOf(options)
  const client = options.client ?? foundClient()
  if (!(await isServed(socket))) throw new CniInstallError('cni.not-served', `no agent serves ${socket}: pods could not be attached`)
  const list = {
    cniVersion: LIST_VERSION,
    cniVersions: CNI_VERSIONS,
    name,
    plugins: [{ capabilities: CAPABILITIES, ...config, type: basename(executable), socket }, ...chain],
  }
  return named('installed', async () => {
    const kept: string[] = []
    const program = await readFile(client)
    await mkdir(options.binFolder ?? DEFAULT_BIN, { recursive: true })
    await mkdir(options.configFolder ?? DEFAULT_CONFIG, { recursive: true })
    if (await isAnothers(executable, configuration, program)) kept.push(await moveAside(executable))
    await putFile(executable, program, 0o755)
    if (!(await isThere(loopback))) await putFile(loopback, program, 0o755)
    for (const rival of await rivalsOf(configuration)) kept.push(await moveAside(rival))
    await putFile(configuration, `${JSON.stringify(list, undefined, 2)}\n`, 0o600)
    return { executable, configuration, kept }
  })
}

/**
 * Takes an installation back: the configuration of before comes into force again as ours goes, and the executable goes last, so that a DEL that the
 * runtime has begun finds it. Idempotent.
 *
 * @throws CniInstallError `cni.install`
 */
export async function uninstallCni(options: CniInstallOptions = {}): Promise<void> {
  const { executable, loopback, configuration } = placesOf(options)
  await named('removed', async () => {
    const folder = options.configFolder ?? DEFAULT_CONFIG
    for (const file of (await namesIn(folder)).filter((one) => one.endsWith(KEPT))) {
      const before = join(folder, file.slice(0, -KEPT.length))
      if (before !== configuration) await rename(join(folder, file), before)
    }
    await putBack(configuration)
    if (await isSame(loopback, executable)) await rm(loopback)
    await putBack(executable)
  })
}

const DEFAULT_BIN = '/opt/cni/bin'
const DEFAULT_CONFIG = '/etc/cni/net.d'

function placesOf({ binFolder = DEFAULT_BIN, configFolder = DEFAULT_CONFIG, name = 'heddle' }: CniInstallOptions): {
  executable: string
  loopback: string
  configuration: string
} {
  return {
    executable: join(binFolder, 'heddle-cni'),
    loopback: join(binFolder, 'loopback'),
    // Runtimes take the first file by name.
    configuration: join(configFolder, `00-${name}.conflist`),
  }
}

function foundClient(): string {
  const found = clientBinary()
  if ('path' in found) return found.path
  throw new CniInstallError('cni.client-missing', `there is no executable of the plugin: ${found.missing}`)
}

/** Configurations that would be read instead of ours: those whose names come first, and one of our name. */
async function rivalsOf(configuration: string): Promise<readonly string[]> {
  const folder = join(configuration, '..')
  const ours = basename(configuration)
  const rivals = (await namesIn(folder))
    .filter((file) => /\.(conf|conflist|json)$/.test(file) && file <= ours)
    .map((file) => join(folder, file))
  const answers = await Promise.all(rivals.map(async (file) => file !== configuration || !(await isOurs(file))))
  return rivals.filter((_, index) => answers[index])
}

/** Whether a configuration is one that an installation wrote. */
async function isOurs(configuration: string): Promise<boolean> {
  try {
    const list = JSON.parse(await readFile(configuration, 'utf8')) as { plugins?: { type?: unknown; socket?: unknown }[] }
    return list.plugins?.[0]?.type === 'heddle-cni' && typeof list.plugins[0].socket === 'string'
  } catch {
    return false
  }
}

/** An executable of our name that is not the one to come, and has no configuration of ours, was put there by somebody else. */
async function isAnothers(executable: string, configuration: string, program: Buffer): Promise<boolean> {
  const there = await readFile(executable).catch(() => undefined)
  return there !== undefined && !there.equals(program) && !(await isOurs(configuration))
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function isSame(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([a, b].map(async (path) => readFile(path).catch(() => undefined)))
  return first !== undefined && second !== undefined && first.equals(second)
}

async function moveAside(path: string): Promise<string> {
  await rename(path, path + KEPT)
  await syncFolderOf(path)
  return path
}

/** Removes a file of ours, or puts in its place what was there before: by rename, so that there is always one of them. */
async function putBack(path: string): Promise<void> {
  const names = await namesIn(join(path, '..'))
  if (names.includes(basename(path) + KEPT)) await rename(path + KEPT, path)
  else await rm(path, { force: true })
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch((): string[] => [])).sort((a, b) => (a < b ? -1 : 1))
}

async function isServed(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', () => resolve(false))
  })
}

async function named<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new CniInstallError('cni.install', `the plugin could not be ${what}: ${(cause as Error).message}`, { cause })
  }
}
