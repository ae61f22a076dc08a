// Kernels of Debian, fetched by an apt with sources and state of its own, so that this machine's are left alone.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { emptied } from './guest-kernel.mjs'

const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'heddle', 'kernels')

/**
 * Kernels by name: the package that leads to the newest of its kind, and the suite of Debian that it is in.
 * @type {Record<string, { readonly meta: string, readonly suite: string }>}
 */
export const KERNELS = {
  6.1: { meta: 'linux-image-cloud-amd64', suite: 'bookworm' },
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
  }
  const flags = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  /** @param {string} program @param {string[]} words @param {string} [cwd] */
  return (program, words, cwd) => execFileSync(program, [...flags, ...words], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

/**
 * Folder with a kernel's package unpacked; fetched once.
 *
 * @param {string} name one of `KERNELS`
 * @param {(text: string) => void} say
 */
export function fetchedKernel(name, say) {
  const folder = join(CACHE, name)
  if (existsSync(folder)) return folder
  const { meta, suite } = KERNELS[name]
  const run = apt(suite)
  run('apt-get', ['update', '-qq'])
  const [, image] = /Depends: (linux-image-\S+)/.exec(run('apt-cache', ['depends', meta])) ?? []
  if (image === undefined) throw new Error(`${meta} leads to no kernel`)
  say(`fetching ${image} from ${suite}`)
  const work = emptied(`${folder}.partial`)
  // newer packages hold the kernel and its modules in packages of their own
  const parts = [...run('apt-cache', ['depends', image]).matchAll(/Depends: (linux-(?:binary|modules|image-unsigned)-\S+)/g)].map(
    ([, part]) => part,
  )
  run('apt-get', ['download', '-qq', image, ...parts], work)
  for (const archive of readdirSync(work).filter((name) => name.endsWith('.deb')))
    execFileSync('dpkg-deb', ['-x', join(work, archive), work])
  // and in the place that /lib leads to on a merged system
  if (!existsSync(join(work, 'lib'))) symlinkSync('usr/lib', join(work, 'lib'))
  renameSync(work, folder)
  return folder
}
