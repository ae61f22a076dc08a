import type { CounterSnapshot, FibTransaction } from '@heddle/core'
import type { Logger } from '@heddle/io'
import type { Poller, TunDevice, Watch } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { watch, type Source } from '../forwarder/watching.js'
import type { Receiver } from '../forwarder/underlay.js'
import { Lane, type LaneOptions } from './lane.js'
import type { Lanes } from './lanes.js'

/** One lane on this thread, among everything else that its event loop does. */
export class LocalLane implements Lanes {
  readonly #lane: Lane
  readonly #poller: Poller
  readonly #logger: Logger
  readonly #receivers: readonly Source[]
  readonly #ports = new Map<number, Source>()
  /** Of what is read; empty while nothing is. */
  readonly #watches = new Map<Source, Watch>()
  #isPaused: boolean

  constructor(options: LaneOptions, receivers: readonly Receiver[], poller: Poller, logger: Logger, isPaused = false) {
    const lane = new Lane(options)
    this.#lane = lane
    this.#poller = poller
    this.#logger = logger
    this.#isPaused = isPaused
    this.#receivers = receivers.map((receiver) => ({
      fd: receiver.socket.fd,
      turn: () => lane.fromUnderlay(receiver),
      flush: () => lane.flush(),
      gone: (reason) => logger.error('An underlay socket failed', { reason }),
    }))
    for (const source of this.#receivers) this.#begin(source)
  }

  /** The engine of the lane. */
  get engine(): Lane['engine'] {
    return this.#lane.engine
  }

  /** The tables that judged a transaction are the lane's own. */
  async program(_transaction: FibTransaction, commit: () => void): Promise<void> {
    commit()
  }

  async addPort(port: number, device: TunDevice, gone: (reason: string) => void): Promise<void> {
    await this.removePort(port)
    const added = this.#lane.addPort(port, device)
    const source: Source = { fd: device.fd, turn: () => this.#lane.fromPort(added), flush: () => this.#lane.flush(), gone }
    this.#ports.set(port, source)
    this.#begin(source)
  }

  async removePort(port: number): Promise<void> {
    const source = this.#ports.get(port)
    if (source !== undefined) this.#end(source)
    this.#ports.delete(port)
    this.#lane.removePort(port)
  }

  setUnderlayMtu(octets: number): void {
    this.#lane.engine.underlayMtu = octets
  }

  setPathMtu(remote: IpAddress, octets: number | undefined): void {
    this.#lane.engine.setPathMtu(remote, octets)
  }

  setLiveness(id: number, isUp: boolean): void {
    this.#lane.engine.setLiveness(id, isUp)
  }

  async counters(): Promise<CounterSnapshot> {
    return this.#lane.engine.counters()
  }

  async addCounters(counted: CounterSnapshot): Promise<void> {
    this.#lane.engine.addCounters(counted)
  }

  async pause(): Promise<void> {
    this.#isPaused = true
    for (const source of this.#watches.keys()) this.#end(source)
  }

  async resume(): Promise<void> {
    this.#isPaused = false
    for (const source of [...this.#receivers, ...this.#ports.values()]) this.#begin(source)
  }

  async close(): Promise<void> {
    await this.pause()
    this.#ports.clear()
  }

  #begin(source: Source): void {
    if (!this.#isPaused && !this.#watches.has(source)) this.#watches.set(source, watch(this.#poller, source, this.#logger))
  }

  #end(source: Source): void {
    this.#watches.get(source)?.close()
    this.#watches.delete(source)
  }
}
