import type { ForwardingEngine, PacketOut } from '@heddle/forwarding'
import type { RawSocket, UdpBatchSocket } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import type { PacketMemory } from './packet-memory.js'
import type { Sink } from './sink.js'
import { UnderlaySink } from './underlay-sink.js'
import { UDP_PORTS, type Senders } from './underlay.js'

/** Remote end of a packet that the underlay found too large, and the local address it left by. */
export type TooLarge = (local: IpAddress, family: 4 | 6, remote: Uint32Array) => void

interface LocalSinks {
  readonly local: IpAddress
  readonly udp: readonly Sink[]
  readonly gre: Sink | undefined
  readonly heedless: { readonly udp: Sink; readonly gre: Sink | undefined }
}

/** Where packets for the underlay leave by: the sockets of every local address. */
export class UnderlaySinks {
  readonly #engine: ForwardingEngine
  readonly #locals: readonly LocalSinks[]

  constructor(senders: readonly Senders[], memory: PacketMemory, engine: ForwardingEngine, tooLarge: TooLarge) {
    this.#engine = engine
    this.#locals = senders.map(({ local, udp, gre, heedless }) => {
      const tell = (family: 4 | 6, remote: Uint32Array): void => tooLarge(local, family, remote)
      const udpSink = (socket: UdpBatchSocket): Sink => new UnderlaySink(socket, UDP_PORTS, memory, engine, tell)
      const greSink = (socket: RawSocket | undefined): Sink | undefined => socket && new UnderlaySink(socket, {}, memory, engine, tell)
      return {
        local,
        udp: udp.map(udpSink),
        gre: greSink(gre),
        heedless: { udp: udpSink(heedless.udp), gre: greSink(heedless.gre) },
      }
    })
  }

  /** The socket a packet leaves by; undefined when none has its local address. */
  sink(out: PacketOut): Sink | undefined {
    const wanted = out.local
    for (const { local, udp, gre, heedless } of this.#locals) {
      if (local.w0 !== wanted.w0 || local.w3 !== wanted.w3 || local.w1 !== wanted.w1 || local.w2 !== wanted.w2) continue
      if (local.family !== wanted.family) continue
      if (this.#engine.exceedsPath(out)) return out.encapsulation === 'mpls-gre' ? heedless.gre : heedless.udp
      return out.encapsulation === 'mpls-gre' ? gre : udp[out.sourcePort & (udp.length - 1)]
    }
    return undefined
  }
}
