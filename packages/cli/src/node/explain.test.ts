import { applyToState, emptyState } from '@heddle/core/testing'
import { DATAPLANE_FEATURES, RouteBatch, type DataplaneCapabilities, type DataplaneState } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, it } from 'vitest'
import { explainPacket } from './explain.js'

const limits = { vrfs: 4, ports: 4, nextHops: 4, groups: 4, groupMembers: 4, labels: 4, vnis: 4, routes: 16, labelStackDepth: 4 }
const capabilities: DataplaneCapabilities = {
  kind: 'memory',
  encapsulations: [],
  underlayFamilies: [4],
  survivesClose: false,
  limits,
  features: DATAPLANE_FEATURES,
}

/** Two endpoints of red, of which the first may only open connections to port 80, and a service that the second serves. */
function state(): DataplaneState {
  const none = { set: [], remove: [] }
  const all = <T>(...set: readonly T[]): { readonly set: readonly T[]; readonly remove: readonly number[] } => ({ set, remove: [] })
  const [one, two, vip] = ['10.0.0.1', '10.0.0.2', '10.0.0.9'].map((text) => IpAddress.parse(text))
  const port = (id: number, address: IpAddress) => {
    const allowedSources = [IpPrefix.of(address)]
    return { id, kind: 'endpoint' as const, vrf: 1, allowedSources, gateways: [], mtu: 1400 }
  }
  const web = { verdict: 'allow', protocol: 6, ports: [{ first: 80, last: 80 }] } as const
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.of(two), 1)
  const programmed = applyToState(emptyState(), {
    generation: 1,
    vrfs: all({ id: 1, name: 'red' }),
    ports: all(port(1, one), port(2, two)),
    nextHops: all({ id: 1, action: { type: 'port', port: 2 } }),
    groups: all({ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 0 }),
    tunnelSources: none,
    labels: none,
    vnis: none,
    policies: all({ id: 1, port: 1, direction: 'egress', rules: [web], defaultVerdict: 'deny' }),
    services: all({ id: 1, vrf: 1, address: vip, protocol: 'tcp', port: 443, backends: [{ address: two, port: 80, weight: 1 }], seed: 0 }),
    routes,
  })
  const device = { netns: '/run/netns/two', ifname: 'eth0', addresses: [two], mtu: 1400, ifindex: 2, port: 2 }
  return { ...programmed, devices: [device] }
}

// What was programmed besides routes was left out once: a packet that a policy drops was said to be delivered.
it.each([
  ['10.0.0.2', 80, 'delivered to eth0 in /run/netns/two'],
  ['10.0.0.2', 22, 'dropped: policy'],
  ['10.0.0.9', 443, 'delivered to eth0 in /run/netns/two'],
  ['10.0.0.9', 80, 'dropped: no-route'],
])('says of TCP to %s port %i that it is %s', (to, dport, verdict) => {
  expect(explainPacket({ vrf: 'red', from: '10.0.0.1', to, proto: 'tcp', dport }, state(), capabilities).verdict).toBe(verdict)
})

// A label that nobody knows: what is asked for here is how the stack was read.
it.each([
  ['mpls-udp', '0c000001 003e7140 45', 'no entry for label 999'],
  ['mpls-udp-joint', '0c000001 003e7140 45', 'no entry for label 999'],
  ['mpls-udp-joint', '003e7140 45', 'no entry for label 999'],
  ['mpls-udp-joint', '0c000003 003e7140 45', 'no entry for label 49152'],
  ['mpls-gre', '00008847 0c000001 003e7140 45', 'no entry for label 49152'],
] as const)('reads a joint label in %s as %s', (encapsulation, packet, text) => {
  const carrying = { ...capabilities, encapsulations: ['mpls-udp', 'mpls-gre'] } as const
  const answer = explainPacket({ packet, tunnelSource: '192.0.2.2', encapsulation }, state(), carrying)
  expect(answer.steps.at(-1)?.text).toBe(text)
})
