import { LabError } from '../errors.js'
import type { CaptureView } from '../lab.js'
import { tenantAddresses, type LabTopology } from '../topology.js'
import { attempt, command } from './command.js'
import { LabProcess } from './process.js'

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
      [...interfaces.flatMap((name) => ['-i', name]), '-q', '-B', '64', '-s', '160', '-w', this.file],
      { log: `${this.dir}/dumpcap.log` },
    )
    for (let tries = 0; tries < 100; tries++) {
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
    const fields = ['frame.protocols', 'mpls.label', 'ip.dst', 'udp.dstport']
    const out = await command(
      'tshark',
      ['-n', '-r', this.file, '-Y', 'udp.port == 6635', '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
      { timeout: 120_000 },
    )
    const labels = new Map<string, { label: number; destination: string; packets: number }>()
    let packets = 0
    let dissected = 0
    for (const line of out.split('\n')) {
      if (line === '') continue
      const [protocols = '', stack = '', destinations = '', port = ''] = line.split('\t')
      packets++
      if (port.split(',')[0] === '6635' && /:udp:mpls:ip(v6)?(:|$)/.test(protocols)) dissected++
      const label = Number(stack.split(',').at(-1))
      const destination = destinations.split(',')[0] ?? ''
      const key = `${label} ${destination}`
      const row = labels.get(key) ?? { label, destination, packets: 0 }
      row.packets++
      labels.set(key, row)
    }
    const filter = tenantAddresses(this.topology)
      .map((address) => `${address.includes(':') ? 'ipv6' : 'ip'}.addr == ${address}`)
      .join(' || ')
    const naked = await command('tshark', ['-n', '-r', this.file, '-Y', `(${filter}) && !mpls`, '-T', 'fields', '-e', 'frame.number'], {
      timeout: 120_000,
    })
    return {
      file: this.file,
      packets,
      dissected,
      labels: [...labels.values()].sort((a, b) => a.destination.localeCompare(b.destination) || a.label - b.label),
      naked: naked.split('\n').filter((line) => line !== '').length,
    }
  }
}
