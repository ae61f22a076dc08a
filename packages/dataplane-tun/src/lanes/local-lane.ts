import type { CounterSnapshot } from '@heddle/core'
import type { Logger } from '@heddle/io'
import type { Poller, TunDevice, Watch } from '@heddle/linux'
import { watch } from '../forwarder/watching.js'
import type { Receiver } from '../forwarder/underlay.js'
import { Lane, type LaneOptions } from './lane.js'
import type { Lanes } from './lanes.js'

/** One lane on this thread, among everything else that its event loop does. */
export class LocalLane implements Lanes {
  readonly #lane: Lane
  readonly #poller: Poller
  readonly #logger: Logger
  readonly #receivers: readonly Watch[]
  readonly #ports = new Map<number, Watch>()

  constructor(options: LaneOptions, receivers: readonly Receiver[], poller: Poller, logger: Logger) {
    const lane = new Lane(options)
    this.#lane = lane
    this.#poller = poller
    this.#logger = logger
    this.#receivers = receivers.map((receiver) =>
      this.#watch(
        receiver.socket.fd,
        () => lane.fromUnderlay(receiver),
        (reason) => logger.error('An underlay socket failed', { reason }),
      ),
    )
  }

  /** The engine of the lane. */
  get engine(): Lane['engine'] {
    return this.#lane.engine
  }

  /** Nothing is left to do: the tables that judged a transaction are the lane's own. */
  async program(): Promise<void> {}

  async addPort(port: number, device: TunDevice, gone: (reason: string) => void): Promise<void> {
    this.#ports.get(port)?.close()
    const added = this.#lane.addPort(port, device)
    this.#ports.set(
      port,
      this.#watch(device.fd, () => this.#lane.fromPort(added), gone),
    )
  }

  async removePort(port: number): Promise<void> {
    this.#ports.get(port)?.close()
    this.#ports.delete(port)
    this.#lane.removePort(port)
  }

  setUnderlayMtu(octets: number): void {
    this.#lane.engine.underlayMtu = octets
  }

  setLiveness(id: number, isUp: boolean): void {
    this.#lane.engine.setLiveness(id, isUp)
  }

  async counters(): Promise<CounterSnapshot> {
    return this.#lane.engine.counters()
  }

  async close(): Promise<void> {
    for (const one of [...this.#receivers, ...this.#ports.values()]) one.close()
    this.#ports.clear()
  }

  #watch(fd: number, turn: () => boolean, gone: (reason: string) => void): Watch {
    return watch(this.#poller, { fd, turn, gone, flush: () => this.#lane.flush() }, this.#logger)
  }
}
