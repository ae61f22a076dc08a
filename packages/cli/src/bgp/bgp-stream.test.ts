import { SpeakerNode } from '@heddle/agent'
import { IPV4_UNICAST, IPV6_UNICAST, VPNV4_UNICAST, type LocalRoute, type NeighborConfig } from '@heddle/bgp'
import { silentLogger } from '@heddle/io'
import { ManualClock, memoryNetwork, seededRandom } from '@heddle/io/testing'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SCHEMAS } from '../schema/schemas.js'
import { violations } from '../schema/violations.js'
import { bgpRequest, type BgpRequest } from './bgp-request.js'
import { bgpStream } from './bgp-stream.js'

const US = '192.0.2.1'
const THEM = '192.0.2.2'
const clock = new ManualClock()
let us: SpeakerNode
let them: SpeakerNode

const vpn = (rd: string, prefix: string, attributes: LocalRoute['attributes'] = {}): LocalRoute => ({
  family: VPNV4_UNICAST,
  nlri: { kind: 'vpn', labels: [100], rd: RouteDistinguisher.parse(rd), prefix: IpPrefix.parse(prefix) },
  attributes: { ...attributes, extendedCommunities: [{ kind: 'route-target', target: RouteTarget.parse(rd) }] },
})
const unicast = (prefix: string): LocalRoute => ({
  family: IPV4_UNICAST,
  nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) },
  nextHop: IpAddress.parse('192.0.2.9'),
})

beforeEach(async () => {
  const network = memoryNetwork({ clock })
  const node = (own: string, peer: string, more: Partial<NeighborConfig> = {}): SpeakerNode => {
    const neighbor: NeighborConfig = { address: peer, as: 65000, families: ['vpnv4-unicast', 'ipv4-unicast'], ...more }
    return new SpeakerNode(
      {
        name: own,
        address: IpAddress.parse(own),
        networks: [],
        bgp: {
          as: 65000,
          routerId: own,
          listen: [{ address: own }],
          neighbors: [neighbor],
          vrfs: [{ name: 'red', rd: '65000:9', label: 99 }],
        },
      },
      { clock, random: seededRandom(1), transport: network.host(own, own).transport, logger: silentLogger },
    )
  }
  us = node(US, THEM, {
    importPolicy: 'policy small\nterm host\n match prefix 10.0.0.0/8 ge 32\n set local-pref 300\n accept\notherwise reject',
    description: 'the other one',
  })
  // passive, so that no two connections collide
  them = node(THEM, US, { passive: true })
  them.speaker.announce([
    vpn('65000:1', '10.0.0.1/32', { localPref: 200, communities: [0xfde8_0001] }),
    vpn('65000:2', '10.0.0.1/32'),
    vpn('65000:1', '10.1.0.0/16'),
    unicast('10.0.0.9/32'),
  ])
  us.speaker.announce([vpn('65000:1', '10.0.0.1/32')])
  await Promise.all([us.start(), them.start()])
  await clock.run(10_000)
})
afterEach(async () => {
  const stopped = Promise.all([us.stop(), them.stop()])
  // what is taken back is written before the sessions end, in slices that the clock gives
  await clock.run(2000)
  await stopped
})

async function shown(request: BgpRequest): Promise<Record<string, never>[]> {
  const out: unknown[] = []
  for await (const rows of bgpStream(us.speaker, bgpRequest(request), new AbortController().signal)) out.push(...rows)
  // what is printed is what its schema says
  expect(violations(JSON.parse(JSON.stringify(out)), SCHEMAS[`bgp-${request.what}`])).toEqual([])
  return out as Record<string, never>[]
}
const names = (rows: readonly Record<string, unknown>[]): string[] =>
  rows.map(({ rd, destination, peer }) => `${String(rd)} ${String(destination)} ${String(peer)}`).sort()

