// Kubernetes from Go modules: no release is downloaded and no registry of images is asked. Built once, kept outside of the repository.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, homedir } from 'node:os'
import { join } from 'node:path'
import { prepare, step } from './bootstrap.mjs'
import { writeImage, writePauseImage } from './oci-image.mjs'
import { root } from './packages.mjs'

/** Kubernetes 1.MINOR.PATCH; its staging modules are 0.MINOR.PATCH. Another one takes another folder. */
const KUBERNETES = '35.3'
const ETCD = 'v3.6.6'
/** Of go.mod of these. */
const LEAST_GO = [1, 25]

const COMPONENTS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl', 'kubelet']

/** Folder of everything; `HEDDLE_CLUSTER` names another one. */
export const clusterFolder =
  process.env['HEDDLE_CLUSTER'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'heddle', 'cluster')
export const programs = join(clusterFolder, 'bin')

/** Names by which pods ask for the images. */
export const IMAGES = { pause: 'localhost/heddle/pause:1', echo: 'localhost/heddle/echo:1' }
/** @param {keyof typeof IMAGES} name */
export function imageFile(name) {
  return join(clusterFolder, 'img', `heddle-${name}.tar`)
}

/** What a cluster needs and is not there. */
export function missingPrograms() {
  const files = [...['etcd', ...COMPONENTS].map((name) => join(programs, name)), imageFile('pause'), imageFile('echo')]
  return files.filter((file) => !existsSync(file))
}

/** Builds what is missing; some eight minutes the first time, on two processors. @returns {string | undefined} why it cannot */
export function buildCluster() {
  if (missingPrograms().length === 0) return undefined
  const reason = goMissing() ?? (works('cc', ['--version']) ? undefined : 'a C compiler is needed for the image of pods')
  if (reason !== undefined) return reason
  mkdirSync(programs, { recursive: true })
  program('etcd', etcdModule, 'go.etcd.io/etcd/server/v3', ['-ldflags', '-s -w'])
  for (const name of COMPONENTS) program(name, kubernetesModule, `k8s.io/kubernetes/cmd/${name}`, ['-ldflags', versionFlags()])
  if (!existsSync(imageFile('pause'))) writePauseImage(imageFile('pause'), [IMAGES.pause])
  if (!existsSync(imageFile('echo'))) {
    const file = join(clusterFolder, 'echo')
    go(['build', '-trimpath', '-o', file, join(root, 'test/support/cluster/echo/main.go')], clusterFolder)
    writeImage(imageFile('echo'), { names: [IMAGES.echo], entrypoint: ['/echo'], files: { '/echo': file } })
  }
  return undefined
}

function goMissing() {
  const { stdout, status } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  const [, major = '0', minor = '0'] = /^go(\d+)\.(\d+)/.exec(stdout ?? '') ?? []
  const isNew = Number(major) > LEAST_GO[0] || (Number(major) === LEAST_GO[0] && Number(minor) >= LEAST_GO[1])
  if (status === 0 && isNew) return undefined
  return `Go ${LEAST_GO.join('.')} or newer is needed to build Kubernetes${status === 0 ? `; this is ${stdout.trim()}` : ''}`
}

/** @param {string} name @param {() => string} module @param {string} source @param {string[]} flags */
function program(name, module, source, flags) {
  const file = join(programs, name)
  if (existsSync(file)) return
  const folder = module()
  step(`Building ${name}`)
  go(['build', '-trimpath', ...flags, '-o', file, source], folder)
}

function etcdModule() {
  return moduleFolder('etcd', (folder) => go(['get', `go.etcd.io/etcd/server/v3@${ETCD}`], folder))
}

/** Kubernetes requires its staging modules as v0.0.0 and replaces them by folders, which only its own repository has: here they are the published ones. */
function kubernetesModule() {
  return moduleFolder('k8s', (folder) => {
    const { GoMod } = JSON.parse(goOutput(['mod', 'download', '-json', `k8s.io/kubernetes@v1.${KUBERNETES}`], folder))
    const text = readFileSync(GoMod, 'utf8')
    const staging = [...text.matchAll(/^\t(k8s\.io\/\S+) => \.\/staging\//gm)].map(
      ([, name]) => `-replace=${name}=${name}@v0.${KUBERNETES}`,
    )
    const version = /^go (\S+)/m.exec(text)?.[1] ?? ''
    go(['mod', 'edit', `-go=${version}`, ...staging, `-require=k8s.io/kubernetes@v1.${KUBERNETES}`], folder)
  })
}

/** @param {string} name @param {(folder: string) => void} fill */
function moduleFolder(name, fill) {
  const folder = join(clusterFolder, 'src', name)
  const mark = join(folder, `ready-${KUBERNETES}`)
  if (existsSync(mark)) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  step(`Fetching the modules of ${name}`)
  go(['mod', 'init', `heddle.test/${name}`], folder)
  fill(folder)
  writeFileSync(mark, '')
  return folder
}

/** Without them a server calls itself v0.0.0 and clients refuse it. */
function versionFlags() {
  const [minor] = KUBERNETES.split('.')
  const server = 'k8s.io/component-base/version'
  const values = [`${server}.gitVersion=v1.${KUBERNETES}`, `${server}.gitMajor=1`, `${server}.gitMinor=${minor}`]
  return ['-s -w', ...[...values, `k8s.io/client-go/pkg/version.gitVersion=v1.${KUBERNETES}`].map((value) => `-X ${value}`)].join(' ')
}

function goEnvironment() {
  return {
    ...process.env,
    GOMODCACHE: join(clusterFolder, 'mod'),
    GOCACHE: join(clusterFolder, 'gocache'),
    // As many compilers as processors, at low priority: this runs beside what a person does.
    GOFLAGS: `-mod=mod -modcacherw -p=${availableParallelism()}`,
    GOTOOLCHAIN: 'local',
    GOWORK: 'off',
    CGO_ENABLED: '0',
  }
}

/** @param {string[]} words @param {string} cwd */
function go(words, cwd) {
  prepare('nice', ['-n', '10', 'go', ...words], { cwd, env: goEnvironment() })
}

/** @param {string[]} words @param {string} cwd */
function goOutput(words, cwd) {
  const { stdout, status, stderr } = spawnSync('go', words, { cwd, env: goEnvironment(), encoding: 'utf8' })
  if (status !== 0) throw new TypeError(`go ${words.join(' ')}: ${stderr}`)
  return stdout
}

/** @param {string} command @param {string[]} args */
function works(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
