import {
  NO_GROUP,
  RouteBatch,
  type Dataplane,
  type Encapsulation,
  type FibTransaction,
  type LabelObject,
  type PortObject,
} from '@heddle/core'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { Namespaces } from './namespaces.js'

/*
 *   pod-a ─ TUN ─ [virtual router a] ─ site-a ══ veth ══ site-b ─ [virtual router b] ─ TUN ─ pod-b
 *
 * Sites are underlay namespaces; each pod has a namespace of its own. VRF red is 0, blue is 1; both have the same addresses.
 */

export const UNDERLAY = { a: ['192.0.2.1', '2001:db8::1'], b: ['192.0.2.2', '2001:db8::2'] } as const
export const POD = { a: ['10.1.0.1', 'fd00:1::1'], b: ['10.1.0.2', 'fd00:1::2'] } as const
export type Site = 'a' | 'b'

/** Labels that a site allocated: one for the endpoint in red, one for the VRF blue. */
export const LABEL = { a: { red: 1001, blue: 1101 }, b: { red: 1002, blue: 1102 } } as const

/** Routers' MAC addresses, for VXLAN. */
const MAC = { a: MacAddress.parse('02:00:00:00:00:0a'), b: MacAddress.parse('02:00:00:00:00:0b') } as const

/** The namespaces of the picture above. */
export class TwoSites extends Namespaces {
  constructor(mtu = 1500) {
    super()
    try {
      for (const name of ['site-a', 'site-b', 'pod-a', 'pod-b', 'blue-a', 'blue-b']) this.add(name)
      this.in('site-a', ...`ip link add up0 mtu ${mtu} type veth peer name up0 mtu ${mtu} netns ${this.name('site-b')}`.split(' '))
      for (const site of ['a', 'b'] as const) {
        const name = `site-${site}`
        this.in(name, ...'ip link set up0 up'.split(' '))
        this.in(name, ...`ip address add ${UNDERLAY[site][0]}/24 dev up0`.split(' '))
        this.in(name, ...`ip address add ${UNDERLAY[site][1]}/64 dev up0 nodad`.split(' '))
      }
    } catch (error) {
      this.close()
      throw error
    }
  }
}

/** A transaction that sets up one site: VRF red with an endpoint and a tunnel to the other, VRF blue likewise. */
export function siteTransaction(site: Site, generation = 1, family: 4 | 6 = 4, encapsulation: Encapsulation = 'mpls-udp'): FibTransaction {
  const other = site === 'a' ? 'b' : 'a'
  const at = (addresses: readonly string[]): IpAddress => IpAddress.parse(addresses[family === 4 ? 0 : 1])
  const tunnel = (id: number, label: number) => ({
    id,
    action: {
      type: 'tunnel' as const,
      encapsulation,
      local: at(UNDERLAY[site]),
      remote: at(UNDERLAY[other]),
      ...(encapsulation === 'vxlan' ? { labels: [], vni: label, routerMac: MAC[other] } : { labels: [label] }),
      ttlModel: 'pipe' as const,
      trafficClassModel: 'pipe' as const,
    },
  })
  const port = (id: number, vrf: number): PortObject => ({
    id,
    kind: 'endpoint',
    vrf,
    allowedSources: POD[site].map((address) => IpPrefix.parse(address)),
    gateways: [],
    mtu: 1400,
  })
  const label = (value: number, action: LabelObject['action']): LabelObject => ({ label: value, action, sources: 0 })
  const group = (id: number) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })
  const routes = new RouteBatch()
  for (const vrf of [0, 1]) {
    for (const address of POD[site]) routes.push(vrf, IpPrefix.parse(address), vrf)
    for (const address of POD[other]) routes.push(vrf, IpPrefix.parse(address), 2 + vrf)
  }
  return {
    ...emptyTransaction(generation),
    vrfs: {
      set: [
        { id: 0, name: 'red' },
        { id: 1, name: 'blue' },
      ],
      remove: [],
    },
    ports: { set: [port(0, 0), port(1, 1)], remove: [] },
    nextHops: {
      set: [
        { id: 0, action: { type: 'port', port: 0 } },
        { id: 1, action: { type: 'port', port: 1 } },
        tunnel(2, LABEL[other].red),
        tunnel(3, LABEL[other].blue),
      ],
      remove: [],
    },
    groups: { set: [group(0), group(1), group(2), group(3)], remove: [] },
    tunnelSources: { set: [{ id: 0, prefixes: [IpPrefix.of(at(UNDERLAY[other]))] }], remove: [] },
    labels: {
      set: [label(LABEL[site].red, { type: 'pop-forward', port: 0 }), label(LABEL[site].blue, { type: 'pop-lookup', vrf: 1 })],
      remove: [],
    },
    vnis: {
      set: [
        { vni: LABEL[site].red, vrf: 0, routerMac: MAC[site], sources: 0 },
        { vni: LABEL[site].blue, vrf: 1, routerMac: MAC[site], sources: 0 },
      ],
      remove: [],
    },
    routes,
  }
}

/** A transaction without changes. */
export function emptyTransaction(generation: number): FibTransaction {
  const none = { set: [], remove: [] }
  return {
    generation,
    vrfs: none,
    ports: none,
    nextHops: none,
    groups: none,
    tunnelSources: none,
    labels: none,
    vnis: none,
    routes: new RouteBatch(),
  }
}

/** A transaction that removes a route. */
export function withoutRoute(generation: number, vrf: number, prefix: string): FibTransaction {
  const routes = new RouteBatch()
  routes.push(vrf, IpPrefix.parse(prefix), NO_GROUP)
  return { ...emptyTransaction(generation), routes }
}

/** Programs a site and gives its pods their devices. */
export async function setUp(dataplane: Dataplane, sites: TwoSites, site: Site, family: 4 | 6 = 4, mtu = 1400): Promise<void> {
  await dataplane.apply(siteTransaction(site, 1, family))
  const addresses = POD[site].map((address) => IpAddress.parse(address))
  await dataplane.attachPort(0, { netns: sites.path(`pod-${site}`), ifname: 'eth0', addresses, mtu })
  await dataplane.attachPort(1, { netns: sites.path(`blue-${site}`), ifname: 'eth0', addresses, mtu })
}