describe('routes', () => {
  it('are those received as they were received, those that are chosen as they count, and those that were sent', async () => {
    const received = await shown({ what: 'routes', peer: THEM })
    expect(names(received)).toEqual([
      `65000:1 10.0.0.1/32 ${THEM}`,
      `65000:1 10.1.0.0/16 ${THEM}`,
      `65000:2 10.0.0.1/32 ${THEM}`,
      `null 10.0.0.9/32 ${THEM}`,
    ])
    expect(received.find(({ destination }) => destination === '10.1.0.0/16')).toMatchObject({ invalid: 'policy', best: false })
    const first = received.find(({ rd, destination }) => rd === '65000:1' && destination === '10.0.0.1/32')
    expect(first).toMatchObject({
      localPref: 200,
      labels: [100],
      routeTargets: ['65000:1'],
      communities: ['65000:1'],
      nextHop: THEM,
      attributes: { origin: 'igp', localPref: 200 },
    })
    const chosen = await shown({ what: 'routes', table: 'loc-rib' })
    expect(names(chosen)).toEqual([`65000:1 10.0.0.1/32 local`, `65000:2 10.0.0.1/32 ${THEM}`, `null 10.0.0.9/32 ${THEM}`])
    expect(chosen.find(({ rd }) => rd === '65000:2')).toMatchObject({ localPref: 300 })
    expect(names(await shown({ what: 'routes', table: 'adj-out', peer: THEM }))).toEqual([`65000:1 10.0.0.1/32 ${THEM}`])
  })

  it.each<[Partial<BgpRequest>, number]>([
    [{ match: { prefix: ['10.0.0.1/32'] } }, 3],
    [{ match: { prefix: ['10.0.0.0/8 le 32'] } }, 5],
    [{ match: { rd: ['65000:1'] } }, 3],
    [{ match: { community: ['65000:*'] } }, 1],
    [{ match: { extendedCommunity: ['rt:65000:2'] } }, 1],
    [{ match: { rd: ['65000:1'], prefix: ['10.0.0.1/32'] }, peer: THEM }, 1],
    [{ families: ['ipv4-unicast'] }, 1],
    [{ peer: 'local' }, 1],
  ])('are filtered by %j', async (query, count) => {
    expect(await shown({ what: 'routes', ...query })).toHaveLength(count)
  })

  it('are of every family that there are routes of, and of the VRF that is asked for', async () => {
    const nlri = { kind: 'unicast', prefix: IpPrefix.parse('2001:db8::/32') } as const
    us.speaker.announce([{ family: IPV6_UNICAST, nlri, nextHop: IpAddress.parse('2001:db8::1') }])
    us.speaker.announce([{ ...unicast('10.7.0.0/16'), vrf: 'red' }])
    await clock.run(1000)
    const own = await shown({ what: 'routes', peer: 'local' })
    expect(own.map(({ family, destination }) => `${String(family)} ${String(destination)}`)).toContain('ipv6-unicast 2001:db8::/32')
    expect((await shown({ what: 'routes', vrf: 'red' })).map(({ destination }) => destination)).toEqual(['10.7.0.0/16'])
    expect(await shown({ what: 'explain', vrf: 'red', match: { prefix: ['10.7.0.0/16'] } })).toMatchObject([
      { paths: [{ verdict: 'best' }] },
    ])
    await expect(shown({ what: 'routes', vrf: 'blue' })).rejects.toMatchObject({ code: 'speaker.config' })
  })

  it('refuse a neighbor, a family and a condition that there are not', async () => {
    await expect(shown({ what: 'routes', peer: '192.0.2.77' })).rejects.toMatchObject({ code: 'speaker.neighbor-unknown' })
    await expect(shown({ what: 'routes', match: { prefix: ['10.0.0.0/99'] } })).rejects.toMatchObject({ code: 'policy.value' })
    expect(() => bgpRequest({ what: 'routes', families: ['ipx'] })).toThrow(/families\.0: found "ipx"; allowed: ipv4-unicast/)
    expect(() => bgpRequest({ what: 'routes', match: { prefix: ['10.0.0.0/33'] } })).toThrow(
      /^match\.prefix\[0\]: "10\.0\.0\.0\/33" is not/,
    )
  })
})

describe('the other views', () => {
  it('show neighbors with what was agreed on, counted and configured', async () => {
    const [row] = await shown({ what: 'neighbors', peer: THEM })
    expect(row).toMatchObject({
      address: THEM,
      remoteAddress: THEM,
      state: 'established',
      description: 'the other one',
      established: 1,
      capabilities: { asn4: true, routeRefresh: true, addPathSend: [], gracefulRestart: { restartTime: 120 } },
      timers: { hold: 90, keepalive: 30 },
      messages: { received: { open: 1 } },
      routes: [
        { family: 'vpnv4-unicast', received: 3, stale: 0, sent: 1 },
        { family: 'ipv4-unicast', received: 1, stale: 0, sent: 0 },
      ],
      lastNotification: null,
    })
    expect(() => bgpStream(us.speaker, { what: 'neighbors', peer: '192.0.2.77' }, new AbortController().signal)).toThrow(/no neighbor/)
  })

  it('explain every path, and what each neighbor is told', async () => {
    const rows = await shown({ what: 'explain', match: { prefix: ['10.0.0.1/32'] } })
    expect(rows).toMatchObject([
      {
        rd: '65000:1',
        destination: '10.0.0.1/32',
        paths: [
          { peer: 'local', verdict: 'best', because: 'local' },
          { peer: THEM, verdict: 'lost', because: 'local', term: 'host', localPref: 300 },
        ],
        advertised: [{ neighbor: THEM, holds: true, because: null }],
      },
      { rd: '65000:2', paths: [{ verdict: 'best' }], advertised: [{ neighbor: THEM, holds: false, because: 'from-this-peer' }] },
    ])
    const [rejected] = await shown({ what: 'explain', match: { prefix: ['10.1.0.0/16'] } })
    expect(rejected).toMatchObject({ paths: [{ verdict: 'invalid', because: 'policy', term: 'otherwise' }] })
  })

  it('show policies as text, and count what they reject', async () => {
    const [policy] = await shown({ what: 'policies' })
    expect(policy).toMatchObject({ neighbor: THEM, direction: 'import', name: 'small', terms: 1 })
    expect(policy['text']).toContain('match prefix 10.0.0.0/8 ge 32')
    const rows = await shown({ what: 'statistics' })
    expect(rows).toContainEqual({
      neighbor: THEM,
      family: 'vpnv4-unicast',
      received: 3,
      used: 2,
      best: 1,
      stale: 0,
      rejected: { policy: 1 },
      sent: 1,
    })
    expect(await shown({ what: 'metrics' })).toMatchObject([{ sessions: { established: 1 }, queues: { unsent: 0 } }])
    const sets = await shown({ what: 'attributes', peer: THEM, families: ['vpnv4-unicast'] })
    expect(sets.map(({ routes }) => routes)).toEqual([1, 1, 1])
  })
})

