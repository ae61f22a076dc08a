// A test that embeds a whole overlay: two nodes with BGP, model and forwarding, two VRFs with the same addresses. No root, no container, no waiting:
// the clock is moved by hand, so that the test gives the same result on every run.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ManualClock, memoryNetwork, seededRandom, type MemoryHost } from '@heddle/io/testing'
import { IpAddress, createNode, memoryDataplane, memoryHost, memoryUnderlay, parseNode, type NodeHandle } from 'heddle'

const clock = new ManualClock()
const network = memoryNetwork({ clock, latency: 2 })
const underlay = memoryUnderlay()

interface Site {
  readonly host: MemoryHost
  readonly node: NodeHandle
  /** Attaches a pod and puts a host behind its device. */
  pod(name: string, vrf: string, address: string): Promise<ReturnType<typeof memoryHost>>
}

async function site(name: string, address: string, neighbor: string): Promise<Site> {
  const document = parseNode(
    `${name}.yaml`,
    `
    node: { name: ${name}, address: ${address} }
    bgp: { as: 65000, listen: [{ address: ${address} }], neighbors: [{ address: ${neighbor}, as: 65000 }] }
    vrfs:
      - { name: red, rd: '${address}:1', import: ['65000:1'], export: ['65000:1'] }
      - { name: blue, rd: '${address}:2', import: ['65000:2'], export: ['65000:2'] }`,
  )
  const dataplane = memoryDataplane({ underlay, addresses: [IpAddress.parse(address)] })
  const host = network.host(name, address)
  const node = await createNode(document, { clock, random: seededRandom(1), transport: host.transport, dataplane })
  return {
    host,
    node,
    async pod(podName, vrf, podAddress) {
      const netns = `/run/netns/${podName}`
      await node.endpoints.add({ vrf, netns, ifname: 'eth0', addresses: [IpAddress.parse(podAddress)] })
      const { devices } = await dataplane.dump()
      const device = devices.find((candidate) => candidate.netns === netns)
      assert(device)
      return memoryHost({ name: podName, endpoint: dataplane.endpoint(device.port) })
    },
  }
}

let cloud: Site
let dataCentre: Site

before(async () => {
  cloud = await site('cloud', '192.0.2.1', '192.0.2.2')
  dataCentre = await site('dc', '192.0.2.2', '192.0.2.1')
})

after(async () => {
  const stopped = Promise.all([cloud.node.stop(), dataCentre.node.stop()])
  await clock.run(2000)
  await stopped
})

async function hasRoute({ node }: Site, wanted: string): Promise<boolean> {
  return (await node.show('routes')).some(({ vrf, prefix, installed }) => vrf === 'red' && prefix === wanted && installed)
}

async function dropsOf({ node }: Site, reason: string): Promise<number> {
  return (await node.show('drops')).find((row) => row.reason === reason)?.packets ?? 0
}

test('pods of a VRF reach each other between the sites, and each address is answered by the pod of its own VRF', async () => {
  const redA = await cloud.pod('red-a', 'red', '10.1.0.1')
  const blueA = await cloud.pod('blue-a', 'blue', '10.1.0.1')
  await dataCentre.pod('red-b', 'red', '10.1.0.2')
  await dataCentre.pod('blue-b', 'blue', '10.1.0.2')
  await clock.run(5000)

  assert.equal(redA.ping(IpAddress.parse('10.1.0.2')), true)
  assert.equal(redA.ask(IpAddress.parse('10.1.0.2')), 'red-b')
  assert.equal(blueA.ask(IpAddress.parse('10.1.0.2')), 'blue-b')
})

test('an address that only the other VRF has is not reached, and the drop has a reason', async () => {
  const red = await cloud.pod('red-c', 'red', '10.1.0.3')
  const blue = await cloud.pod('blue-c', 'blue', '10.1.0.3')
  await dataCentre.pod('blue-x', 'blue', '10.1.0.9')
  await clock.run(1000)

  const before = await dropsOf(cloud, 'no-route')
  assert.equal(red.ask(IpAddress.parse('10.1.0.9')), undefined)
  assert.equal(await dropsOf(cloud, 'no-route'), before + 1)
  assert.equal(blue.ask(IpAddress.parse('10.1.0.9')), 'blue-x')

  const { verdict } = await cloud.node.explain({ vrf: 'red', from: '10.1.0.3', to: '10.1.0.9' })
  assert.equal(verdict, 'dropped: no-route')
})

test('a pod that goes away is forgotten by the other site', async () => {
  const red = await cloud.pod('red-d', 'red', '10.1.0.4')
  await dataCentre.pod('red-e', 'red', '10.1.0.5')
  await clock.run(1000)
  assert.equal(red.ask(IpAddress.parse('10.1.0.5')), 'red-e')

  await dataCentre.node.endpoints.remove({ netns: '/run/netns/red-e', ifname: 'eth0' })
  await clock.run(1000)
  assert.equal(red.ask(IpAddress.parse('10.1.0.5')), undefined)
  assert.equal(await hasRoute(cloud, '10.1.0.5/32'), false)
})

test('a site that is cut off is forgotten when the hold time ends, and is back when the network is', async () => {
  const red = await cloud.pod('red-f', 'red', '10.1.0.6')
  await clock.run(1000)
  assert.equal(red.ask(IpAddress.parse('10.1.0.2')), 'red-b')

  network.cut(cloud.host, dataCentre.host)
  await clock.run(55_000) // the last keepalive came at most 30 s before the cut, and the hold time is 90 s
  assert.equal(await hasRoute(cloud, '10.1.0.2/32'), true)
  await clock.run(40_000)
  assert.equal(await hasRoute(cloud, '10.1.0.2/32'), false)
  assert.equal(red.ask(IpAddress.parse('10.1.0.2')), undefined)

  network.heal(cloud.host, dataCentre.host)
  await clock.run(30_000)
  assert.equal(red.ask(IpAddress.parse('10.1.0.2')), 'red-b')
})
