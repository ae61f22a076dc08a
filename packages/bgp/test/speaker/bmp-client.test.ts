import { seededRandom } from '@heddle/io/testing'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import {
  BmpClient,
  IPV4_UNICAST,
  IPV6_UNICAST,
  type BmpClientConfig,
  type NeighborConfig,
  type Speaker,
  type SpeakerConfig,
} from '../../src/index.js'
import { Lab, internal, isUp, neighbor, vpn } from './lab.js'
import { Station, plain, tablesOf } from './station.js'

const R = '192.0.2.1'
const A = '192.0.2.11'
const B = '192.0.2.12'
const S = '192.0.2.99'
const PORT = 11_019
const NOW = 1_700_000_000_250

interface Parts {
  readonly lab: Lab
  readonly r: Speaker
  readonly a: Speaker
  readonly b: Speaker
  readonly client: BmpClient
  readonly station: Station
}

async function monitored(
  options: { config?: Partial<BmpClientConfig>; toA?: Partial<NeighborConfig>; toB?: Partial<NeighborConfig> } = {},
): Promise<Parts> {
  const { config = {}, toA = {}, toB = {} } = options
  const lab = new Lab()
  const speakerConfig: SpeakerConfig = {
    as: 65000,
    routerId: R,
    neighbors: [internal(A, { routeReflectorClient: true, ...toA }), internal(B, { routeReflectorClient: true, ...toB })],
  }
  const r = lab.speaker(R, { neighbors: [...speakerConfig.neighbors] })
  const a = lab.speaker(A, { neighbors: [internal(R, toA.addPath === undefined ? {} : { addPath: 'both' })] })
  const b = lab.speaker(B, { neighbors: [internal(R)] })
  await Promise.all([r, a, b].map((speaker) => speaker.start()))
  const station = new Station()
  await station.listen(lab.host(S).transport, S, PORT)
  const client = new BmpClient({
    speaker: r,
    speakerConfig,
    config: { address: IpAddress.parse(S), port: PORT, statistics: 0, system: { name: 'r', description: 'a reflector' }, ...config },
    clock: lab.clock,
    random: seededRandom(3),
    transport: lab.host(R).transport,
    now: () => NOW,
    logger: lab.logs,
  })
  return { lab, r, a, b, client, station }
}
const types = (station: Station): string[] => [...new Set(station.messages.map(({ type }) => type))]

