import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LabProcess } from '../../../packages/cli/src/lab/real/process.js'
import { until } from '../machine/until.js'

const execute = promisify(execFile)
const PORT = 6443
/** Network of service addresses; nothing of a test uses them, but the API server has one. */
const SERVICES = '10.96.0.0/16'

export interface ControlPlaneOptions {
  /** Folder of Kubernetes' programs. */
  readonly programs: string
  /** Folder of its own for certificates, data and logs. */
  readonly folder: string
  /** Network namespace and address in it. */
  readonly netns: string
  readonly address: string
  /** Name to address. */
  readonly nodes: ReadonlyMap<string, string>
}

/** etcd, API server, controllers and scheduler, as processes in one network namespace. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions
  readonly #processes: LabProcess[] = []

  private constructor(options: ControlPlaneOptions) {
    this.#options = options
  }

  /** Resolves when the controllers run. */
  static async start(options: ControlPlaneOptions): Promise<ControlPlane> {
    const plane = new ControlPlane(options)
    mkdirSync(options.folder, { recursive: true })
    const nodes = Array.from(options.nodes, ([name, address]) => `${name}=${address}`)
    await execute(join(import.meta.dirname, 'pki.sh'), [plane.pki, `https://${options.address}:${PORT}`, ...nodes])
    try {
      await plane.#start()
      return plane
    } catch (error) {
      await plane.stop()
      throw error
    }
  }

  /** Folder of certificates and kubeconfigs. */
  get pki(): string {
    return join(this.#options.folder, 'pki')
  }

  /** Words that run `kubectl` where the API server is heard. */
  get kubectlWords(): readonly string[] {
    const { netns, programs } = this.#options
    return ['nsenter', `--net=/run/netns/${netns}`, join(programs, 'kubectl'), '--kubeconfig', join(this.pki, 'admin.conf')]
  }

  async kubectl(...words: string[]): Promise<string> {
    const [file, ...args] = [...this.kubectlWords, ...words]
    return (await execute(file, args, { timeout: 60_000, maxBuffer: 16 << 20 })).stdout
  }

  /** Makes objects of manifests. */
  async apply(...objects: readonly object[]): Promise<void> {
    const [file, ...args] = [...this.kubectlWords, 'apply', '-f', '-']
    const running = execute(file, args, { timeout: 60_000 })
    running.child.stdin?.end(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
    await running
  }

  async stop(): Promise<void> {
    for (const process of this.#processes.splice(0).reverse()) await process.stop('SIGTERM', 2000)
  }

  async #start(): Promise<void> {
    const { folder, address } = this.#options
    const file = (name: string): string => join(this.pki, name)
    const etcd = 'http://127.0.0.1:2379'
    const peer = 'http://127.0.0.1:2380'
    this.#run('etcd', {
      'data-dir': join(folder, 'etcd'),
      'listen-client-urls': etcd,
      'advertise-client-urls': etcd,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': `default=${peer}`,
      'unsafe-no-fsync': 'true',
      'log-level': 'warn',
    })
    this.#run('kube-apiserver', {
      'etcd-servers': etcd,
      'bind-address': '0.0.0.0',
      'advertise-address': address,
      'secure-port': String(PORT),
      'service-cluster-ip-range': SERVICES,
      'allow-privileged': 'true',
      'authorization-mode': 'Node,RBAC',
      'enable-admission-plugins': 'NodeRestriction',
      'client-ca-file': file('ca.crt'),
      'tls-cert-file': file('apiserver.crt'),
      'tls-private-key-file': file('apiserver.key'),
      'kubelet-client-certificate': file('apiserver-kubelet.crt'),
      'kubelet-client-key': file('apiserver-kubelet.key'),
      'kubelet-certificate-authority': file('ca.crt'),
      'kubelet-preferred-address-types': 'InternalIP',
      'service-account-issuer': 'https://kubernetes.default.svc.cluster.local',
      'service-account-key-file': file('sa.pub'),
      'service-account-signing-key-file': file('sa.key'),
    })
    await this.#until('the API server is ready', async () => this.kubectl('get', '--raw', '/readyz'))
    const controller = file('kube-controller-manager.conf')
    this.#run('kube-controller-manager', {
      kubeconfig: controller,
      'authentication-kubeconfig': controller,
      'authorization-kubeconfig': controller,
      'secure-port': '0',
      'service-account-private-key-file': file('sa.key'),
      'root-ca-file': file('ca.crt'),
      'use-service-account-credentials': 'true',
      'leader-elect': 'false',
    })
    const scheduler = file('kube-scheduler.conf')
    this.#run('kube-scheduler', {
      kubeconfig: scheduler,
      'authentication-kubeconfig': scheduler,
      'authorization-kubeconfig': scheduler,
      'secure-port': '0',
      'leader-elect': 'false',
    })
    await this.#until('the controllers run', async () => this.kubectl('get', 'serviceaccount', 'default'))
  }

  #run(program: string, flags: Readonly<Record<string, string>>): void {
    const { netns, programs, folder } = this.#options
    const words = Object.entries(flags).map(([key, value]) => `--${key}=${value}`)
    // They end with this thread, whatever ends it: the API server takes a minute to end by itself while somebody watches.
    const inside = ['--pdeathsig', 'KILL', join(programs, program), ...words]
    this.#processes.push(LabProcess.start(program, netns, 'setpriv', inside, { log: join(folder, `${program}.log`) }))
  }

  async #until(what: string, ask: () => Promise<unknown>): Promise<void> {
    await until(`${what}, see ${this.#options.folder}`, async () => {
      const ended = this.#processes.find(({ running }) => !running)
      if (ended !== undefined) throw new TypeError(`${ended.name} ended, see ${join(this.#options.folder, `${ended.name}.log`)}`)
      return ask().then(
        () => true,
        () => false,
      )
    })
  }
}
