import { Speaker, type FamilyName, type NeighborConfig } from '@heddle/bgp'
import type { Encapsulation, VpnRoute } from '@heddle/core'
import { fromBgp, toBgp } from '@heddle/exchange'
import { ManualClock, memoryNetwork, seededRandom } from '@heddle/io/testing'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { afterEach, expect, it } from 'vitest'

/* A node tells what it takes, a router passes it on, and another node reads what has become of it. */

const [NODE, ROUTER, OTHER] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'] as const
const FAMILIES: readonly FamilyName[] = ['vpnv4-unicast', 'vpnv6-unicast', 'l2vpn-evpn']
const JOINT: readonly Encapsulation[] = ['mpls-udp-joint', 'mpls-udp', 'mpls-gre']
const PLAIN: readonly Encapsulation[] = ['mpls-udp', 'mpls-gre']

const route = (prefix: string, nextHop: string, encapsulations: readonly Encapsulation[], evpn = false): VpnRoute => ({
  source: 'local',
  rd: RouteDistinguisher.parse('65000:1'),
  prefix: IpPrefix.parse(prefix),
  pathId: 0,
  routeTargets: [RouteTarget.parse('65000:1')],
  label: 1001,
  nextHop: IpAddress.parse(nextHop),
  encapsulations,
  preference: { localPref: 100, asPathLength: 0, origin: 0, med: 0, neighborAs: 0, external: false, clusterListLength: 0, originatorId: 0 },
  ...(evpn && { evpn }),
})
/** Over either underlay, and VPNv6 over IPv4 (next hop `::ffff:192.0.2.1`). */
const routes = (encapsulations: readonly Encapsulation[]): readonly VpnRoute[] => [
  route('10.0.0.1/32', NODE, encapsulations),
  route('2001:db8:1::1/128', NODE, encapsulations),
  route('2001:db8:1::2/128', '2001:db8::1', encapsulations),
  route('10.0.0.3/32', NODE, encapsulations, true),
]

class Three {
  readonly #clock = new ManualClock()
  readonly #network = memoryNetwork({ clock: this.#clock })
  /** What the other node has of each prefix, and how often it was told of it. */
  readonly held = new Map<string, string>()
  readonly speakers: readonly Speaker[]
  readonly #told = new Map<string, number>()

  /** @param to how the router speaks to the other node */
  constructor(to: Partial<NeighborConfig>, otherAs = 65_000) {
    this.speakers = [
      this.#speaker(NODE, 65_000, [this.#to(ROUTER, 65_000)]),
      this.#speaker(ROUTER, 65_000, [this.#to(NODE, 65_000, { routeReflectorClient: true }), this.#to(OTHER, otherAs, to)]),
      this.#speaker(OTHER, otherAs, [this.#to(ROUTER, 65_000)]),
    ]
  }

  async start(): Promise<void> {
    await Promise.all(this.speakers.map((speaker) => speaker.start()))
    void this.#read()
    await this.#clock.run(10_000)
  }

  async tell(told: readonly VpnRoute[]): Promise<void> {
    this.speakers[0].announce(toBgp(told.map((one) => ({ kind: 'announce', route: one }))).announce)
    await this.#clock.run(2_000)
  }

  /** Changes of a prefix that the other node has been told of. */
  changesOf(prefix: string): number {
    return this.#told.get(prefix) ?? 0
  }

  async stop(): Promise<void> {
    await Promise.all([...this.speakers.map((speaker) => speaker.stop()), this.#clock.run(1_000)])
  }

  async #read(): Promise<void> {
    for await (const changes of this.speakers[2].changes) {
      for (const change of fromBgp(changes)) {
        const { prefix } = change.kind === 'announce' ? change.route : change
        this.#told.set(String(prefix), this.changesOf(String(prefix)) + 1)
        if (change.kind === 'withdraw') this.held.delete(String(prefix))
        else this.held.set(String(prefix), `${change.route.encapsulations.join(' ')} via ${change.route.nextHop}`)
      }
    }
  }

  #to(address: string, as: number, more: Partial<NeighborConfig> = {}): NeighborConfig {
    return { address, as, families: FAMILIES, ...more }
  }

  #speaker(address: string, as: number, neighbors: NeighborConfig[]): Speaker {
    const { transport } = this.#network.host(address, address)
    const config = { as, routerId: address, listen: [{ address }], neighbors }
    return new Speaker({ clock: this.#clock, random: seededRandom(1), transport, config })
  }
}

let three: Three
afterEach(() => three.stop())

const via = (encapsulations: readonly Encapsulation[], v4: string, v6 = v4): Map<string, string> =>
  new Map(
    routes(encapsulations).map(({ prefix, nextHop }) => [
      String(prefix),
      `${encapsulations.join(' ')} via ${nextHop.family === 4 ? v4 : v6}`,
    ]),
  )

it.each([
  ['a reflector', { routeReflectorClient: true }, 65_000],
  ['a router of another AS that leaves the next hop alone', {}, 65_001],
] as const)('joint labels are told through %s, in every family', async (_name, to, as) => {
  three = new Three(to, as)
  await three.start()
  await three.tell(routes(JOINT))
  expect(three.held).toEqual(via(JOINT, NODE, '2001:db8::1'))
})

it.each([
  ['a reflector', { routeReflectorClient: true, nextHop: 'self' }, 65_000],
  ['a router of another AS', { nextHop: 'self' }, 65_001],
] as const)('and are not believed of %s that puts itself in as next hop, though it leaves the community', async (_name, to, as) => {
  three = new Three(to, as)
  await three.start()
  await three.tell(routes(JOINT))
  expect(three.held).toEqual(via(PLAIN, ROUTER))
  const [{ set }] = three.speakers[2].routes({ family: 'vpnv4-unicast' })
  expect(set.attributes.extendedCommunities?.map(({ kind }) => kind)).toContain('joint-labels')
})

it('a community that comes or goes is a change of the route, and one that stays is none', async () => {
  three = new Three({ routeReflectorClient: true })
  await three.start()
  for (const [told, changes] of [
    [PLAIN, 1],
    [JOINT, 2],
    [JOINT, 2],
    [PLAIN, 3],
  ] as const) {
    await three.tell(routes(told))
    expect(three.held).toEqual(via(told, NODE, '2001:db8::1'))
    expect(three.changesOf('10.0.0.1/32')).toBe(changes)
  }
})