describe('a station', () => {
  it('is told who and what there is, then what changes, and what ended', async () => {
    const { lab, r, a, b, client, station } = await monitored()
    a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
    await lab.until(() => isUp(r, A) && isUp(r, B), 'sessions')
    client.start()
    await lab.run(2)
    const [initiation, local] = station.messages
    expect(initiation).toEqual({
      type: 'initiation',
      information: [
        { kind: 'system-description', text: 'a reflector' },
        { kind: 'system-name', text: 'r' },
      ],
    })
    expect(local).toMatchObject({ type: 'peer-up', peer: { peerType: 3, as: 65000, seconds: 1_700_000_000, microseconds: 250_000 } })
    const ups = station.messages.filter(({ type }) => type === 'peer-up')
    expect(new Set(ups.map((message) => ('peer' in message ? String(message.peer.address) : '')))).toEqual(new Set([A, B, '::']))
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
    expect(Object.keys(plain(station.tables))).toEqual([`${A} post`, `${A} pre`, `${B} out`, 'local'])
    b.announce([vpn('10.0.0.1/32', { label: 7 })])
    a.withdraw([vpn('10.0.0.2/32')])
    await lab.run(2)
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
    await a.stop({ message: 'done' })
    await lab.run(2)
    const down = station.messages.at(-1)
    expect(station.messages.filter(({ type }) => type === 'peer-down')).toMatchObject([
      { reason: 3, peer: { address: IpAddress.parse(A) } },
    ])
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
    expect(down?.type).not.toBe('termination')
    await Promise.all([client.stop(), lab.run(1)])
    expect(station.messages.at(-1)).toEqual({ type: 'termination', tlvs: [{ kind: 'reason', reason: 0 }] })
    await lab.run(120)
    expect(station.connections).toBe(1)
  })

  it('is told what policy rejects and changes only before it', async () => {
    const importPolicy = 'term one\n match prefix 10.0.0.1/32\n set local-pref 300\n accept\notherwise reject'
    const { lab, r, a, client, station } = await monitored({ toA: { importPolicy } })
    a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
    client.start()
    await lab.run(20)
    const of = (table: string): string[] => [...(station.tables.get(`${A} ${table}`) ?? new Map<string, string>())].flat()
    expect(of('pre').filter((text) => text.includes('"localPref":100'))).toHaveLength(2)
    expect(of('post')).toHaveLength(2)
    expect(of('post')[1]).toContain('"localPref":300')
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
    r.updateNeighbor(internal(A, { routeReflectorClient: true }))
    await lab.run(5)
    expect(of('post')).toHaveLength(4)
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
  })

  it('is told of several paths by their identifiers', async () => {
    const { lab, r, a, client, station } = await monitored({ toA: { addPath: 'both' } })
    client.start()
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(20)
    expect([...(station.tables.get(`${A} pre`)?.keys() ?? [])][0]).toMatch(/10\.0\.0\.1\/32 [1-9]/)
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
  })

  it('gets an end of each table, counts, and messages that are malformed', async () => {
    const { lab, r, client, station } = await monitored({ config: { statistics: 5 } })
    client.start()
    await lab.run(20)
    expect(types(station)).toEqual(expect.arrayContaining(['statistics-report', 'route-monitoring']))
    const ends = station.messages.filter((message) => message.type === 'route-monitoring' && message.pdu.length < 40)
    expect(new Set(ends.map((message) => ('peer' in message ? `${message.peer.peerType} ${message.peer.flags}` : '')))).toEqual(
      new Set(['3 0', '0 0', '0 64', '0 80']),
    )
    const report = station.messages.find(({ type }) => type === 'statistics-report')
    expect(report).toMatchObject({
      statistics: [{ type: 7, value: 0n }, { type: 15, value: 0n }, { type: 9 }, { type: 17 }, { type: 9 }, { type: 17 }],
    })
    const bad = Uint8Array.of(1, 2, 3)
    r.events.emit('malformed', { neighbor: A, errors: [], message: bad })
    await lab.run(1)
    expect(station.messages.at(-1)).toMatchObject({
      type: 'route-mirroring',
      tlvs: [
        { kind: 'information', code: 0 },
        { kind: 'message', pdu: bad },
      ],
    })
  })

  it('expects in Loc-RIB what a neighbor that comes later and the speaker itself bring', async () => {
    const { lab, r, client, station } = await monitored()
    client.start()
    await lab.run(20)
    const C = '192.0.2.13'
    const c = lab.speaker(C, { neighbors: [internal(R, { families: ['ipv6-unicast'] })] })
    await c.start()
    r.addNeighbor(internal(C, { families: ['ipv6-unicast'] }))
    c.announce([{ family: IPV6_UNICAST, nlri: { kind: 'unicast', prefix: IpPrefix.parse('2001:db8::/32') } }])
    r.announce([{ family: IPV4_UNICAST, nlri: { kind: 'unicast', prefix: IpPrefix.parse('203.0.113.0/24') }, nextHop: IpAddress.parse(R) }])
    await lab.until(() => isUp(r, C), 'the session')
    await lab.run(5)
    // the station itself refuses a family of which Peer Up said nothing
    expect([...(station.tables.get('local')?.keys() ?? [])].map((key) => key.split(' ')[0]).sort()).toEqual([
      'ipv4-unicast',
      'ipv6-unicast',
      'rtc',
    ])
  })

  it('that is lost is looked for again, ever less often, and told everything again', async () => {
    const { lab, r, a, client, station } = await monitored()
    client.start()
    await lab.run(20)
    station.reset()
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(5)
    expect(station.connections).toBe(2)
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
    const alone = new Lab()
    const speaker = alone.speaker(R, { neighbors: [] })
    const attempts: number[] = []
    const lonely = new BmpClient({
      speaker,
      speakerConfig: { as: 65000, routerId: R },
      config: { address: IpAddress.parse(S), port: PORT },
      clock: alone.clock,
      random: seededRandom(5),
      transport: {
        ...alone.host(R).transport,
        connect: async () => (attempts.push(alone.clock.now()), Promise.reject(new TypeError('nobody'))),
      },
      now: () => NOW,
    })
    lonely.start()
    await alone.run(400)
    const gaps = attempts.slice(1).map((at, index) => (at - attempts[index]) / 1000)
    expect(gaps.slice(0, 7).map((gap, index) => gap <= 2 ** index && gap >= 0.75 * 2 ** index)).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
      false,
    ])
    expect(Math.max(...gaps)).toBeLessThanOrEqual(60)
    await Promise.all([lonely.stop(), alone.run(1)])
  })

  it('that reads nothing costs no more than its queue, and holds nobody up', async () => {
    const { lab, r, a, b, client, station } = await monitored({ config: { queue: 1 << 19 } })
    await lab.until(() => isUp(r, A) && isUp(r, B), 'sessions')
    client.start()
    await lab.run(1)
    station.isAsleep = true
    for (let round = 0; round < 40; round++) {
      a.announce(Array.from({ length: 500 }, (_, at) => vpn(`10.${at >> 8}.${at & 255}.1/32`, { label: 16 + round })))
      await lab.run(1)
    }
    expect(neighbor(b, R).families[0]).toMatchObject({ received: 500 })
    expect(neighbor(r, A)).toMatchObject({ state: 'established', established: 1 })
    station.wake()
    await lab.run(180)
    expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
    expect(station.tables.get(`${A} pre`)?.size).toBe(500)
  })
})

