import type { DataplaneEvent, GroupObject, LivenessObject } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual, printed } from '../conformance-error.js'
import type { BfdDatagram } from '../harness.js'
import type { Lab } from '../lab.js'
import { overlay, POD_ADDRESSES, tunnelTo } from '../overlay.js'
import { testPacket } from '../packets.js'
import { only } from '../tables.js'

const needs = { offers: ['liveness'], features: ['bfd'] } as const
const SESSION = 7
/** How often is looked before something is taken for never to come; each look waits for a few milliseconds. */
const LOOKS = 4000
/** Flows that are sent to see who gets some. */
const FLOWS = 24
const STATE = { adminDown: 0, down: 1, init: 2, up: 3 } as const
type State = (typeof STATE)[keyof typeof STATE]

/** What of a control packet (RFC 5880 §4.1) the cases say; times in microseconds. */
interface Control {
  readonly state: State
  readonly poll?: boolean
  readonly final?: boolean
  /** Packets that may be missing before the other end takes this one for dead. */
  readonly multiplier?: number
  readonly desiredMinTx?: number
}

/** The far end of a session, as naively as RFC 5880 allows: it speaks when it is spoken to. */
class FarEnd {
  readonly #discriminator = 0x7001
  #peersDiscriminator = 0
  #state: State = STATE.down
  /** What the dataplane said last. */
  last: { readonly state: State; readonly discriminator: number; readonly yours: number; readonly datagram: BfdDatagram } | undefined
  /** Whether the dataplane has answered a poll since it was asked. */
  isFinal = false

  constructor(
    private readonly lab: Lab,
    private readonly peer: IpAddress,
    private readonly hops: LivenessObject['hops'],
  ) {}

