import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { LabError } from '../errors.js'
import type { CaptureView } from '../lab.js'
import { tenantAddresses, type LabTopology } from '../topology.js'
import { attempt } from './command.js'
import { LabProcess } from './process.js'

/** Octets of each frame that are kept: every header, and the beginning of what they carry. */
const SNAPLEN = 160

/** Everything that crosses the provider network, as a pcapng written by Wireshark's dumpcap. */
export class Capture {
  #process: LabProcess | undefined

  constructor(
    readonly topology: LabTopology,
    readonly file: string,
    readonly dir: string,
  ) {}

  async start(interfaces: readonly string[]): Promise<void> {
    await attempt('rm', ['-f', this.file])
    this.#process = LabProcess.start(
      'dumpcap',
      this.topology.provider,
      'dumpcap',
      ['-q', '-B', '64', '-s', String(SNAPLEN), ...interfaces.flatMap((name) => ['-i', name]), '-w', this.file],
      { log: `${this.dir}/dumpcap.log` },
    )
    for (let tries = 0; tries < 1200; tries++) {
      if (!this.#process.running) break
      const { stdout } = await attempt('stat', ['-c', '%s', this.file])
      if (Number(stdout) > 0) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new LabError('lab.capture', `dumpcap did not start, see ${this.dir}/dumpcap.log`)
  }

  async stop(): Promise<void> {
    await this.#process?.stop('SIGINT')
  }

  /** Lets tshark dissect the file. Each packet is seen where it enters and where it leaves the provider network, hence twice. */
  async read(): Promise<CaptureView> {
    const tenants = new Set(tenantAddresses(this.topology))
    const labels = new Map<string, { label: number; destination: string; packets: number }>()
    let packets = 0
    let dissected = 0
    let naked = 0
    for await (const { protocols, stack, addresses, port } of this.#frames()) {
      if (port !== '6635') {
        if (addresses.some((address) => tenants.has(address))) naked++
        continue
      }
      packets++
      if (/:udp:mpls:ip(v6)?(:|$)/.test(protocols)) dissected++
      const label = Number(stack.at(-1))
      const destination = addresses[1] ?? ''
      const key = `${label} ${destination}`
      const row = labels.get(key) ?? { label, destination, packets: 0 }
      row.packets++
      labels.set(key, row)
    }
    return {
      file: this.file,
      packets,
      dissected,
      labels: [...labels.values()].toSorted((a, b) => a.destination.localeCompare(b.destination) || a.label - b.label),
      naked,
    }
  }

  /** What tshark says of each frame, in one pass over the file. */
  async *#frames(): AsyncGenerator<{
    readonly protocols: string
    readonly stack: readonly string[]
    /** Source and destination, outermost header first. */
    readonly addresses: readonly string[]
    /** Outermost destination port of UDP. */
    readonly port: string | undefined
  }> {
    const fields = ['frame.protocols', 'mpls.label', 'ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst', 'udp.dstport']
    const parameters = ['-n', '-r', this.file, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])]
    const child = spawn('tshark', parameters, { stdio: ['ignore', 'pipe', 'ignore'] })
    const status = new Promise<number | null>((resolve, reject) => {
      child.once('close', resolve)
      child.once('error', reject)
    })
    for await (const line of createInterface({ input: child.stdout })) {
      const [protocols = '', ...rest] = line.split('\t')
      const [stack = [], source4 = [], destination4 = [], source6 = [], destination6 = [], ports = []] = rest.map((field) =>
        field === '' ? [] : field.split(','),
      )
      const pairs = (sources: readonly string[], destinations: readonly string[]): string[] =>
        sources.flatMap((source, index) => [source, destinations[index] ?? ''])
      const [v4, v6] = [pairs(source4, destination4), pairs(source6, destination6)]
      const isOuter6 = protocols.startsWith('eth:ethertype:ipv6')
      yield { protocols, stack, addresses: isOuter6 ? [...v6, ...v4] : [...v4, ...v6], port: ports[0] }
    }
    const code = await status
    if (code !== 0) throw new LabError('lab.capture', `tshark could not read ${this.file} (status ${code})`)
  }
}
