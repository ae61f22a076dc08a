import {
  type DataplaneEvent,
  type FibTransaction,
  type MirrorObject,
  type NatPoolObject,
  type PolicyObject,
  type PortObject,
  RouteBatch,
  type ServiceObject,
  type TraceObject,
} from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { allOf } from '../src/all-of.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { RATE, RATE_KEY } from '../src/layout/structs/rate.js'
import { BulkSites, ENOUGH, isLarge, MOST_SAID, OCTETS, SITES, whole, type Endpoint, type Received } from './support/bulk.js'
import { missing, titled } from './support/requirements.js'

const RED: Endpoint = { site: 'a', kind: 'red', port: 0 }
const FAR: Endpoint = { site: 'b', kind: 'red', port: 0 }
const [TCP, PORT] = [6, 9000]
/** Octets of the headers of IPv4 and TCP with a timestamp, and of a packet that a port takes. */
const [HEADERS, MTU] = [52, 1400]
/** Nanoseconds of an octet at one bit a second. */
const OCTET_TIME = 8_000_000_000n
const DIRECTIONS = { ingress: 0, egress: 1 } as const
/** What programs copy of a packet at most, and what they tell of one. */
const [MOST_COPIED, MOST_TRACED] = [16_384, 128]
/** Where nobody lives: a virtual address, and one that others are hidden behind. */
const [VIRTUAL, OUTSIDE] = ['10.9.0.1', '10.9.0.2']
/** The VRF of site a in which others are hidden. */
const HIDING = 7

const port = (site: Site, rateLimits?: PortObject['rateLimits']): PortObject => ({
  id: 0,
  kind: 'endpoint',
  vrf: 0,
  allowedSources: POD[site].map((address) => IpPrefix.parse(address)),
  gateways: [],
  mtu: MTU,
  ...(rateLimits && { rateLimits }),
})

/*
 * What judges, translates, copies or tells packets, of streams whose segments are longer than length fields of IPv4 can say (docs/adr/0024). No test run of a
 * program carries such a frame: it would have to fit into a page.
 */
