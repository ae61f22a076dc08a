import { describe, expect, it } from 'vitest'
import { KEEPALIVE, VPNV4_UNICAST, decodeMessage, encodeMessage } from '../../src/index.js'
import { Lab, internal, isUp, neighbor, vpn } from './lab.js'
import { SinkPeer, sinkTransport } from './sink-peers.js'

const [A, B] = ['192.0.2.1', '192.0.2.2'] as const
const HOLD = 9
const ROUTES = 20_000

/** A peer that keeps the types of what it is sent, with the second in which it was handed over. */
class ListeningPeer extends SinkPeer {
  readonly keepalives: number[] = []

  constructor(private readonly lab: Lab) {
    super(B, { families: [VPNV4_UNICAST], holdTime: HOLD })
  }

  override write(bytes: Uint8Array): boolean {
    if (bytes[18] === 4) this.keepalives.push(this.lab.clock.now() / 1000)
    return super.write(bytes)
  }
}

describe('a peer that reads a full table slowly', () => {
  it('is kept alive meanwhile, costs a bounded queue, and gets all of it in the end', async () => {
    const lab = new Lab()
    const sink = new ListeningPeer(lab)
    const a = lab.speaker(A, { holdTime: HOLD, transport: sinkTransport([sink]), neighbors: [internal(B, { passive: true })] })
    // every route has a set of its own, so that none shares a message
    a.announce(
      Array.from({ length: ROUTES }, (_, at) => {
        const route = vpn(`10.${at >>> 16}.${(at >>> 8) & 255}.${at & 255}/32`)
        return { ...route, attributes: { ...route.attributes, med: at } }
      }),
    )
    await a.start()
    sink.greet()
    await lab.until(() => isUp(a, B), 'up')
    const began = sink.updates.length
    let largest = 0
    for (let second = 0; second < 120; second++) {
      sink.take(3_000)
      if (second % 3 === 0) sink.say(encodeMessage(KEEPALIVE))
      await lab.run(1)
      largest = Math.max(largest, sink.queued)
      expect(isUp(a, B)).toBe(true)
    }
    const early = sink.updates.length - began
    expect(early).toBeLessThan(ROUTES) // it was slow indeed
    const gaps = sink.keepalives.slice(1).map((at, position) => at - (sink.keepalives[position] ?? 0))
    expect(sink.keepalives.length).toBeGreaterThan(120 / HOLD)
    expect(Math.max(...gaps)).toBeLessThan(HOLD / 2)
    expect(largest).toBeLessThan(256 * 1024)

    sink.take(Infinity)
    await lab.until(() => sink.updates.length >= ROUTES, 'everything', 20)
    const prefixes = new Set<string>()
    for (const update of sink.updates) {
      const result = decodeMessage(update)
      if (!result.ok || result.message.type !== 'update') continue
      for (const { nlri } of result.message.announced)
        for (const route of nlri) if (route.kind === 'vpn') prefixes.add(String(route.prefix))
    }
    expect([prefixes.size, neighbor(a, B).established]).toEqual([ROUTES, 1])
    await a.stop()
  })
})
