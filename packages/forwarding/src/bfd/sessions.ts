import type { LivenessObject } from '@heddle/core'
import type { Clock, Random, Timer } from '@heddle/io'
import { BFD_DIAGNOSTICS, BFD_PACKET_SIZE, ByteReader, WireError, decodeBfdPacket, encodeBfdPacket, type IpAddress } from '@heddle/wire'
import {
  bfdPacket,
  detectionTime,
  newBfdSession,
  stepBfd,
  transmitInterval,
  type BfdConfig,
  type BfdEvent,
  type BfdSession,
} from './session.js'

/** How sessions meet the world. */
export interface BfdSessionsOptions {
  readonly clock: Pick<Clock, 'setTimer'>
  readonly random: Random
  /** Sends a packet of a session to its remote: UDP, TTL 255. Nothing is told of what gets lost. */
  readonly send: (liveness: LivenessObject, packet: Uint8Array) => void
  /** A session came up, or went down after it had been up. */
  readonly changed: (liveness: LivenessObject, isUp: boolean, reason: string) => void
}

interface Running {
  readonly object: LivenessObject
  readonly config: BfdConfig
  session: BfdSession
  transmit: Timer | undefined
  detect: Timer | undefined
}

/** The BFD sessions of a router: what `session.ts` decides, carried out by timers. */
export class BfdSessions {
  readonly #options: BfdSessionsOptions
  readonly #running = new Map<number, Running>()

  constructor(options: BfdSessionsOptions) {
    this.#options = options
  }

  /** Begins a session, or begins it anew when anything of it changed. */
  set(object: LivenessObject): void {
    if (JSON.stringify(this.#running.get(object.id)?.object) === JSON.stringify(object)) return
    this.remove(object.id)
    const { desiredMinTx, requiredMinRx, multiplier } = object
    const config = { discriminator: this.#discriminator(), desiredMinTx, requiredMinRx, multiplier }
    const running: Running = { object, config, session: newBfdSession(), transmit: undefined, detect: undefined }
    this.#running.set(object.id, running)
    this.#schedule(running)
  }

  /** Ends a session; the far end notices by itself. */
  remove(id: number): void {
    const running = this.#running.get(id)
    running?.transmit?.cancel()
    running?.detect?.cancel()
    this.#running.delete(id)
  }

  close(): void {
    for (const id of this.#running.keys()) this.remove(id)
  }

  /** Takes what came to the BFD port. @param ttl that it arrived with: one hop away it is 255 (RFC 5881 §5), or somebody else sent it */
  receive(local: IpAddress, remote: IpAddress, hops: LivenessObject['hops'], ttl: number, bytes: Uint8Array): void {
    if (hops === 'single' && ttl !== 255) return
    let packet
    try {
      packet = decodeBfdPacket(new ByteReader(bytes, 'bfd'))
    } catch (error) {
      if (error instanceof WireError) return
      throw error
    }
    for (const running of this.#running.values()) {
      const { object, config } = running
      if (object.hops !== hops || !object.local.equals(local) || !object.remote.equals(remote)) continue
      if (packet.yourDiscriminator !== 0 && packet.yourDiscriminator !== config.discriminator) continue
      return this.#step(running, { type: 'received', packet })
    }
  }

  #step(running: Running, event: BfdEvent): void {
    const { object, config } = running
    const before = running.session
    const { session, answer, alive } = stepBfd(before, event, config)
    running.session = session
    if (answer) this.#send(running, true)
    if (alive) this.#expect(running)
    if (session.state === before.state) return
    if (session.state === 'up') this.#options.changed(object, true, 'up')
    else if (before.state === 'up') {
      const isSilent = session.diagnostic === BFD_DIAGNOSTICS.detectionTimeExpired
      this.#options.changed(object, false, isSilent ? 'nothing was heard for the detection time' : 'the far end says that it is down')
    }
    // What changed is told at once, and so is the rate that goes with it (RFC 5880 §6.8.7).
    this.#send(running, false)
    this.#schedule(running)
  }

  #expect(running: Running): void {
    running.detect?.cancel()
    running.detect = this.#options.clock.setTimer(detectionTime(running.session, running.config), () =>
      this.#step(running, { type: 'detection-expired' }),
    )
  }

  #schedule(running: Running): void {
    running.transmit?.cancel()
    const interval = transmitInterval(running.session, running.config, this.#options.random.uint32() / 0x1_0000_0000)
    running.transmit =
      interval === undefined
        ? undefined
        : this.#options.clock.setTimer(interval, () => {
            this.#send(running, false)
            this.#schedule(running)
          })
  }

  #send({ object, session, config }: Running, final: boolean): void {
    const bytes = new Uint8Array(BFD_PACKET_SIZE)
    encodeBfdPacket(bfdPacket(session, config, final), new DataView(bytes.buffer), 0)
    this.#options.send(object, bytes)
  }

  #discriminator(): number {
    for (;;) {
      const drawn = this.#options.random.uint32()
      const isTaken = [...this.#running.values()].some(({ config }) => config.discriminator === drawn)
      if (drawn !== 0 && !isTaken) return drawn
    }
  }
}
