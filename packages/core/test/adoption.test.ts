import { ManualClock } from '@heddle/io/testing'
import { JOINT_LABEL } from '@heddle/mpls'
import { IpAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { expect, test } from 'vitest'
import { DEFAULT_QUARANTINE } from '../src/label/label-space.js'
import { OverlayModel, type DataplaneState, type EndpointIntent, type VrfIntent } from '../src/index.js'
import { applyToState, describeState, emptyState } from '../src/testing/index.js'
import { LIMITS } from './support/world.js'

function vrf(name: string, number: number): VrfIntent {
  const target = RouteTarget.parse(`65000:${number}`)
  return { name, rd: RouteDistinguisher.parse(`192.0.2.1:${number}`), import: [target], export: [target] }
}

function endpoint(name: string, vrfName: string, address: string): EndpointIntent {
  return { vrf: vrfName, netns: `/run/netns/${name}`, ifname: 'eth0', addresses: [IpAddress.parse(address)], mtu: 1468 }
}

function newModel(options: { readonly clock?: ManualClock; readonly labels?: { first?: number; last?: number } } = {}): OverlayModel {
  return new OverlayModel({
    clock: options.clock ?? new ManualClock(),
    localAddresses: [IpAddress.parse('192.0.2.1')],
    capabilities: { encapsulations: ['mpls-udp'], limits: LIMITS },
    labels: { ...options.labels },
  })
}

function program(model: OverlayModel, state: DataplaneState): DataplaneState {
  const transaction = model.takeTransaction()
  if (transaction === undefined) return state
  model.programmed({ status: 'applied', generation: transaction.generation, failures: [] })
  const devices = model.endpoints().map(({ port, netns, ifname, addresses, mtu }) => ({ port, netns, ifname, addresses, mtu, ifindex: 1 }))
  return { ...applyToState(state, transaction), devices }
}

/** What a node with two VRFs and two endpoints leaves behind. */
function before(): { readonly state: DataplaneState; readonly model: OverlayModel } {
  const model = newModel()
  model.setVrfs([vrf('red', 1), vrf('blue', 2)])
  model.addEndpoint(endpoint('a', 'red', '10.0.0.1'))
  model.addEndpoint(endpoint('b', 'blue', '10.0.0.1'))
  return { state: program(model, emptyState()), model }
}

test('a VRF that is new after a restart does not get the label of one that was there', () => {
  const { state, model } = before()
  const next = newModel()
  next.adopt(state)
  next.setVrfs([vrf('new', 3), vrf('blue', 2), vrf('red', 1)])
  const labelOf = (of: OverlayModel, name: string) => of.vrfs().find((row) => row.name === name)?.label
  expect(labelOf(next, 'red')).toBe(labelOf(model, 'red'))
  expect(labelOf(next, 'blue')).toBe(labelOf(model, 'blue'))
  expect(state.labels.map(({ label }) => label)).not.toContain(labelOf(next, 'new'))
})

test('an endpoint that is attached to another VRF after a restart gets another port and another label', () => {
  const { state } = before()
  const next = newModel()
  next.adopt(state)
  next.setVrfs([vrf('red', 1), vrf('blue', 2)])
  const { label, port } = next.addEndpoint(endpoint('a', 'blue', '10.0.0.7'))
  expect(state.labels.map((object) => object.label)).not.toContain(label)
  expect(state.ports.map(({ id }) => id)).not.toContain(port)
})

test('an endpoint that has other addresses after a restart keeps its port, and its label only when none is gone', () => {
  const { state } = before()
  const labelAfter = (...addresses: string[]): number => {
    const next = newModel()
    const [a] = next.adopt(state)
    if (a === undefined) throw new TypeError('the endpoint is adopted')
    next.setVrfs([vrf('red', 1), vrf('blue', 2)])
    const row = next.addEndpoint({ ...a, addresses: addresses.map((text) => IpAddress.parse(text)) })
    expect(row.port).toBe(state.devices.find(({ netns }) => netns === a.netns)?.port)
    return row.label
  }
  const label = labelAfter('10.0.0.1')
  expect(state.labels.map((object) => object.label)).toContain(label)
  expect(labelAfter('10.0.0.1', 'fd00::1')).toBe(label)
  expect(state.labels.map((object) => object.label)).not.toContain(labelAfter('10.0.0.2'))
})

test('an endpoint that goes and comes back while adopting shares its port with no one', () => {
  const { state } = before()
  const next = newModel()
  const [a, b] = next.adopt(state)
  if (a === undefined || b === undefined) throw new TypeError('both endpoints are adopted')
  next.setVrfs([vrf('red', 1), vrf('blue', 2)])
  next.addEndpoint(a)
  next.removeEndpoint(a)
  next.addEndpoint(a)
  next.addEndpoint(b)
  next.endAdoption()
  program(next, state)
  next.addEndpoint(endpoint('c', 'red', '10.0.0.3'))
  next.addEndpoint(endpoint('d', 'red', '10.0.0.4'))
  const ports = next.endpoints().map(({ port }) => port)
  expect(new Set(ports).size).toBe(ports.length)
})

test('labels that nobody claimed rest when the adoption ends', () => {
  const clock = new ManualClock()
  const { state } = before()
  const next = newModel({ clock, labels: { first: 16, last: 20 } })
  next.adopt(state)
  next.setVrfs([vrf('red', 1), vrf('blue', 2)])
  next.endAdoption()
  program(next, state)
  next.addEndpoint(endpoint('c', 'red', '10.0.0.3')) // takes the only label that was never used
  expect(() => next.addEndpoint(endpoint('d', 'red', '10.0.0.4'))).toThrow('endpoint.labels-exhausted')
  clock.advance(DEFAULT_QUARANTINE)
  next.addEndpoint(endpoint('d', 'red', '10.0.0.4'))
})

test('a label outside the range of a new configuration is replaced', () => {
  const { state } = before()
  const next = newModel({ labels: { first: 5000, last: 6000 } })
  const adopted = next.adopt(state)
  next.setVrfs([vrf('red', 1), vrf('blue', 2)])
  for (const intent of adopted) next.addEndpoint(intent)
  next.endAdoption()
  const after = program(next, state)
  expect(after.labels.every(({ label }) => label >= 5000)).toBe(true)
  expect(after.labels).toHaveLength(4)
})

// Releases that read no joint labels gave 49152 out: it stays programmed for who still sends it, and nobody gets it.
test.each(['an endpoint', 'a VRF'])(
  'the joint label that an older release gave to %s is replaced, and goes when the adoption ends',
  (of) => {
    const { state: programmed, model } = before()
    const [{ label: own }] = of === 'a VRF' ? model.vrfs() : model.endpoints()
    const labels = programmed.labels.map((object) => (object.label === own ? { ...object, label: JOINT_LABEL } : object))
    expect(labels).not.toEqual(programmed.labels)
    const state = { ...programmed, labels }

    const next = newModel()
    const adopted = next.adopt(state)
    next.setVrfs([vrf('red', 1), vrf('blue', 2)])
    for (const intent of adopted) next.addEndpoint(intent)
    const during = program(next, state)
    expect(during.labels.filter(({ label }) => label === JOINT_LABEL)).toEqual(labels.filter(({ label }) => label === JOINT_LABEL))
    const given = [...next.vrfs(), ...next.endpoints()].map(({ label }) => label)
    expect(given).not.toContain(JOINT_LABEL)
    expect(new Set(given).size).toBe(4)
    next.endAdoption()
    expect(new Set(program(next, during).labels.map(({ label }) => label))).toEqual(new Set(given))
  },
)

test('a route to another VRF of the node goes at once when its import went while nobody was there, and the others stay', () => {
  const blue = vrf('blue', 2)
  const importing = { ...vrf('red', 1), import: [...vrf('red', 1).import, ...blue.export] }
  const model = newModel()
  model.setVrfs([importing, blue])
  model.addEndpoint(endpoint('a', 'red', '10.0.0.1'))
  model.addEndpoint(endpoint('b', 'blue', '10.0.0.2'))
  const state = program(model, emptyState())
  expect([...describeState(state).keys()].sort()).toEqual(['blue 10.0.0.2/32', 'red 10.0.0.1/32', 'red 10.0.0.2/32'])

  for (const [vrfs, left] of [
    [[importing, blue], 3],
    [[vrf('red', 1), blue], 2],
    [[{ ...importing }, { ...blue, export: [] }], 2],
  ] as const) {
    const next = newModel()
    next.adopt(state)
    next.setVrfs(vrfs) // no endpoint is told of yet: their own routes stay
    const after = program(next, state)
    expect(after.routes.count).toBe(left)
    expect(describeState(after).has('red 10.0.0.2/32')).toBe(left === 3)
  }
})
