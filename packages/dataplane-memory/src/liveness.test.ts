import { RouteBatch, type DataplaneEvent, type FibTransaction, type NextHopAction } from '@heddle/core'
import { probePacket } from '@heddle/forwarding'
import { ManualClock, seededRandom } from '@heddle/io/testing'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, test } from 'vitest'
import { memoryDataplane, memoryUnderlay, type MemoryDataplane } from './index.js'

const [HERE, NEAR, FAR] = ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((text) => IpAddress.parse(text))
const SOURCE = IpAddress.parse('10.0.0.1')

/** VRF 1 with port 1; 10.1.0.0/16 by two tunnels of equal weight, each alive as long as its far end is. */
function tables(local: IpAddress, remotes: readonly IpAddress[]): FibTransaction {
  const none = { set: [], remove: [] }
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse('10.1.0.0/16'), 1)
  const common = { type: 'tunnel', encapsulation: 'mpls-udp', local, labels: [100], ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
  const intervals = { hops: 'single', desiredMinTx: 100_000, requiredMinRx: 100_000, multiplier: 3 } as const
  return {
    generation: 1,
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }], remove: [] },
    liveness: { set: remotes.map((remote, id) => ({ id, local, remote, ...intervals })), remove: [] },
    nextHops: {
      set: remotes.map((remote, id) => ({ id, action: { ...common, remote } satisfies NextHopAction, liveness: id })),
      remove: [],
    },
    groups: { set: [{ id: 1, members: remotes.map((_, nextHop) => ({ nextHop, weight: 1 })), seed: 1 }], remove: [] },
    tunnelSources: none,
    labels: none,
    vnis: none,
    routes,
  }
}

test('a next hop leaves its group while BFD does not hear its far end, and events tell so', async () => {
  const clock = new ManualClock()
  const underlay = memoryUnderlay()
  const make = (address: IpAddress, seed: number): MemoryDataplane =>
    memoryDataplane({ underlay, addresses: [address], clock, liveness: { clock, random: seededRandom(seed) } })
  const here = make(HERE, 1)
  const others = [make(NEAR, 2), make(FAR, 3)]
  await here.apply(tables(HERE, [NEAR, FAR]))
  for (const [index, other] of others.entries()) await other.apply(tables([NEAR, FAR][index], [HERE]))
  await here.attachPort(1, { ifname: 'eth0', addresses: [SOURCE], mtu: 1400 })
  const events: DataplaneEvent[] = []
  const listening = (async () => {
    for await (const event of here.events) events.push(event)
  })()

  const sent = new Set<string>()
  underlay.observe(({ destination, bytes }) => {
    if (bytes[22] * 256 + bytes[23] === 6635) sent.add(String(destination))
  })
  const waysOf = (): string[] => {
    sent.clear()
    for (let sourcePort = 1; sourcePort <= 50; sourcePort++) {
      here.endpoint(1).send(probePacket({ source: SOURCE, destination: IpAddress.parse('10.1.0.1'), sourcePort }))
    }
    return [...sent].toSorted()
  }

  expect(waysOf()).toEqual([String(NEAR), String(FAR)]) // nothing is known yet
  clock.advance(5000)
  expect(waysOf()).toEqual([String(NEAR), String(FAR)])
  const heal = underlay.cut(HERE, NEAR)
  clock.advance(400)
  expect(waysOf()).toEqual([String(FAR)])
  underlay.cut(HERE, FAR)
  clock.advance(400)
  const { outcome } = here.explain({
    from: 'port',
    port: 1,
    packet: probePacket({ source: SOURCE, destination: IpAddress.parse('10.1.0.1') }),
  })
  expect(outcome).toEqual({ type: 'drop', reason: 'no-next-hop' })
  heal()
  clock.advance(5000)
  expect(waysOf()).toEqual([String(NEAR)])

  for (const dataplane of [here, ...others]) await dataplane.close()
  await listening
  const told = events
    .filter(({ type }) => type.startsWith('liveness'))
    .map((event) => ('liveness' in event ? `${event.liveness} ${event.type}` : ''))
  expect(told.toSorted()).toEqual(['0 liveness-down', '0 liveness-up', '0 liveness-up', '1 liveness-down', '1 liveness-up'])
})

test('without a clock for timers, liveness is not offered and refused by that name', async () => {
  const dataplane = memoryDataplane({ addresses: [HERE] })
  expect(dataplane.capabilities.features).not.toContain('liveness')
  const { status, failures } = await dataplane.apply(tables(HERE, [NEAR]))
  expect([status, ...new Set(failures.map(({ code }) => code))]).toEqual(['refused', 'dataplane.unsupported'])
})
