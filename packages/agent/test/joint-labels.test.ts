import { DATAPLANE_FEATURES, ENCAPSULATIONS } from '@heddle/core'
import { withTrace, type MemoryDataplane } from '@heddle/dataplane-memory'
import { decodeTunnelPacket } from '@heddle/mpls'
import { ByteReader, IpAddress } from '@heddle/wire'
import { expect, it } from 'vitest'
import type { Agent } from '../src/index.js'
import { Overlay, REFLECTOR, endpoint, hostsOf } from './support/overlay.js'

/* Of two nodes one has a dataplane that gains by joint labels, as that of eBPF does; the other one sends them. */

const [GAINS, SENDS] = ['192.0.2.1', '192.0.2.2'] as const
const PODS = {
  [GAINS]: endpoint('pod-a', 'red', '10.0.0.1', 'fd00::1'),
  [SENDS]: endpoint('pod-b', 'red', '10.0.0.2', 'fd00::2'),
}

/** What its agent is told of the routes of others, and how it reaches them. */
async function told(agent: Agent): Promise<string[]> {
  const rows = (await agent.show('routes')).filter(({ peer }) => peer !== 'local')
  return rows.map(
    ({ prefix, encapsulation, nextHop, best, installed }) => `${best && installed ? '*' : ''}${prefix} ${encapsulation} ${nextHop}`,
  )
}

class TwoNodes {
  readonly overlay = new Overlay()
  /** What has crossed the underlay: source, encapsulation, and entries of the stack behind a joint label. */
  readonly crossed: string[] = []

  constructor() {
    this.overlay.underlay.observe(({ bytes }) => {
      const packet = decodeTunnelPacket(new ByteReader(bytes))
      const entries = packet.encapsulation === 'vxlan' ? 0 : packet.stack.length
      this.crossed.push(`${packet.outer.source} ${packet.encapsulation} ${entries}`)
    })
  }

  plane(address: string, isGaining = address === GAINS): MemoryDataplane {
    const features = DATAPLANE_FEATURES.filter((feature) => isGaining || feature !== 'joint-labels')
    return this.overlay.dataplane(address, { encapsulations: ENCAPSULATIONS, features })
  }

  agent(address: typeof GAINS | typeof SENDS, plane: MemoryDataplane): Promise<Agent> {
    return this.overlay.agent(this.overlay.config(address, { endpoints: [PODS[address]] }), plane)
  }
}

it('joint labels are sent to the node that gains by them, and not by it', async () => {
  const nodes = new TwoNodes()
  const { overlay } = nodes
  await overlay.startReflector([GAINS, SENDS])
  const planes = [nodes.plane(GAINS), nodes.plane(SENDS)] as const
  const a = await nodes.agent(GAINS, planes[0])
  const b = await nodes.agent(SENDS, planes[1])
  await overlay.run(1)
  expect(await told(a)).toEqual([`*10.0.0.2/32 mpls-udp ${SENDS}`, `*fd00::2/128 mpls-udp ${SENDS}`])
  expect(await told(b)).toEqual([`*10.0.0.1/32 mpls-udp-joint ${GAINS}`, `*fd00::1/128 mpls-udp-joint ${GAINS}`])
  expect(await b.show('tunnels')).toMatchObject([{ remote: GAINS, encapsulation: 'mpls-udp-joint', routes: 2 }])

  const near = (await hostsOf(planes[0])).get('pod-a')
  const far = (await hostsOf(planes[1])).get('pod-b')
  for (const address of ['10.0.0.2', 'fd00::2']) expect(near?.ask(IpAddress.parse(address))).toBe('pod-b')
  for (const address of ['10.0.0.1', 'fd00::1']) expect(far?.ask(IpAddress.parse(address))).toBe('pod-a')
  expect([...new Set(nodes.crossed)].toSorted()).toEqual([`${GAINS} mpls-udp 1`, `${SENDS} mpls-udp-joint 1`])

  // Whoever may send joint labels has room for them.
  for (const agent of [a, b]) expect((await agent.show('endpoints'))[0].mtu).toBe(1500 - 20 - 8 - 4 - 4)
  await overlay.stop(a, b)
})