describe.skipIf(missing() !== '')(titled('super-frames that are longer than their headers can say, with'), { timeout: 3 * ENOUGH }, () => {
  let sites: BulkSites
  const generations: Record<Site, number> = { a: 0, b: 0 }
  const events: Record<Site, DataplaneEvent[]> = { a: [], b: [] }
  /** What takes away what a test has set. */
  const undo: (() => Promise<void>)[] = []

  const apply = async (site: Site, changes: Partial<FibTransaction>): Promise<void> => {
    const report = await sites.routers[site].apply({ ...emptyTransaction(++generations[site]), ...changes })
    expect(report).toMatchObject({ status: 'applied', failures: [] })
  }
  const set = async (
    site: Site,
    kind: 'policies' | 'services' | 'natPools' | 'mirrors' | 'traces',
    objects: readonly (PolicyObject | ServiceObject | NatPoolObject | MirrorObject | TraceObject)[],
  ): Promise<void> => {
    await apply(site, { [kind]: { set: objects, remove: [] } })
    undo.push(() => apply(site, { [kind]: { set: [], remove: objects.map(({ id }) => id) } }))
  }

  beforeAll(async () => {
    sites = new BulkSites('featured')
    await sites.open()
    for (const site of SITES) {
      await sites.setUp(sites.routers[site], site, ++generations[site], 4, 'mpls-udp')
      void (async () => {
        for await (const event of sites.routers[site].events) events[site].push(event)
      })()
    }
  })
  afterEach(async () => {
    for (const site of SITES) events[site].length = 0
    // One that fails leaves no test what others have set.
    await allOf(undo.splice(0).reverse())
  })
  afterAll(() => sites?.closeAll())

  /** Sends until segments are large, if this kernel makes such; all of it comes, and none is dropped for what it is. */
  async function send(to: string, isShown: () => boolean = () => true): Promise<Received> {
    const before = await sites.dropped('policy', 'flow-limit', 'no-backend', 'nat-exhausted')
    const isEnough = (mean: number): boolean => {
      const shown = isShown() // asked of each connection, since it may count them
      return shown && (isLarge(mean) || !sites.hasIpv4)
    }
    const found = await sites.send([RED, FAR], POD.b[0], isEnough, OCTETS, to)
    expect([found.lines, await sites.dropped('policy', 'flow-limit', 'no-backend', 'nat-exhausted')]).toEqual([whole(), before])
    if (sites.hasIpv4) expect(found.mean).toBeGreaterThan(MOST_SAID)
    return found
  }

  it('policies at both ends', async () => {
    const policy = (id: number, direction: PolicyObject['direction']): PolicyObject => ({
      id,
      port: 0,
      direction,
      rules: [{ verdict: 'allow', protocol: TCP, ports: [{ first: PORT, last: PORT }] }],
      defaultVerdict: 'deny',
    })
    await set('a', 'policies', [policy(0, 'egress'), policy(1, 'ingress')])
    await set('b', 'policies', [policy(0, 'egress'), policy(1, 'ingress')])
    await send(POD.b[0])
  })

  it('a service', async () => {
    const backends = [{ address: IpAddress.parse(POD.b[0]), port: PORT, weight: 1 }]
    await set('a', 'services', [{ id: 1, vrf: 0, address: IpAddress.parse(VIRTUAL), protocol: 'tcp', port: PORT, backends, seed: 1 }])
    await send(VIRTUAL)
  })

  it('a pool that hides the sender', async () => {
    const tunnel = (local: Site, remote: Site, label: number) =>
      ({
        type: 'tunnel',
        encapsulation: 'mpls-udp',
        local: IpAddress.parse(UNDERLAY[local][0]),
        remote: IpAddress.parse(UNDERLAY[remote][0]),
        labels: [label],
        ttlModel: 'pipe',
        trafficClassModel: 'pipe',
      }) as const
    const group = (id: number) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })
    const route = (vrf: number, address: string, to: number): RouteBatch => {
      const routes = new RouteBatch()
      routes.push(vrf, IpPrefix.parse(address), to)
      return routes
    }
    const [HIDDEN, BACK, LABEL] = [50, 51, 1301]
    const outward = route(0, POD.b[0], HIDDEN)
    outward.push(HIDING, IpPrefix.parse(POD.b[0]), 2)
    await apply('a', {
      vrfs: { set: [{ id: HIDING, name: 'hiding' }], remove: [] },
      nextHops: { set: [{ id: HIDDEN, action: { type: 'lookup', vrf: HIDING } }], remove: [] },
      groups: { set: [group(HIDDEN)], remove: [] },
      labels: { set: [{ label: LABEL, action: { type: 'pop-lookup', vrf: HIDING }, sources: 0 }], remove: [] },
      routes: outward,
    })
    undo.push(() => apply('a', { routes: route(0, POD.b[0], 2) }))
    await set('a', 'natPools', [
      { id: 1, vrf: 0, outside: HIDING, address: IpAddress.parse(OUTSIDE), ports: { first: 1024, last: 65_535 } },
    ])
    await apply('b', {
      nextHops: { set: [{ id: BACK, action: tunnel('b', 'a', LABEL) }], remove: [] },
      groups: { set: [group(BACK)], remove: [] },
      routes: route(0, OUTSIDE, BACK),
    })
    await send(POD.b[0])
  })

  it('mirrors of a port and of a rule, which copy no more than they want', async () => {
    const [short, whole, ofRule] = [1, 2, 3]
    const sink = { type: 'stream' } as const
    await set('b', 'mirrors', [
      { id: short, ports: [{ port: 0, direction: 'ingress' }], snapLength: 100, sink },
      { id: whole, ports: [{ port: 0, direction: 'ingress' }], sink },
      { id: ofRule, ports: [], snapLength: 60, sink },
    ])
    const rules = [{ verdict: 'allow', protocol: TCP, mirror: ofRule }] as const
    await set('b', 'policies', [{ id: 0, port: 0, direction: 'ingress', rules, defaultVerdict: 'deny' }])
    /** Octets that mirrors have of packets whose headers cannot say how long they are. */
    const kept = (mirror: number): number[] =>
      events.b.flatMap((event) =>
        event.type === 'mirrored' && event.mirror === mirror && event.length > MOST_SAID ? [event.packet.length] : [],
      )
    const wanted = { [short]: 100, [whole]: MOST_COPIED, [ofRule]: 60 }
    await send(POD.b[0], () => !sites.hasIpv4 || [short, whole, ofRule].every((mirror) => kept(mirror).length > 0))
    if (sites.hasIpv4)
      for (const mirror of [short, whole, ofRule]) expect([mirror, new Set(kept(mirror))]).toEqual([mirror, new Set([wanted[mirror]])])
  })

  it('a trace at either router, which tells how long they are', async () => {
    for (const site of SITES) await set(site, 'traces', [{ id: 1, filter: { protocol: TCP, port: PORT } }])
    const large = (site: Site) => events[site].flatMap((event) => (event.type === 'traced' && event.length > MOST_SAID ? [event] : []))
    await send(POD.b[0], () => !sites.hasIpv4 || SITES.every((site) => large(site).length > 0))
    for (const site of sites.hasIpv4 ? SITES : []) {
      const [{ packet, length, outcome, steps, from }] = large(site)
      expect([packet.length, outcome, from.type]).toEqual([MOST_TRACED, ...(site === 'a' ? ['send', 'port'] : ['deliver', 'underlay'])])
      const text = steps.map(({ step, text: said }) => `${step}: ${said}`).join('\n')
      if (site === 'a') expect(text).toMatch(new RegExp(`^parse: IPv4, ${length} octets,[^]*^send: ${length} octets and the headers`, 'm'))
      else
        expect(text).toMatch(
          new RegExp(`^parse outer: mpls-udp from ${UNDERLAY.a[0]}, ${length} octets behind[^]*^deliver: to port 0`, 'm'),
        )
    }
  })

  it('limits of rates, for which they count as the packets that they stand for', async () => {
    // An octet comes back in eight seconds: what was counted is what time says.
    const limit = { bitsPerSecond: 1, burstOctets: 536_870_911 }
    const limited = { a: 'egress', b: 'ingress' } as const
    for (const site of SITES) {
      await apply(site, { ports: { set: [port(site, { [limited[site]]: limit })], remove: [] } })
      undo.push(() => apply(site, { ports: { set: [port(site)], remove: [] } }))
    }
    const counted = (site: Site): number => {
      const key = new View(RATE_KEY).set('port', 0).set('direction', DIRECTIONS[limited[site]]).bytes
      const { maps } = (sites.routers[site] as EbpfRouter).parts
      const time = new View(RATE, maps.get('rates', key)).getLarge('time')
      return Number((BigInt(time) - process.hrtime.bigint()) / OCTET_TIME)
    }
    const before = SITES.map(counted)
    let connections = 0
    await send(POD.b[0], () => ++connections > 0)
    for (const [index, site] of SITES.entries()) {
      const packets = Math.ceil(OCTETS / (MTU - HEADERS))
      const least = connections * (OCTETS + packets * HEADERS)
      const found = counted(site) - Math.max(before[index], 0)
      // Within what was sent again, acknowledgements of the other side, and the time that it took.
      expect([site, found]).toEqual([site, expect.toSatisfy((octets: number) => octets >= 0.999 * least && octets < 1.1 * least)])
    }
  })

  // Of a burst, there has to be something left (docs/adr/0022): were it all of them, none would ever pass.
  it('a limit whose burst is less than one of them', async () => {
    const limit = { bitsPerSecond: 1_000_000_000_000, burstOctets: 32_768 }
    await apply('a', { ports: { set: [port('a', { egress: limit })], remove: [] } })
    undo.push(() => apply('a', { ports: { set: [port('a')], remove: [] } }))
    await send(POD.b[0])
  })
})
