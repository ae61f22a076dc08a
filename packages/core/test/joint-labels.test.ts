import { ManualClock } from '@heddle/io/testing'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { OverlayModel, type DataplaneFeature, type DataplaneState, type Encapsulation, type VpnRoute } from '../src/index.js'
import { applyToState, describeState, emptyState } from '../src/testing/index.js'
import { LIMITS } from './support/world.js'

const RED = RouteTarget.parse('65000:1')
const [US, FAR] = ['192.0.2.1', '192.0.2.9'].map((text) => IpAddress.parse(text))
const ALL: readonly Encapsulation[] = ['mpls-udp', 'mpls-gre', 'vxlan', 'mpls-udp-joint']
const ENDPOINT = { vrf: 'red', netns: '/run/netns/1', ifname: 'eth0', addresses: [IpAddress.parse('10.0.0.1')], mtu: 1400 }

function route(encapsulations: readonly Encapsulation[], label = 1001): VpnRoute {
  return {
    source: String(FAR),
    rd: RouteDistinguisher.parse('65000:9'),
    prefix: IpPrefix.parse('10.1.0.0/16'),
    pathId: 0,
    routeTargets: [RED],
    label,
    nextHop: FAR,
    encapsulations,
    preference: {
      localPref: 100,
      asPathLength: 0,
      origin: 0,
      med: 0,
      neighborAs: 0,
      external: false,
      clusterListLength: 0,
      originatorId: 0,
    },
  }
}

/** A model with the VRF `red`, and what its dataplane holds. */
class Node {
  readonly model: OverlayModel
  state: DataplaneState = emptyState()

  constructor(
    encapsulations: readonly Encapsulation[] = ALL,
    features: readonly DataplaneFeature[] = [],
    preferences?: readonly Encapsulation[],
  ) {
    const capabilities = { encapsulations, features, limits: LIMITS }
    const given = preferences === undefined ? {} : { encapsulations: preferences }
    this.model = new OverlayModel({ clock: new ManualClock(), localAddresses: [US], capabilities, ...given })
    this.model.setVrfs([{ name: 'red', rd: RouteDistinguisher.parse('65000:1'), import: [RED], export: [RED] }])
    this.program()
  }

  program(): void {
    for (let next = this.model.takeTransaction(); next !== undefined; next = this.model.takeTransaction()) {
      this.state = applyToState(this.state, next)
      this.model.programmed({ status: 'applied', generation: next.generation, failures: [] })
    }
  }

  /** Where packets of `red` go once `told` is told. */
  after(told: VpnRoute): string | undefined {
    this.model.applyRoutes([{ kind: 'announce', route: told }])
    this.program()
    return new Map(describeState(this.state)).get(`red ${told.prefix}`)
  }

  /** What others are told that this node takes. */
  offers(): readonly Encapsulation[] {
    this.model.addEndpoint(ENDPOINT)
    this.model.setAttached(ENDPOINT, true)
    this.program()
    const [change] = this.model.takeExports()
    return change?.kind === 'announce' ? change.route.encapsulations : []
  }
}

describe('a node tells others that it reads joint labels', () => {
  it.each<[string, boolean, Node]>([
    ['where its dataplane gains by them', true, new Node(ALL, ['joint-labels'])],
    ['not where it does not, though it reads and sends them', false, new Node(ALL, ['ecn'])],
    ['not where it prefers none', false, new Node(ALL, ['joint-labels'], ['mpls-udp', 'mpls-gre'])],
  ])('%s', (_when, isTold, node) => {
    expect(node.offers()).toEqual([...(isTold ? ['mpls-udp-joint'] : []), 'mpls-udp', 'mpls-gre'])
  })
})

describe('packets go with joint labels', () => {
  it('to who is told to read them, and to nobody else', () => {
    const node = new Node()
    expect(node.after(route(['mpls-udp-joint', 'mpls-udp']))).toBe('mpls-udp-joint label 1001 to 192.0.2.9')
    expect(node.after(route(['mpls-gre', 'mpls-udp']))).toBe('mpls-udp label 1001 to 192.0.2.9')
    expect(node.after(route([]))).toBe('mpls-udp label 1001 to 192.0.2.9')
  })

  it('not where the dataplane cannot send them, or they are not preferred', () => {
    const told = route(['mpls-udp-joint', 'mpls-udp'])
    expect(new Node(['mpls-udp']).after(told)).toBe('mpls-udp label 1001 to 192.0.2.9')
    expect(new Node(ALL, [], ['mpls-udp']).after(told)).toBe('mpls-udp label 1001 to 192.0.2.9')
  })

  it('never to who says nothing, whatever is preferred', () => {
    const node = new Node(ALL, [], ['mpls-udp-joint', 'mpls-gre'])
    expect(node.after(route([]))).toBe('mpls-gre label 1001 to 192.0.2.9')
    expect(new Node(ALL, [], ['mpls-udp-joint']).after(route([]))).toBeUndefined()
  })

  it('with any label behind them, the one that stands for joint labels too: it is the far end’s', () => {
    expect(new Node().after(route(['mpls-udp-joint', 'mpls-udp'], 49_152))).toBe('mpls-udp-joint label 49152 to 192.0.2.9')
  })
})

it('a far end that reads them no more, or again, is reached at every moment, and by what it takes', () => {
  const node = new Node()
  const [joint, plain] = [route(['mpls-udp-joint', 'mpls-udp']), route(['mpls-udp'])]
  node.after(joint)
  for (const [told, encapsulation] of [
    [plain, 'mpls-udp'],
    [joint, 'mpls-udp-joint'],
  ] as const) {
    const [before] = node.state.nextHops
    node.model.applyRoutes([{ kind: 'announce', route: told }])
    const transaction = node.model.takeTransaction()
    // Another next hop takes the place of the one that packets take meanwhile, which goes with it.
    expect(transaction?.nextHops).toEqual({
      set: [
        { id: expect.any(Number) as number, action: expect.objectContaining({ type: 'tunnel', encapsulation, labels: [1001] }) as unknown },
      ],
      remove: [before.id],
    })
    expect(transaction?.nextHops.set[0]?.id).not.toBe(before.id)
    expect([transaction?.routes.count, transaction?.routes.prefixAt(0)]).toEqual([1, told.prefix])
    if (transaction === undefined) return
    node.state = applyToState(node.state, transaction)
    node.model.programmed({ status: 'applied', generation: transaction.generation, failures: [] })
  }
  node.model.applyRoutes([{ kind: 'announce', route: joint }])
  expect(node.model.takeTransaction()).toBeUndefined()
})
