import type { DataplaneEvent, DataplaneFeature, DataplaneLimits, Encapsulation } from '@heddle/core'
import { ForwardingEngine, type FlowMemory, type PacketOut, type RouteTable } from '@heddle/forwarding'
import type { TunDevice } from '@heddle/linux'
import { ForwardingLoop } from '../forwarder/forwarding-loop.js'
import { PacketMemory } from '../forwarder/packet-memory.js'
import { TunPort } from '../forwarder/tun-port.js'
import { UnderlaySinks, type TooLarge } from '../forwarder/underlay-sinks.js'
import type { Receiver, Senders } from '../forwarder/underlay.js'
import type { BatchClock } from './batch-clock.js'

export interface LaneOptions {
  readonly limits: DataplaneLimits
  readonly encapsulations: readonly Encapsulation[]
  readonly features: readonly DataplaneFeature[]
  /** Largest packet that the underlay takes, outer headers included. */
  readonly underlayMtu: number
  /** Memory of the flows that all lanes of a forwarder remember; left out where there is one. */
  readonly flowMemory?: FlowMemory
  /** Likewise, of the numbers of what mirrors and traces tell. */
  readonly sequenceMemory?: SharedArrayBuffer
  /** Likewise, of the Ethernet addresses of endpoints. */
  readonly linkMemory?: SharedArrayBuffer
  /** Likewise, of what the limits of ports go by. */
  readonly rateMemory?: SharedArrayBuffer
  /** Where each VRF's routes are looked up; see `ForwardingOptions`. */
  readonly newRoutes?: (vrf: number) => RouteTable
  readonly senders: readonly Senders[]
  readonly clock: BatchClock
  /** See `ForwardingOptions`. */
  readonly epoch: number
  readonly observe: (event: DataplaneEvent) => void
  readonly tooLarge: TooLarge
}

/**
 * A way through the forwarder, of which each thread has one: an engine with tables of its own, memory for packets, and the ends that packets leave
 * by. It knows nothing of what wakes it.
 */
export class Lane {
  readonly engine: ForwardingEngine
  readonly #memory = new PacketMemory()
  readonly #loop: ForwardingLoop
  readonly #clock: BatchClock
  readonly #ports = new Map<number, TunPort>()

  constructor(options: LaneOptions) {
    const {
      limits,
      encapsulations,
      features,
      underlayMtu,
      flowMemory,
      sequenceMemory,
      linkMemory,
      rateMemory,
      newRoutes,
      clock,
      epoch,
      observe,
    } = options
    this.#clock = clock
    this.engine = new ForwardingEngine({
      limits,
      encapsulations,
      features,
      underlayMtu,
      clock,
      epoch,
      observe,
      outer: 'socket',
      hasDevice: (port) => this.#ports.has(port),
      ...(flowMemory !== undefined && { flowMemory }),
      ...(sequenceMemory !== undefined && { sequenceMemory }),
      ...(linkMemory !== undefined && { linkMemory }),
      ...(rateMemory !== undefined && { rateMemory }),
      ...(newRoutes !== undefined && { newRoutes }),
    })
    const underlay = new UnderlaySinks(options.senders, this.#memory, this.engine, options.tooLarge)
    this.#loop = new ForwardingLoop(this.engine, this.#memory, {
      device: (port) => this.#ports.get(port),
      underlay: (out: PacketOut) => underlay.sink(out),
    })
  }

  /** Packets to `port` leave by `device`, and those that are read from it come from `port`. */
  addPort(port: number, device: TunDevice): TunPort {
    const added = new TunPort(port, device, this.#memory, this.engine)
    this.#ports.set(port, added)
    return added
  }

  removePort(port: number): void {
    this.#ports.delete(port)
  }

  /** Forwards a batch of a port's device; true when there may be more. @throws LinuxError when it cannot be read */
  fromPort(port: TunPort): boolean {
    this.#clock.tick()
    return this.#loop.fromPort(port)
  }

  /** Forwards a batch of a socket; true when there may be more. @throws LinuxError when it cannot be received */
  fromUnderlay(receiver: Receiver): boolean {
    this.#clock.tick()
    return this.#loop.fromUnderlay(receiver)
  }

  /** Hands over what waits after a fault. */
  flush(): void {
    this.#loop.flush()
  }
}
