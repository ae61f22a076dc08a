// A BGP speaker in twenty lines, and a second one for it to talk to, over TCP on this host.
import assert from 'node:assert/strict'
import { Speaker, VPNV4_UNICAST } from '@heddle/bgp'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'

const world = { clock: nodeClock, random: nodeRandom, transport: nodeTcpTransport() }
const internal = { address: '127.0.0.1', as: 65000, families: ['vpnv4-unicast'] } as const
const reflector = new Speaker({
  ...world,
  config: { as: 65000, routerId: '192.0.2.1', listen: [{ address: '127.0.0.1', port: 0 }], neighbors: [{ ...internal, passive: true }] },
})
await reflector.start()

const [{ port }] = reflector.listening
const speaker = new Speaker({ ...world, config: { as: 65000, routerId: '192.0.2.2', neighbors: [{ ...internal, port }] } })
const nlri = { kind: 'vpn', labels: [16], rd: RouteDistinguisher.parse('65000:1'), prefix: IpPrefix.parse('10.1.0.5/32') } as const
const attributes = { extendedCommunities: [{ kind: 'route-target', target: RouteTarget.parse('65000:1') }] } as const
speaker.announce([{ family: VPNV4_UNICAST, nlri, attributes }])
await speaker.start()

for await (const [change] of reflector.changes) {
  assert(change.kind === 'announce' && change.nlri.kind === 'vpn')
  console.log(`${change.nlri.prefix} with RD ${change.nlri.rd} and label ${change.nlri.labels[0]}, from the speaker ${change.peerRouterId}`)
  assert.equal(String(change.nlri.prefix), '10.1.0.5/32')
  assert.equal(String(change.peerRouterId), '192.0.2.2')
  break
}
await Promise.all([speaker.stop({ message: 'done' }), reflector.stop()])