it('endpoints that are taken over from an agent without joint labels get room for them', async () => {
  const { overlay } = new TwoNodes()
  const plane = overlay.dataplane(GAINS, { encapsulations: ENCAPSULATIONS })
  const config = overlay.config(GAINS, { endpoints: [PODS[GAINS]] })
  const older = { ...withTrace(plane, () => undefined), capabilities: { ...plane.capabilities, encapsulations: ['mpls-udp'] as const } }
  const first = await overlay.agent(config, older)
  const requested = endpoint('pod-c', 'red', '10.0.0.3')
  await first.endpoints.add(requested)
  const held = async (): Promise<unknown> => {
    const { ports, devices } = await plane.dump()
    return { ports: ports.filter(({ kind }) => kind === 'endpoint').map(({ mtu }) => mtu), devices: devices.map(({ mtu }) => mtu) }
  }
  expect(await held()).toEqual({ ports: [1468, 1468], devices: [1468, 1468] })
  const before = await first.show('endpoints')
  await overlay.kill(first)

  const second = await overlay.agent(config, plane)
  await overlay.run(5)
  expect(await held()).toEqual({ ports: [1464, 1464], devices: [1464, 1464] })
  expect(await second.show('endpoints')).toEqual(before.map((row) => ({ ...row, mtu: 1464 })))
  expect(await second.endpoints.add(requested)).toMatchObject({ mtu: 1464, state: 'attached' })
  await overlay.stop(second)
})

it('what packets go by is shown, also where the far end tells more', async () => {
  const nodes = new TwoNodes()
  const { overlay } = nodes
  await overlay.startReflector([GAINS, SENDS])
  const a = await nodes.agent(GAINS, nodes.plane(GAINS))
  const b = await nodes.agent(SENDS, overlay.dataplane(SENDS, { encapsulations: ['mpls-udp'] }))
  await overlay.run(1)
  expect(await told(b)).toEqual([`*10.0.0.1/32 mpls-udp ${GAINS}`, `*fd00::1/128 mpls-udp ${GAINS}`])
  expect(await b.show('tunnels')).toMatchObject([{ remote: GAINS, encapsulation: 'mpls-udp' }])
  await overlay.stop(a, b)
})

it('a node that gains by them no more is sent none', async () => {
  const nodes = new TwoNodes()
  const { overlay } = nodes
  await overlay.startReflector([GAINS, SENDS])
  const first = nodes.plane(GAINS)
  const plane = nodes.plane(SENDS)
  const a = await nodes.agent(GAINS, first)
  const b = await nodes.agent(SENDS, plane)
  await overlay.run(1)
  const far = (await hostsOf(plane)).get('pod-b')
  await hostsOf(first)
  expect(far?.ask(IpAddress.parse('10.0.0.1'))).toBe('pod-a')

  await overlay.kill(a)
  await first.close()
  const second = nodes.plane(GAINS, false)
  const again = await nodes.agent(GAINS, second)
  await hostsOf(second)
  await overlay.run(10)
  expect(await told(b)).toEqual([`*10.0.0.1/32 mpls-udp ${GAINS}`, `*fd00::1/128 mpls-udp ${GAINS}`])
  nodes.crossed.length = 0
  expect(far?.ask(IpAddress.parse('10.0.0.1'))).toBe('pod-a')
  expect(nodes.crossed).toContain(`${SENDS} mpls-udp 1`)
  await overlay.stop(again, b)
})

it('a reflector that puts itself in as next hop is sent none for others', async () => {
  const nodes = new TwoNodes()
  const { overlay } = nodes
  const reflector = await overlay.startReflector([GAINS, SENDS])
  for (const { config } of reflector.neighbors()) {
    if (config.address === SENDS) reflector.updateNeighbor({ ...config, nextHop: 'self' })
  }
  const a = await nodes.agent(GAINS, nodes.plane(GAINS))
  const b = await nodes.agent(SENDS, nodes.plane(SENDS))
  await overlay.run(1)
  expect(await told(b)).toEqual([`*10.0.0.1/32 mpls-udp ${REFLECTOR}`, `*fd00::1/128 mpls-udp ${REFLECTOR}`])
  await overlay.stop(a, b)
})