test('what a station holds is what the tables hold, whatever happened meanwhile', async () => {
  const prefix = fc.integer({ min: 1, max: 12 }).map((host) => `10.0.0.${host}/32`)
  const step = fc.oneof(
    fc.record({
      do: fc.constant('announce' as const),
      who: fc.constantFrom('a' as const, 'b' as const, 'r' as const),
      prefix,
      label: fc.integer({ min: 16, max: 19 }),
    }),
    fc.record({ do: fc.constant('withdraw' as const), who: fc.constantFrom('a' as const, 'b' as const, 'r' as const), prefix }),
    fc.record({
      do: fc.constantFrom('reset-station' as const, 'reset-peer' as const, 'policy' as const, 'sleep' as const, 'wake' as const),
    }),
    fc.record({ do: fc.constant('time' as const), seconds: fc.constantFrom(0, 0.01, 0.5, 3) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 0, max: 10 }), async (steps, before) => {
      const { lab, r, a, b, client, station } = await monitored()
      const speakers = { a, b, r }
      let isStrict = false
      for (const [index, one] of steps.entries()) {
        if (index === before) client.start()
        if (one.do === 'announce') speakers[one.who].announce([vpn(one.prefix, { label: one.label })])
        else if (one.do === 'withdraw') speakers[one.who].withdraw([vpn(one.prefix)])
        else if (one.do === 'time') await lab.run(one.seconds)
        else if (one.do === 'reset-station') station.reset()
        else if (one.do === 'reset-peer') r.resetNeighbor(A)
        else if (one.do === 'sleep') station.isAsleep = true
        else if (one.do === 'wake') station.wake()
        else {
          isStrict = !isStrict
          const importPolicy = 'term low\n match prefix 10.0.0.0/29 le 32\n set local-pref 50\n accept\notherwise reject'
          r.updateNeighbor(internal(A, { routeReflectorClient: true, ...(isStrict ? { importPolicy } : {}) }))
        }
      }
      station.wake()
      client.start()
      await lab.run(120)
      expect(plain(station.tables)).toEqual(plain(tablesOf(r)))
      await Promise.all([client.stop(), lab.run(1)])
    }),
    { numRuns: 40 },
  )
})
