import { IpAddress, IpPrefix, RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkVirtualNetworks, IntentError, vrfsOf, type EndpointIntent, type VirtualNetworkIntent } from '../src/index.js'
import { Fabric } from './support/fabric.js'

const NODES = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map((text) => IpAddress.parse(text))
const target = (number: number): RouteTarget => RouteTarget.parse(`65000:${number}`)

function mesh(name: string, id: number, more: Partial<VirtualNetworkIntent> = {}): VirtualNetworkIntent {
  return { name, id, topology: { type: 'any-to-any', target: target(id) }, ...more }
}

function star(name: string, id: number, hubs: readonly IpAddress[], more: Partial<VirtualNetworkIntent> = {}): VirtualNetworkIntent {
  return { name, id, topology: { type: 'hub-and-spoke', hub: target(id), spoke: target(id + 1000), hubs }, ...more }
}

interface Place {
  readonly node: number
  readonly endpoint: EndpointIntent
}

function place(node: number, vrf: string, address: string): Place {
  return { node, endpoint: { vrf, netns: `/run/netns/${address}`, ifname: 'eth0', addresses: [IpAddress.parse(address)], mtu: 1468 } }
}

/** Nodes with the virtual networks and endpoints, when all is quiet. */
function fabricOf(networks: readonly VirtualNetworkIntent[], places: readonly Place[]): Fabric {
  const fabric = new Fabric(NODES)
  fabric.setVrfs(({ address }) => vrfsOf(networks, { routerId: address }))
  for (const { node, endpoint } of places) fabric.nodes[node]?.attach(endpoint)
  fabric.settle()
  return fabric
}

/** Whether each gets through to the other, `→` one way only. */
function between(fabric: Fabric, a: Place, b: Place): boolean | '→' | '←' {
  const oneWay = (from: Place, to: Place): boolean => {
    const [address] = to.endpoint.addresses
    const node = fabric.nodes[from.node]
    if (address === undefined || node === undefined) throw new TypeError('a place is on a node, with an address')
    const arrived = fabric.send(node, from.endpoint.vrf, address)
    expect([undefined, `${NODES[to.node]} ${to.endpoint.netns}`]).toContain(arrived) // at the right one or nowhere
    return arrived !== undefined
  }
  const [there, back] = [oneWay(a, b), oneWay(b, a)]
  return there === back ? there : there ? '→' : '←'
}

