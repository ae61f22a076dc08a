import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { root } from '../harness/machine.ts'
import type { Plugin, PodPlace } from './call.ts'
import type { Host } from './host.ts'
import type { Job, Outcome } from './worker.ts'

/** Who is measured. */
export interface Contender {
  readonly name: string
  /** Attaches pods or takes them away; with the processor time of all its processes. */
  run(verb: Job['verb'], pods: readonly PodPlace[], parallel: number): Promise<Outcome>
  close(): Promise<void>
}

/** The client, and `heddle node` behind it. */
export async function heddle(host: Host, folder: string, dataplane: 'tun' | 'ebpf', onDisk: boolean): Promise<Contender> {
  mkdirSync(folder, { recursive: true })
  const [config, socket] = [join(folder, 'node.yaml'), join(folder, 'cni.sock')]
  const document = {
    socket: join(folder, 'node.sock'),
    node: { name: `bench-${dataplane}`, address: host.address },
    bgp: { as: 65_000 },
    vrfs: [{ name: 'red', rd: '65000:1', import: ['65000:1'], export: ['65000:1'] }],
    dataplane: { kind: dataplane },
    cni: {
      socket,
      store: join(onDisk ? folder : '/dev/shm', `${dataplane}-${process.pid}.cni`),
      networks: [{ name: 'red', pools: [{ prefix: '10.1.0.0/16' }] }],
      quarantine: 0,
    },
  }
  writeFileSync(config, JSON.stringify(document))
  const node = host.start(process.execPath, [join(root, 'packages/heddle/bin/heddle.js'), 'node', '--config', config])
  await said(node, / ready: /)
  const file = createRequire(join(root, 'packages/cni/package.json')).resolve(`@heddle/cni-linux-${process.arch}/heddle-cni`)
  const plugin = { file, path: '/usr/lib/cni', config: { cniVersion: '1.0.0', name: 'bench', type: 'heddle-cni', network: 'red', socket } }
  return contender(`Heddle (${dataplane === 'tun' ? 'TUN' : 'eBPF'})`, host, plugin, node)
}

/** Debian's `bridge` with `host-local`. */
export async function bridge(host: Host, folder: string): Promise<Contender> {
  const config = {
    cniVersion: '1.0.0',
    name: 'bench-bridge',
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    ipam: { type: 'host-local', subnet: '10.2.0.0/16', dataDir: join(folder, 'host-local'), routes: [{ dst: '0.0.0.0/0' }] },
  }
  return contender('bridge', host, { file: '/usr/lib/cni/bridge', path: '/usr/lib/cni', config })
}

async function contender(name: string, host: Host, plugin: Plugin, node?: ChildProcess): Promise<Contender> {
  const worker = host.fork(join(import.meta.dirname, 'worker.ts'))
  await once(worker, 'message')
  return {
    name,
    async run(verb, pods, parallel) {
      const others = node === undefined ? [] : host.processes().filter((pid) => pid !== worker.pid)
      const before = cpuOf(others)
      const answer = once(worker, 'message')
      worker.send({ plugin, pods, parallel, verb } satisfies Job)
      const [{ outcome, error }] = (await answer) as [{ outcome?: Outcome; error?: string }]
      if (outcome === undefined) throw new TypeError(error)
      return { ...outcome, cpu: outcome.cpu + cpuOf(others) - before }
    },
    async close() {
      worker.disconnect()
      if (node === undefined || node.exitCode !== null || node.signalCode !== null) return
      const ended = once(node, 'exit')
      node.kill('SIGTERM')
      await ended
    },
  }
}

/** Processor time of processes, milliseconds (proc(5): `utime`, `stime`, in hundredths of a second). */
function cpuOf(pids: readonly number[]): number {
  const fields = pids.map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' '))
  return fields.reduce((sum, one) => sum + (Number(one[11]) + Number(one[12])) * 10, 0)
}

async function said(child: ChildProcess, what: RegExp): Promise<void> {
  let text = ''
  await new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
        if (what.test(text)) resolve()
      })
    }
    child.once('exit', () => reject(new TypeError(`heddle node ended: ${text}`)))
  })
}