  /** Octets of a packet that it might send. A long time may pass before its silence is noticed, unless `multiplier` says otherwise. */
  packet({ state, poll = false, final = false, multiplier = 255, desiredMinTx = 1_000_000 }: Control): Uint8Array {
    const bytes = new Uint8Array(24)
    const view = new DataView(bytes.buffer)
    bytes.set([1 << 5, (state << 6) | (poll ? 0x20 : 0) | (final ? 0x10 : 0), multiplier, bytes.length])
    const words = [this.#discriminator, this.#peersDiscriminator, desiredMinTx, 50_000, 0]
    words.forEach((word, index) => view.setUint32(4 + index * 4, word))
    return bytes
  }

  async send(packet: Uint8Array, ttl = 255): Promise<void> {
    await this.lab.harness.bfd?.send({ peer: this.peer, hops: this.hops, ttl, packet })
  }

  /** Looks at what the dataplane said, and answers unless it is to be `silent`. */
  async listen({ silent = false } = {}): Promise<void> {
    for (const datagram of (await this.lab.harness.bfd?.take()) ?? []) {
      if (!datagram.peer.equals(this.peer) || datagram.hops !== this.hops) continue
      const view = new DataView(datagram.packet.buffer, datagram.packet.byteOffset, datagram.packet.byteLength)
      const flags = view.getUint8(1)
      const state = (flags >> 6) as State
      this.last = { state, discriminator: view.getUint32(4), yours: view.getUint32(8), datagram }
      if ((flags & 0x10) !== 0) this.isFinal = true
      if (silent) continue
      this.#peersDiscriminator = this.last.discriminator
      // RFC 5880 §6.8.6.
      if (state === STATE.down) this.#state = this.#state === STATE.up ? STATE.down : STATE.init
      else if (state === STATE.init || state === STATE.up)
        this.#state = this.#state === STATE.down && state === STATE.up ? STATE.down : STATE.up
      await this.send(this.packet({ state: this.#state, final: (flags & 0x20) !== 0 }))
    }
  }

  /** Falls silent, with so little patience asked of the other end that it is soon noticed. */
  async die(): Promise<void> {
    await this.send(this.packet({ state: this.#state, multiplier: 1, desiredMinTx: 50_000 }))
    this.#state = STATE.down
  }
}

/** A router with a session to peer 0: flows into red go there, and to peer 1, which nobody watches. */
class Watching {
  readonly events: string[] = []
  readonly far: FarEnd

  constructor(
    private readonly lab: Lab,
    readonly hops: LivenessObject['hops'],
  ) {
    this.far = new FarEnd(lab, lab.peers[0], hops)
    void this.#follow(lab.harness.dataplane.events)
  }

  async start(): Promise<void> {
    const { lab } = this
    const tables = overlay(lab)
    const session = {
      id: SESSION,
      local: lab.local,
      remote: lab.peers[0],
      hops: this.hops,
      desiredMinTx: 50_000,
      requiredMinRx: 50_000,
      multiplier: 3,
      ...(this.hops === 'multiple' && { vouchesFor: 'tunnels' as const }),
    } as const
    const spread: GroupObject = { id: 11, members: [11, 13].map((nextHop) => ({ nextHop, weight: 1 })), seed: 7 }
    await lab.program({
      ...tables,
      liveness: [session],
      nextHops: [
        ...tables.nextHops.map((hop) => (hop.id === 11 ? { ...hop, liveness: SESSION } : hop)),
        { id: 13, action: tunnelTo(lab, 1, 2001) },
      ],
      groups: tables.groups.map((group) => (group.id === 11 ? spread : group)),
    })
    await lab.attach((port) => POD_ADDRESSES[port].map((address) => IpAddress.parse(address)))
  }

  /** Who gets flows, as indexes of peers. */
  async ways(): Promise<number[]> {
    const packets = Array.from({ length: FLOWS }, (_, flow) =>
      testPacket({ source: '10.0.0.1', destination: '10.1.0.1', sourcePort: 1000 + flow }),
    )
    const outputs = await this.lab.allFromPort(1, packets)
    const found = outputs.map((output) => this.lab.peers.findIndex((peer) => output.type === 'sent' && output.destination.equals(peer)))
    return [...new Set(found)].toSorted((a, b) => a - b)
  }

  /** Listens until something is so. */
  async until(what: string, isSo: () => boolean | Promise<boolean>, options?: { readonly silent: boolean }): Promise<void> {
    for (let look = 0; look < LOOKS; look++) {
      if (await isSo()) return
      await this.far.listen(options)
    }
    check(false, `${what} has not come; events: ${printed(this.events)}, last heard: ${printed(this.far.last)}`)
  }

  /** Listens until the session is up and has told so. */
  async up(): Promise<void> {
    const before = this.events.filter((type) => type === 'liveness-up').length
    // While a session is down its ends speak but once a second (RFC 5880 §6.8.3); who is spoken to answers at once.
    await this.far.send(this.far.packet({ state: STATE.down }))
    await this.until('a session that is up', async () => {
      const { up = [] } = await this.lab.dump()
      return up.includes(SESSION) && this.events.filter((type) => type === 'liveness-up').length > before
    })
  }

  /** Says something as the far end, and waits until the dataplane has heard it: what is asked behind it was answered. */
  async heard(packets: readonly Uint8Array[], ttl?: number): Promise<void> {
    for (const packet of packets) await this.far.send(packet, ttl)
    this.far.isFinal = false
    await this.far.send(this.far.packet({ state: STATE.up, poll: true }))
    await this.until('an answer to a poll', () => this.far.isFinal)
  }

  async #follow(events: AsyncIterable<DataplaneEvent>): Promise<void> {
    for await (const event of events) if ('liveness' in event && event.liveness === SESSION) this.events.push(event.type)
  }
}

/** A packet with one octet changed. */
function changed(packet: Uint8Array, at: number, change: (octet: number) => number): Uint8Array {
  const copy = packet.slice()
  copy[at] = change(copy[at])
  return copy
}

export const livenessCases: readonly ConformanceCase[] = [
  {
    name: 'liveness: a next hop leaves its group while its far end is silent, and comes back with it; dump and events tell so',
    needs,
    async run(lab) {
      const watching = new Watching(lab, 'single')
      await watching.start()
      checkEqual(await watching.ways(), [0, 1], 'ways while nothing is known')
      await watching.up()
      checkEqual(await watching.ways(), [0, 1], 'ways while the session is up')
      const { ttl } = watching.far.last?.datagram ?? {}
      checkEqual(ttl, 255, 'TTL of a packet (RFC 5881 §5)')

      await watching.far.die()
      const isDown = async (): Promise<boolean> => ((await lab.dump()).down ?? []).includes(SESSION)
      await watching.until('a session that is down', isDown, { silent: true })
      await watching.until('an event that tells it', () => watching.events.includes('liveness-down'), { silent: true })
      checkEqual(await watching.ways(), [1], 'ways while the session is down')

      await watching.up()
      checkEqual(await watching.ways(), [0, 1], 'ways when the session is up again')
      checkEqual(watching.events, ['liveness-up', 'liveness-down', 'liveness-up'], 'events')
    },
  },
  {
    name: 'liveness: what is no packet of the session is not believed (RFC 5880 §6.8.6, RFC 5881 §5), and what ends it is told',
    needs,
    async run(lab) {
      const watching = new Watching(lab, 'single')
      await watching.start()
      await watching.up()
      const down = watching.far.packet({ state: STATE.down })
      const lies = [
        changed(down, 0, (octet) => (octet & 0x1f) | (2 << 5)), // version
        changed(down, 1, (octet) => octet | 0x01), // multipoint
        changed(down, 1, (octet) => octet | 0x04), // authentication, of which there is none
        changed(down, 2, () => 0), // multiplier
        changed(down, 3, () => 25), // longer than it is
        changed(down, 3, () => 23), // shorter than any is
        changed(down, 7, () => 0).fill(0, 4, 8), // no discriminator of its own
        changed(down, 11, (octet) => octet ^ 1), // the discriminator of another session
        down.slice(0, 23),
      ]
      await watching.heard(lies)
      await watching.heard([down], 254)
      checkEqual((await lab.dump()).up, [SESSION], 'sessions that are up')
      checkEqual(watching.events, ['liveness-up'], 'events')

      const removed = { set: [], remove: [SESSION] }
      const nextHop = { id: 11, action: tunnelTo(lab, 0, 2001) }
      const transaction = only(lab.generation + 1, { liveness: removed, nextHops: { set: [nextHop], remove: [] } })
      checkEqual((await lab.harness.dataplane.apply(transaction)).status, 'applied', 'status')
      await watching.until('the end of the session', () => watching.far.last?.state === STATE.adminDown, { silent: true })
      checkEqual(watching.far.last?.yours, 0x7001, 'discriminator of the far end')
    },
  },
  {
    name: 'liveness: a session over several hops has a port of its own, and hears who is far away (RFC 5883)',
    needs,
    async run(lab) {
      const watching = new Watching(lab, 'multiple')
      await watching.start()
      await watching.up()
      // From that far away anybody may have sent what names no session (RFC 5880 §4.1: octets 8–11); over one hop it ends the session.
      const nobodys = ([STATE.down, STATE.adminDown] as const).map((state) => watching.far.packet({ state }).fill(0, 8, 12))
      await watching.heard(nobodys, 60)
      checkEqual((await lab.dump()).up, [SESSION], 'sessions that are up')
      checkEqual(watching.events, ['liveness-up'], 'events')
      await watching.far.send(watching.far.packet({ state: STATE.down }), 60)
      await watching.until('a session that the far end has ended', () => watching.events.includes('liveness-down'), { silent: true })
      await watching.up()
      checkEqual(await watching.ways(), [0, 1], 'ways')
    },
  },
]
