// A controller of one's own. It knows pods that an agent of someone else serves, an agent that receives MPLS over UDP and speaks no BGP. It holds a
// BGP speaker and announces each pod as a host route of a VPN: route target, label and encapsulation are its decision. A node of Heddle imports the
// routes, installs them, and sends packets to that agent.
//
//     orchestrator ──▶ controller ────── BGP ──────▶ node 192.0.2.1, VRF red, pod 10.1.0.1
//          │                                           │
//     foreign agent 192.0.2.9, pod 10.1.0.5 ◀──────────┘ MPLS over UDP, label 3005
import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { Speaker, VPNV4_UNICAST, VPNV6_UNICAST, type LocalRoute } from '@heddle/bgp'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { decodeTunnelPacket, type TunnelPacket } from '@heddle/mpls'
import { ByteReader, IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { createNode, memoryDataplane, memoryHost, memoryUnderlay, parseNode, type NodeHandle } from 'heddle'

/** What the orchestrator tells of a pod. */
interface Pod {
  readonly addresses: readonly string[]
  /** Underlay address of the agent that serves it. */
  readonly agent: string
  /** Label that this agent delivers to the pod. */
  readonly label: number
}

/** Pods in, routes out. */
class Controller {
  readonly #rd = RouteDistinguisher.parse('65000:100')
  readonly #target = RouteTarget.parse('65000:1')
  readonly #speaker = new Speaker({
    clock: nodeClock,
    random: nodeRandom,
    transport: nodeTcpTransport(),
    config: {
      as: 65000,
      routerId: '192.0.2.100',
      listen: [{ address: '127.0.0.1', port: 0 }],
      neighbors: [{ address: '127.0.0.1', as: 65000, families: ['vpnv4-unicast', 'vpnv6-unicast', 'rtc'], passive: true }],
    },
  })

  /** Listens; returns the port where nodes may connect. */
  async start(): Promise<number> {
    await this.#speaker.start()
    return this.#speaker.listening[0].port
  }

  added(pod: Pod): void {
    this.#speaker.announce(this.#routes(pod))
  }

  deleted(pod: Pod): void {
    this.#speaker.withdraw(this.#routes(pod))
  }

  async stop(): Promise<void> {
    await this.#speaker.stop({ message: 'the controller ends' })
  }

  /** One host route an address. The tunnel type says what the agent can receive: 13 is MPLS in UDP (RFC 9012 §4.1, RFC 7510). */
  #routes({ addresses, agent, label }: Pod): LocalRoute[] {
    return addresses.map((text) => {
      const prefix = IpPrefix.of(IpAddress.parse(text))
      return {
        family: prefix.family === 4 ? VPNV4_UNICAST : VPNV6_UNICAST,
        nlri: { kind: 'vpn', labels: [label], rd: this.#rd, prefix },
        // A VPNv6 route over an IPv4 underlay has an IPv4-mapped next hop (RFC 4659 §3.2.1.2).
        nextHop: IpAddress.parse(prefix.family === 4 ? agent : `::ffff:${agent}`),
        attributes: {
          extendedCommunities: [
            { kind: 'route-target', target: this.#target },
            { kind: 'encapsulation', tunnelType: 13 },
          ],
        },
      }
    })
  }
}

/** Routes of a node that lead to others, as far as its dataplane has them. */
async function installed(node: NodeHandle): Promise<string[]> {
  const routes = await node.show('routes')
  return routes
    .filter((route) => route.installed && route.nextHop !== null)
    .map(({ prefix, label, nextHop, encapsulation }) => `${prefix} label ${label} via ${nextHop}, ${encapsulation}`)
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await condition()) return
    await setTimeout(10)
  }
  assert.fail('not within five seconds')
}

const controller = new Controller()
const port = await controller.start()

// The foreign agent: it takes whatever reaches its underlay address.
const received: TunnelPacket[] = []
const underlay = memoryUnderlay()
underlay.attach(IpAddress.parse('192.0.2.9'), ({ bytes }) => received.push(decodeTunnelPacket(new ByteReader(bytes))))

// The node knows of the controller only that it is a BGP neighbor.
const dataplane = memoryDataplane({ underlay, addresses: [IpAddress.parse('192.0.2.1')] })
const document = parseNode(
  'node.yaml',
  `
  node: { name: node-1, address: 192.0.2.1 }
  bgp: { as: 65000, neighbors: [{ address: 127.0.0.1, port: ${port}, as: 65000, localAddress: 127.0.0.1 }] }
  vrfs: [{ name: red, rd: '192.0.2.1:1', import: ['65000:1'], export: ['65000:1'] }]`,
)
const node = await createNode(document, { dataplane })
await node.endpoints.add({ vrf: 'red', netns: '/run/netns/pod-1', ifname: 'eth0', addresses: [IpAddress.parse('10.1.0.1')] })
const [device] = (await dataplane.dump()).devices
const host = memoryHost({ name: 'pod-1', endpoint: dataplane.endpoint(device.port) })

// The orchestrator has a new pod.
const pod: Pod = { addresses: ['10.1.0.5', 'fd00:1::5'], agent: '192.0.2.9', label: 3005 }
controller.added(pod)
await until(async () => (await installed(node)).length === 2)
assert.deepEqual(await installed(node), [
  '10.1.0.5/32 label 3005 via 192.0.2.9, mpls-udp',
  'fd00:1::5/128 label 3005 via 192.0.2.9, mpls-udp',
])
for (const route of await installed(node)) console.log(`installed: ${route}`)

// A packet to it reaches the foreign agent under the label that the controller announced.
host.ping(IpAddress.parse('10.1.0.5'))
const [packet] = received
assert.equal(received.length, 1)
assert(packet.encapsulation === 'mpls-udp')
assert.deepEqual(
  packet.stack.map(({ label }) => label),
  [3005],
)
console.log(
  `on the wire: ${packet.outer.source} → ${packet.outer.destination}, UDP ${packet.udp.destinationPort}, label ${packet.stack[0].label}`,
)

// The pod is gone, and so is its route.
controller.deleted(pod)
await until(async () => (await installed(node)).length === 0)
const { verdict } = await node.explain({ vrf: 'red', from: '10.1.0.1', to: '10.1.0.5' })
assert.equal(verdict, 'dropped: no-route')
console.log(`after its end: ${verdict}`)

await Promise.all([node.stop(), controller.stop()])
