import { ManualClock, recordingLogger, seededRandom } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import { Speaker, VPNV4_UNICAST, decodeMessage, type LocalRoute, type NeighborConfig } from '../../src/index.js'
import { vpn } from './lab.js'
import { SinkPeer, sinkTransport } from './sink-peers.js'

const PEERS = 200
const ROUTES = 100_000
const SETS = 50

const addressOf = (peer: number): string => `198.51.100.${peer + 1}`.replace('100.256', '101.1')
const hostOf = (at: number): string => `10.${at >>> 16}.${(at >>> 8) & 255}.${at & 255}/32`

function routes(count: number, label = 1000): LocalRoute[] {
  const sets = Array.from({ length: SETS }, (_, at) => vpn('10.0.0.0/32', { rt: `65000:${at}`, nextHop: '192.0.2.1' }).attributes)
  return Array.from({ length: count }, (_, at) => ({
    ...vpn(hostOf(at), { label, nextHop: '192.0.2.1' }),
    ...(sets[at % SETS] === undefined ? {} : { attributes: sets[at % SETS] }),
  }))
}

async function fanOut(peers: number, more: (peer: number) => Partial<NeighborConfig> = () => ({})) {
  const clock = new ManualClock()
  const logs = recordingLogger()
  const sinks = Array.from({ length: peers }, (_, at) => new SinkPeer(addressOf(at), { families: [VPNV4_UNICAST] }))
  const speaker = new Speaker({
    clock,
    random: seededRandom(1),
    transport: sinkTransport(sinks),
    logger: logs,
    config: {
      as: 65000,
      routerId: '192.0.2.1',
      holdTime: 0,
      listen: [{ address: '192.0.2.1' }],
      neighbors: sinks.map(({ address }, at) => ({ address, as: 65000, families: ['vpnv4-unicast'], passive: true, ...more(at) })),
    },
  })
  const quiet = async (): Promise<void> => {
    for (let round = 0; round < 5000; round++) {
      await clock.run(1)
      if (round > 5 && speaker.metrics().queues.scheduled === 0) return
    }
  }
  return { clock, logs, sinks, speaker, quiet }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.buffer === other.buffer && one.byteOffset === other.byteOffset && one.length === other.length
}

/** Labels by prefix, as the messages leave them. */
function held({ updates }: SinkPeer): Map<string, number> {
  const out = new Map<string, number>()
  for (const bytes of updates) {
    const result = decodeMessage(bytes, { peerType: 'ibgp' })
    if (!result.ok || result.message.type !== 'update') expect.unreachable()
    for (const { nlri } of result.message.withdrawn) for (const one of nlri) if (one.kind === 'vpn') out.delete(String(one.prefix))
    for (const { nlri } of result.message.announced) {
      for (const one of nlri) if (one.kind === 'vpn') out.set(String(one.prefix), one.labels[0])
    }
  }
  return out
}

describe(`${ROUTES} routes to ${PEERS} peers`, () => {
  it('packs each UPDATE once, and hands the same octets to every peer', async () => {
    const { speaker, sinks, quiet } = await fanOut(PEERS)
    await speaker.start()
    for (const sink of sinks) sink.greet()
    await quiet()
    expect(speaker.neighbors().filter(({ state }) => state === 'established')).toHaveLength(PEERS)
    expect(speaker.metrics().exportGroups).toBe(1)
    const before = speaker.metrics().packed

    speaker.announce(routes(ROUTES))
    await quiet()
    const [first, ...others] = sinks
    const announced = first.updates.slice(1) // behind the End-of-RIB
    expect(speaker.metrics().packed - before).toBe(announced.length)
    for (const { updates } of others) {
      expect(updates.length).toBe(first.updates.length)
      // the very same octets of one buffer, not equal ones
      expect(updates.slice(1).every((message, at) => isSame(message, announced[at]))).toBe(true)
    }
    expect(held(first).size).toBe(ROUTES)
    expect(speaker.neighbors().map(({ families }) => families[0].sent)).toEqual(sinks.map(() => ROUTES))
    await speaker.stop()
  })

  it('packs the dump once for peers that come up together', async () => {
    const { speaker, sinks, quiet } = await fanOut(PEERS)
    speaker.announce(routes(ROUTES))
    await speaker.start()
    for (const sink of sinks) sink.greet()
    await quiet()
    const messages = sinks[0].updates.length - 1
    // who comes while the dump is under way shares the rest of it, and what it missed with the others that came late
    expect(speaker.metrics().packed).toBeLessThanOrEqual(messages * 2 + 2 * SETS)
    for (const sink of [sinks[0], sinks[99], sinks[199]]) expect(held(sink).size).toBe(ROUTES)
    await speaker.stop()
  })
})

describe('a peer that is slower than the others', () => {
  it('costs them nothing, and is sent the newest state of each route only', async () => {
    const { speaker, sinks, quiet } = await fanOut(4)
    await speaker.start()
    for (const sink of sinks) sink.greet()
    await quiet()
    const slow = sinks[3]
    slow.take(1)
    speaker.announce(routes(20_000))
    await quiet()
    expect(held(sinks[0]).size).toBe(20_000)
    const before = slow.updates.length
    // what it has not been packed for changes five times more, and the half of it goes
    for (const label of [1001, 1002, 1003, 1004, 1005]) {
      speaker.announce(routes(20_000, label))
      await quiet()
    }
    speaker.withdraw(routes(20_000).slice(10_000))
    await quiet()
    expect(held(sinks[0]).size).toBe(10_000)
    expect(slow.updates.length).toBeLessThanOrEqual(before + 1)

    slow.take(Infinity)
    await quiet()
    expect(held(slow)).toEqual(held(sinks[0]))
    const octets = (sink: SinkPeer): number => sink.updates.reduce((sum, { length }) => sum + length, 0)
    expect(octets(slow)).toBeLessThan(octets(sinks[0]) / 3)

    const packed = speaker.metrics().packed
    speaker.announce(routes(5_000, 2000))
    await quiet()
    expect(sinks.map((sink) => sink.updates.at(-1)?.length)).toEqual(sinks.map(() => sinks[0].updates.at(-1)?.length))
    expect(speaker.metrics().packed - packed).toBeLessThan(200)
    await speaker.stop()
  })
})

describe('peers that differ in what decides the octets', () => {
  it.each<[string, Partial<NeighborConfig>]>([
    ['a client', { routeReflectorClient: true }],
    ['next hop self', { nextHop: 'self' }],
    ['another AS', { as: 65001 }],
  ])('%s is in a group of its own', async (_name, different) => {
    const { speaker, sinks, quiet } = await fanOut(2, (peer) => (peer === 1 ? different : {}))
    await speaker.start()
    sinks[0].greet()
    if (different.as === undefined) sinks[1].greet()
    else {
      const other = new SinkPeer(sinks[1].address, { families: [VPNV4_UNICAST], as: different.as })
      other.say = (bytes) => sinks[1].say(bytes)
      other.greet()
    }
    await quiet()
    expect(speaker.metrics().exportGroups).toBe(2)
    await speaker.stop()
  })
})