describe('what goes on', () => {
  it('is watched without a gap, filtered or not', async () => {
    const ending = new AbortController()
    const rows: Record<string, never>[] = []
    const reading = (async () => {
      const request: BgpRequest = { what: 'watch', match: { rd: ['65000:2'] } }
      for await (const piece of bgpStream(us.speaker, request, ending.signal)) rows.push(...(piece as Record<string, never>[]))
    })()
    const until = async (event: string): Promise<void> => {
      for (let turns = 0; !rows.some((row) => row['event'] === event); turns++) {
        if (turns > 1000) expect.unreachable(`no ${event} in ${JSON.stringify(rows)}`)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await until('end-of-snapshot')
    expect(rows.map(({ event }) => event)).toEqual(['snapshot', 'neighbor', 'route', 'end-of-snapshot'])
    them.speaker.announce([vpn('65000:1', '10.0.0.7/32')]) // not asked for
    await clock.run(1000)
    them.speaker.withdraw([vpn('65000:2', '10.0.0.1/32')])
    await clock.run(1000)
    await until('gone')
    rows.slice(1).forEach((row, at) => expect(row['after']).toBe(rows[at]['sequence']))
    const [last] = rows.slice(-1)
    expect(last).toMatchObject({ event: 'gone', rd: '65000:2', destination: '10.0.0.1/32' })
    expect(Number(last['sequence']) - Number(last['after'])).toBeGreaterThan(1)
    ending.abort()
    await reading
  })

  it('is watched in a VRF, and only there', async () => {
    us.speaker.setVrfs([{ name: 'red', rd: '65000:7', label: 16, exportTargets: ['65000:7'] }])
    us.speaker.announce([{ vrf: 'red', family: IPV4_UNICAST, nlri: { kind: 'unicast', prefix: IpPrefix.parse('10.7.0.0/16') } }])
    await clock.run(1000)
    const rows = async (request: BgpRequest): Promise<string[]> => {
      const ending = new AbortController()
      const out: string[] = []
      for await (const piece of bgpStream(us.speaker, bgpRequest(request), ending.signal)) {
        for (const row of piece as { event: string; route?: { rd: string | null; destination: string } }[]) {
          if (row.route !== undefined) out.push(`${row.route.rd} ${row.route.destination}`)
          if (row.event === 'end-of-snapshot') ending.abort()
        }
      }
      return out
    }
    expect(await rows({ what: 'watch', vrf: 'red' })).toEqual(['null 10.7.0.0/16'])
    // for everybody else it is a VPN route
    expect(await rows({ what: 'watch', match: { prefix: ['10.7.0.0/16'] } })).toEqual(['65000:7 10.7.0.0/16'])
  })

  it('is traced message by message', async () => {
    const ending = new AbortController()
    const rows: Record<string, unknown>[] = []
    const reading = (async () => {
      for await (const piece of bgpStream(us.speaker, { what: 'trace', peer: THEM }, ending.signal)) rows.push(...(piece as typeof rows))
    })()
    await new Promise((resolve) => setImmediate(resolve))
    them.speaker.announce([vpn('65000:1', '10.0.0.7/32')])
    await clock.run(1000)
    for (let turns = 0; rows.length === 0 && turns < 1000; turns++) await new Promise((resolve) => setImmediate(resolve))
    ending.abort()
    await reading
    expect(rows[0]).toMatchObject({ neighbor: THEM, as: 65000, localAddress: US, direction: 'received' })
    expect(rows[0]['hex']).toMatch(/^f{32}....02/)
  })
})
