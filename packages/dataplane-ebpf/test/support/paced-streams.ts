import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endProcess } from '../../../dataplane-tun/test/support/end-process.js'
import { PACE } from './pace.js'
import type { TwoEbpfSites } from './two-sites.js'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
/** Datagrams a second of a stream, as long as they arrive as fast: on a machine that is busy there are fewer. What is lost at a rate that is kept, and beside BGP, the bench tells (`bench/ebpf/continuity.ts`). */
export const RATE = 10_000 / PACE
/** Datagrams of a stream that are under way: those of two, twice where they cross the same ring both ways, and what TCP has, are less than its 256 places. */
const AHEAD = 50

/** Streams of datagrams from pod to pod, of which each is counted. */
export class PacedStreams {
  readonly #running = new Set<ChildProcess>()

  constructor(private readonly sites: TwoEbpfSites) {}

  /**
   * Datagrams from a pod to a pod, of which never more are under way than the ring of a veth has room for, which nobody empties while the machine is busy;
   * what ends them tells how many they were.
   */
  async start(from: string, to: string, address: string): Promise<() => Promise<number>> {
    const inPod = (pod: string): string[] => ['netns', 'exec', this.sites.name(pod), process.execPath]
    // Without anybody who listens, errors would come back and be the sender's.
    const sink = spawn('ip', [...inPod(to), here('udp-sink.mjs'), address, '9', 'tell'], { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#running.add(sink)
    const lines = createInterface(sink.stdout)
    await once(lines, 'line')
    const argv = [...inPod(from), here('udp-stream.mjs'), address, '9', `${RATE}`, `${AHEAD}`]
    const source = spawn('ip', argv, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#running.add(source)
    const printed = once(source.stdout, 'data') as Promise<[Buffer]>
    lines.on('line', (line) => {
      if (source.stdin.writable) source.stdin.write(`${line}\n`)
    })
    return async () => {
      source.stdin.end()
      const [count] = await printed
      this.#running.delete(source)
      return Number(count)
    }
  }

  async endAll(): Promise<void> {
    for (const child of this.#running) await endProcess(child)
    this.#running.clear()
  }
}