describe('a virtual network', () => {
  it('lets spokes reach the hub, and not each other', () => {
    const [hub, spoke, other, second] = [
      place(0, 'red', '10.0.0.1'),
      place(1, 'red', '10.0.0.2'),
      place(2, 'red', '10.0.0.3'),
      place(3, 'red', '10.0.0.4'),
    ]
    const fabric = fabricOf([star('red', 1, [NODES[0], NODES[3]])], [hub, spoke, other, second])
    expect(between(fabric, hub, spoke)).toBe(true)
    expect(between(fabric, hub, other)).toBe(true)
    expect(between(fabric, hub, second)).toBe(true)
    expect(between(fabric, spoke, other)).toBe(false)
  })

  it('lets spokes reach each other through a default route of the hub, if the operator wants one', () => {
    const [hub, spoke, other] = [place(0, 'red', '10.0.0.1'), place(1, 'red', '10.0.0.2'), place(2, 'red', '10.0.0.3')]
    const fabric = fabricOf(
      [
        star('red', 1, [NODES[0]], {
          staticRoutes: [{ prefix: IpPrefix.parse('0.0.0.0/0'), via: { type: 'endpoint', address: IpAddress.parse('10.0.0.1') } }],
        }),
      ],
      [hub, spoke, other],
    )
    // A route that is the same in every VRF counts where its endpoint is: the hub tells it to the spokes, which know nothing of each other.
    const [, node] = fabric.nodes
    const address = IpAddress.parse('10.0.0.3')
    expect(node?.lookup('red', address)).toMatchObject({ type: 'tunnel', remote: NODES[0] })
    expect(between(fabric, spoke, other)).toBe(true)
    expect(between(fabric, spoke, hub)).toBe(true)
  })

  it('shares a service with two networks that do not reach each other, whoever says so', () => {
    const [service, red, blue] = [place(0, 'services', '10.0.0.1'), place(1, 'red', '10.0.0.2'), place(2, 'blue', '10.0.0.3')]
    const fabric = fabricOf(
      [mesh('services', 1, { reaches: ['blue'] }), mesh('red', 2, { reaches: ['services'] }), mesh('blue', 3)],
      [service, red, blue],
    )
    expect(between(fabric, red, service)).toBe(true)
    expect(between(fabric, blue, service)).toBe(true)
    expect(between(fabric, red, blue)).toBe(false)
  })

  it('changes who reaches whom at once when the intent changes', () => {
    const places = [place(0, 'red', '10.0.0.1'), place(1, 'red', '10.0.0.2'), place(2, 'red', '10.0.0.3'), place(2, 'blue', '10.0.0.4')]
    const [hub, spoke, other, blue] = places as [Place, Place, Place, Place]
    const fabric = fabricOf([mesh('red', 1), mesh('blue', 2)], places)
    expect([between(fabric, spoke, other), between(fabric, hub, blue)]).toEqual([true, false])
    const next = [star('red', 1, [NODES[0]], { reaches: ['blue'] }), mesh('blue', 2)]
    fabric.setVrfs(({ address }) => vrfsOf(next, { routerId: address }))
    fabric.settle()
    expect([between(fabric, spoke, other), between(fabric, spoke, hub), between(fabric, hub, blue)]).toEqual([false, true, true])
  })

  it('reaches exactly whom the intents say, for any networks and endpoints', () => {
    const NAMES = ['red', 'blue', 'green']
    const network = (name: string, index: number): fc.Arbitrary<VirtualNetworkIntent> =>
      fc
        .tuple(fc.boolean(), fc.subarray(NODES, { minLength: 1 }), fc.subarray(NAMES.filter((other) => other !== name)))
        .map(([isStar, hubs, reaches]) => (isStar ? star(name, index + 1, hubs, { reaches }) : mesh(name, index + 1, { reaches })))
    const networks = fc.tuple(...NAMES.map(network))
    const places = fc
      .array(fc.tuple(fc.nat(3), fc.constantFrom(...NAMES)), { minLength: 2, maxLength: 8 })
      .map((list) => list.map(([node, name], index) => place(node, name, `10.0.0.${index + 1}`)))
    const expected = (all: readonly VirtualNetworkIntent[], a: Place, b: Place): boolean => {
      const [mine, theirs] = [a, b].map(({ endpoint }) => all.find(({ name }) => name === endpoint.vrf)) as [
        VirtualNetworkIntent,
        VirtualNetworkIntent,
      ]
      if (mine !== theirs) return mine.reaches?.includes(theirs.name) === true || theirs.reaches?.includes(mine.name) === true
      if (a.node === b.node || mine.topology.type === 'any-to-any') return true
      const { hubs } = mine.topology
      return [a, b].some(({ node }) => hubs.some((hub) => String(hub) === String(NODES[node])))
    }
    fc.assert(
      fc.property(networks, places, (all, list) => {
        const fabric = fabricOf(all, list)
        for (const a of list) for (const b of list) if (a !== b) expect(between(fabric, a, b)).toBe(expected(all, a, b))
      }),
      { numRuns: 100 },
    )
  })

  it('gives every node a route distinguisher of its own', () => {
    const networks = [mesh('red', 1), mesh('blue', 65_535)]
    const all = NODES.flatMap((routerId) => vrfsOf(networks, { routerId }).map(({ rd }) => String(rd)))
    expect(new Set(all).size).toBe(all.length)
    expect(all[0]).toBe('192.0.2.1:1')
  })

  it('adds the route targets that the operator names', () => {
    const [vrf] = vrfsOf([mesh('red', 1, { import: [target(7), target(1)], export: [target(8)] })], { routerId: NODES[0] })
    expect([vrf?.import.map(String), vrf?.export.map(String)]).toEqual([
      ['65000:1', '65000:7'],
      ['65000:1', '65000:8'],
    ])
  })

  it.each<[code: string, networks: readonly VirtualNetworkIntent[]]>([
    ['intent.virtual-network.name', [mesh('', 1)]],
    ['intent.virtual-network.duplicate-name', [mesh('red', 1), mesh('red', 2)]],
    ['intent.virtual-network.id', [mesh('red', 0)]],
    ['intent.virtual-network.id', [{ ...mesh('red', 1), id: 65_536 }]],
    ['intent.virtual-network.duplicate-id', [mesh('red', 1), { ...mesh('blue', 2), id: 1 }]],
    ['intent.virtual-network.duplicate-target', [mesh('red', 1), { ...mesh('blue', 1), id: 2 }]],
    ['intent.virtual-network.topology', [star('red', 1, [])]],
    [
      'intent.virtual-network.topology',
      [{ ...mesh('red', 1), topology: { type: 'hub-and-spoke', hub: target(1), spoke: target(1), hubs: NODES } }],
    ],
    ['intent.virtual-network.reaches', [mesh('red', 1, { reaches: ['blue'] })]],
    ['intent.virtual-network.reaches', [mesh('red', 1, { reaches: ['red'] })]],
  ])('is refused with %s', (code, networks) => {
    expect(checkVirtualNetworks(networks).map((problem) => problem.code)).toContain(code)
    expect(() => vrfsOf(networks, { routerId: NODES[0] })).toThrow(IntentError)
  })
})
