// Kernels of Debian, fetched by an apt with sources and state of its own, so that this machine's are left alone.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { emptied } from './guest-kernel.mjs'

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'heddle', 'kernels')

/** How long a program of apt may take, milliseconds. */
const FETCH_PATIENCE = 300_000

/**
 * Kernels by name: the package that leads to the newest of its kind, and the suite of Debian that it is in.
 * @type {Record<string, { readonly meta: string, readonly suite: string }>}
 */
export const KERNELS = {
  6.1: { meta: 'linux-image-cloud-amd64', suite: 'bookworm-security' },
  6.12: { meta: 'linux-image-6.12-cloud-amd64', suite: 'bookworm-security' },
  newest: { meta: 'linux-image-cloud-amd64', suite: 'trixie-backports' },
}

/** @param {string} suite */
function apt(suite) {
  const state = join(CACHE, 'apt', suite)
  for (const name of ['state/lists/partial', 'cache/archives/partial', 'parts']) mkdirSync(join(state, name), { recursive: true })
  const base = suite.endsWith('-security') ? 'debian-security' : 'debian'
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(join(state, 'sources.list'), `deb [signed-by=${keyring}] http://deb.debian.org/${base} ${suite} main\n`)
  const options = {
    'Dir::Etc::SourceList': join(state, 'sources.list'),
    'Dir::Etc::SourceParts': join(state, 'parts'),
    'Dir::State': join(state, 'state'),
    'Dir::Cache': join(state, 'cache'),
    'APT::Sandbox::User': 'root',
    'Acquire::http::Timeout': '30',
    'Acquire::Retries': '1',
  }
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  /** @param {string} program @param {string[]} words @param {string} [cwd] */
  return (program, words, cwd) => {
    const { status, stdout, stderr, error } = spawnSync(program, [...flags, ...words], { cwd, encoding: 'utf8', timeout: FETCH_PATIENCE })
    if (status === 0) return stdout
    // A program that cannot be started says nothing, not even an empty text.
    const said = (stderr ?? '').split('\n').find((line) => line.startsWith('E: ')) ?? error?.message ?? `status ${status}`
    throw new Error(`${program} ${words.at(-1)}: ${said}`, { cause: error })
  }
}

/**
 * Folder with a kernel's package unpacked: the newest that the archive has, which is fetched when it is another one than is here. Where the archive is out of
 * reach, the one that is here, which `say` tells.
 *
 * @param {string} name one of `KERNELS`
 * @param {(text: string) => void} say
 * @throws Error when there is none here, and none can be fetched
 */
export function fetchedKernel(name, say) {
  const folder = join(CACHE, name)
  const { meta, suite } = KERNELS[name]
  const run = apt(suite)
  try {
    run('apt-get', ['-qq', '--error-on=any', 'update'])
    const [image, ...parts] = packagesOf(run, meta)
    if (existsSync(join(folder, fileOf(run, image)))) return folder
    say(`fetching ${image} from ${suite}`)
    fetchPackages(run, [image, ...parts], folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
    say(`what ${suite} has now is out of reach, so the kernel that was fetched before is taken: ${reasonOf(error)}`)
  }
  return folder
}

/**
 * The packages of a kernel, its image first. Newer ones hold the kernel and its modules in packages of their own.
 *
 * @param {ReturnType<typeof apt>} run @param {string} meta
 */
function packagesOf(run, meta) {
  const [, image] = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', meta])) ?? []
  if (image === undefined) throw new Error(`${meta} leads to no kernel`)
  const parts = run('apt-cache', ['depends', image]).matchAll(/Depends: (linux-(?:binary|modules|image-unsigned)-\S+)/g)
  return [image, ...Array.from(parts, ([, part]) => part)]
}

/** Name of the file that a package comes in, with its version. @param {ReturnType<typeof apt>} run @param {string} name */
function fileOf(run, name) {
  const [, file] = /^'\S+' (\S+\.deb) /m.exec(run('apt-get', ['download', '--print-uris', name])) ?? []
  if (file === undefined) throw new Error(`${name} is in no file`)
  return file
}

/** Fetches packages and unpacks them in the place of what is there. @param {ReturnType<typeof apt>} run @param {string[]} names @param {string} folder */
function fetchPackages(run, names, folder) {
  const work = emptied(`${folder}.partial`)
  run('apt-get', ['download', '-qq', ...names], work)
  for (const archive of readdirSync(work).filter((name) => name.endsWith('.deb')))
    execFileSync('dpkg-deb', ['-x', join(work, archive), work])
  // and in the place that /lib leads to on a merged system
  if (!existsSync(join(work, 'lib'))) symlinkSync('usr/lib', join(work, 'lib'))
  rmSync(folder, { recursive: true, force: true })
  renameSync(work, folder)
}

/** @param {unknown} error */
export function reasonOf(error) {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]
}
