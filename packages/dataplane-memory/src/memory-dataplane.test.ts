import { DATAPLANE_FEATURES, RouteBatch, dropsOf, type FibTransaction } from '@heddle/core'
import { ManualClock } from '@heddle/io/testing'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { memoryDataplane, memoryHost, memoryUnderlay } from './index.js'

const none = { set: [], remove: [] }

/** One VRF with one endpoint, and the other node's endpoint behind a tunnel. */
function node(local: IpAddress, remote: IpAddress, own: string, far: string, label: number, farLabel: number): FibTransaction {
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse(own), 1)
  routes.push(1, IpPrefix.parse(far), 2)
  return {
    generation: 1,
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [IpPrefix.parse(own)], gateways: [], mtu: 1468 }], remove: [] },
    nextHops: {
      set: [
        { id: 1, action: { type: 'port', port: 1 } },
        {
          id: 2,
          action: {
            type: 'tunnel',
            encapsulation: 'mpls-udp',
            local,
            remote,
            labels: [farLabel],
            ttlModel: 'pipe',
            trafficClassModel: 'pipe',
          },
        },
      ],
      remove: [],
    },
    groups: {
      set: [
        { id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 },
        { id: 2, members: [{ nextHop: 2, weight: 1 }], seed: 1 },
      ],
      remove: [],
    },
    tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.of(remote)] }], remove: [] },
    labels: { set: [{ label, action: { type: 'pop-forward', port: 1 }, sources: 1 }], remove: [] },
    vnis: none,
    routes,
  }
}

describe.each([
  ['IPv4 over IPv4', '10.0.0.1', '10.0.0.2', '192.0.2.1', '192.0.2.2'],
  ['IPv6 over IPv4', 'fd00::1', 'fd00::2', '192.0.2.1', '192.0.2.2'],
  ['IPv4 over IPv6', '10.0.0.1', '10.0.0.2', '2001:db8::1', '2001:db8::2'],
  ['IPv6 over IPv6', 'fd00::1', 'fd00::2', '2001:db8::1', '2001:db8::2'],
])('two nodes in memory, %s', (_, podA, podB, nodeA, nodeB) => {
  it('carries pings and names both ways', async () => {
    const [a, b] = [IpAddress.parse(nodeA), IpAddress.parse(nodeB)]
    const underlay = memoryUnderlay()
    const one = memoryDataplane({ underlay, addresses: [a] })
    const two = memoryDataplane({ underlay, addresses: [b] })
    expect((await one.apply(node(a, b, podA, podB, 100, 200))).status).toBe('applied')
    expect((await two.apply(node(b, a, podB, podA, 200, 100))).status).toBe('applied')
    await one.attachPort(1, { ifname: 'eth0', addresses: [IpAddress.parse(podA)], mtu: 1448 })
    await two.attachPort(1, { ifname: 'eth0', addresses: [IpAddress.parse(podB)], mtu: 1448 })
    const alice = memoryHost({ name: 'alice', endpoint: one.endpoint(1) })
    const bob = memoryHost({ name: 'bob', endpoint: two.endpoint(1) })
    expect(alice.ping(IpAddress.parse(podB))).toBe(true)
    expect(alice.ask(IpAddress.parse(podB))).toBe('bob')
    expect(bob.ask(IpAddress.parse(podA))).toBe('alice')
    expect(alice.ask(IpAddress.parse('10.9.9.9'))).toBe(undefined)
    expect(dropsOf(await one.counters(), 'outer-malformed')).toBe(0)
  })
})

it('a device whose MTU changes stays, and with it who is behind it', async () => {
  const [here, there] = ['192.0.2.1', '192.0.2.2'].map((text) => IpAddress.parse(text))
  const events: unknown[] = []
  const dataplane = memoryDataplane({ addresses: [here] })
  const followed = (async () => {
    for await (const event of dataplane.events) events.push(event)
  })()
  await dataplane.apply(node(here, there, '10.0.0.1', '10.0.0.2', 100, 200))
  const request = { ifname: 'eth0', addresses: [IpAddress.parse('10.0.0.1')], mtu: 1468 }
  const { ifindex } = await dataplane.attachPort(1, request)
  const host = dataplane.endpoint(1)
  expect(await dataplane.attachPort(1, { ...request, mtu: 1464 })).toEqual({ ifindex, mtu: 1464 })
  expect(dataplane.endpoint(1)).toBe(host)
  expect((await dataplane.dump()).devices).toMatchObject([{ port: 1, ifindex, mtu: 1464 }])
  expect(await dataplane.attachPort(1, { ...request, ifname: 'eth1' })).toEqual({ ifindex: ifindex + 1, mtu: 1468 })
  await dataplane.close()
  await followed
  expect(events).toEqual([
    { type: 'port-up', port: 1 },
    { type: 'port-down', port: 1, reason: 'its device was replaced' },
    { type: 'port-up', port: 1 },
  ])
})

// It was offered as told, and each packet passed.
it('a list of features does not offer rates without a clock by which to keep them', async () => {
  const [here, there] = ['192.0.2.1', '192.0.2.2'].map((text) => IpAddress.parse(text))
  const plain = node(here, there, '10.0.0.1', '10.0.0.2', 100, 200)
  const [port] = plain.ports.set
  const limited = { ...plain, ports: { set: [{ ...port, rateLimits: { egress: { bitsPerSecond: 1, burstOctets: 1 } } }], remove: [] } }
  const dataplane = memoryDataplane({ addresses: [here], features: DATAPLANE_FEATURES })
  expect(dataplane.capabilities.features).not.toContain('rate-limit')
  expect(await dataplane.apply(limited)).toMatchObject({ status: 'refused', failures: [{ code: 'dataplane.unsupported' }] })
  const timed = memoryDataplane({ addresses: [here], features: DATAPLANE_FEATURES, clock: new ManualClock() })
  expect(await timed.apply(limited)).toMatchObject({ status: 'applied' })
})
