import { ManualClock } from '@heddle/io/testing'
import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import {
  LOCAL_PREFERENCE,
  OverlayModel,
  type DataplaneState,
  type EndpointIntent,
  type Encapsulation,
  type VpnRoute,
  type VrfIntent,
} from '../src/index.js'
import { applyToState, describeState, describeVnis, emptyState } from '../src/testing/index.js'
import { LIMITS } from './support/world.js'

const QUARANTINE = 1000
const US = '192.0.2.1'
const ROUTER_MAC = '02:68:c0:00:02:01'
const FAR = { nextHop: IpAddress.parse('192.0.2.2'), routerMac: MacAddress.parse('02:00:00:00:00:02') }

function vrf(name: string, number: number, vni?: number): VrfIntent {
  const target = RouteTarget.parse(`65000:${number}`)
  return { name, rd: RouteDistinguisher.parse(`${US}:${number}`), import: [target], export: [target], ...(vni !== undefined && { vni }) }
}

/** A route to 10.1.0.0/24 for the VRF `red`: of VPNv4, and, with a VNI, of EVPN. */
function route(label: number, more: Partial<VpnRoute> = {}): VpnRoute {
  return {
    source: 'peer',
    rd: RouteDistinguisher.parse('192.0.2.2:1'),
    prefix: IpPrefix.parse('10.1.0.0/24'),
    pathId: 0,
    routeTargets: [RouteTarget.parse('65000:1')],
    label,
    nextHop: FAR.nextHop,
    encapsulations: ['mpls-udp'],
    preference: LOCAL_PREFERENCE,
    ...more,
  }
}

const byVxlan = (more: Partial<VpnRoute> = {}): VpnRoute =>
  route(5001, { evpn: true, encapsulations: ['vxlan'], routerMac: FAR.routerMac, ...more })

/** A model with the dataplane that it writes for. */
class Node {
  readonly clock: ManualClock
  readonly model: OverlayModel
  state: DataplaneState

  constructor(
    options: {
      clock?: ManualClock
      state?: DataplaneState
      encapsulations?: readonly Encapsulation[]
      vnis?: number
      address?: string
    } = {},
  ) {
    const { clock = new ManualClock(), state, encapsulations = ['mpls-udp', 'vxlan'], vnis = 16, address = US } = options
    this.clock = clock
    this.state = state ?? emptyState()
    this.model = new OverlayModel({
      clock,
      localAddresses: [IpAddress.parse(address)],
      capabilities: { encapsulations, limits: { ...LIMITS, vnis } },
      labels: { quarantine: QUARANTINE },
    })
    if (state !== undefined) this.model.adopt(state)
  }

  /** Lets the dataplane take everything. */
  program(): this {
    for (let next = this.model.takeTransaction(); next !== undefined; next = this.model.takeTransaction()) {
      this.state = applyToState(this.state, next)
      this.model.programmed({ status: 'applied', generation: next.generation, failures: [] })
    }
    return this
  }

  attach(address: string): this {
    const endpoint: EndpointIntent = { vrf: 'red', netns: '/run/netns/1', ifname: 'eth0', addresses: [IpAddress.parse(address)], mtu: 1400 }
    this.model.addEndpoint(endpoint)
    this.model.setAttached(endpoint, true)
    return this
  }

  announce(...routes: readonly VpnRoute[]): this {
    this.model.applyRoutes(routes.map((one) => ({ kind: 'announce', route: one })))
    return this
  }

  /** Changes to tell, in words. */
  tells(): readonly string[] {
    return this.model.takeExports().map((change) => {
      const { evpn, prefix } = change.kind === 'announce' ? change.route : change
      const name = `${change.kind} ${prefix}${evpn === true ? ' evpn' : ''}`
      return change.kind === 'withdraw' ? name : `${name} ${change.route.encapsulations.join('+')} ${change.route.routerMac ?? 'mpls'}`
    })
  }

  get to(): string | undefined {
    return describeState(this.state).get('red 10.1.0.0/24')
  }
}

const VXLAN = `vxlan vni 5001 of ${FAR.routerMac} to ${FAR.nextHop}`
const MPLS = `mpls-udp label 1001 to ${FAR.nextHop}`

describe('a VRF with a VNI', () => {
  it('takes VXLAN from the next hops of its routes, and tells its routes in both kinds once the dataplane does', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001)])
    node.attach('10.0.0.1').announce(byVxlan())
    expect(node.tells()).toEqual([])
    node.program()
    expect(describeVnis(node.state)).toEqual([`vni 5001 as ${ROUTER_MAC}: look up in red from 192.0.2.2/32`])
    expect(node.tells()).toEqual(['announce 10.0.0.1/32 mpls-udp mpls', `announce 10.0.0.1/32 evpn vxlan ${ROUTER_MAC}`])
    expect(node.model.vrfs()).toMatchObject([{ vni: 5001, routerMac: MacAddress.parse(ROUTER_MAC) }])
  })

  it('withdraws what it told by EVPN alone when it loses its VNI, before the dataplane does', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001)])
    node.attach('10.0.0.1').program().tells()
    node.model.setVrfs([vrf('red', 1)])
    expect(node.tells()).toEqual(['withdraw 10.0.0.1/32 evpn'])
    expect(node.state.vnis).toHaveLength(1)
    expect(node.program().state.vnis).toEqual([])
    expect(node.tells()).toEqual([])
  })

  it('prefers EVPN where both kinds are as good, and never spreads over both', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001)])
    expect(node.announce(route(1001), byVxlan()).program().to).toBe(VXLAN)
    expect([...node.model.routes()].map(({ best, label }) => [label, best])).toEqual([
      [5001, true],
      [1001, false],
    ])
    node.model.applyRoutes([{ kind: 'withdraw', ...byVxlan() }])
    expect(node.program().to).toBe(MPLS)
    node.announce(byVxlan()).program()
    node.model.applyRoutes([{ kind: 'withdraw', ...route(1001) }])
    expect(node.program().to).toBe(VXLAN)
  })

  it.each<[string, Partial<VpnRoute>, string]>([
    ['a higher LOCAL_PREF of VPNv4', { preference: { ...LOCAL_PREFERENCE, localPref: 200 } }, MPLS],
    ['a longer AS_PATH of VPNv4', { preference: { ...LOCAL_PREFERENCE, asPathLength: 1 } }, VXLAN],
    ['VPNv4 that is stale', { stale: true }, VXLAN],
  ])('decides by attributes first: %s', (_name, more, expected) => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001)])
    expect(node.announce(route(1001, more), byVxlan()).program().to).toBe(expected)
  })

  it('goes by VPNv4 while the EVPN route is stale', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001)])
    expect(node.announce(route(1001), byVxlan({ stale: true })).program().to).toBe(MPLS)
  })

  it('sends to the VNI of the far end, whatever its own is', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 7)])
    expect(node.announce(byVxlan()).program().to).toBe(VXLAN)
  })

  it.each([0, 0x100_0000])('does not send to VNI %d', (label) => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001)])
    expect(node.announce(route(1001), byVxlan({ label })).program().to).toBe(MPLS)
  })

  it('has a router MAC that no other node has', () => {
    const macOf = (address: string): string => {
      const node = new Node({ address })
      node.model.setVrfs([vrf('red', 1, 5001)])
      return String(node.program().state.vnis[0]?.routerMac)
    }
    const macs = ['192.0.2.1', '192.0.2.2', '192.0.3.1', '10.0.0.1', '2001:db8::1', '2001:db8::2', '2001:db8:1::1'].map(macOf)
    expect(new Set(macs).size).toBe(macs.length)
    expect(macs.every((mac) => mac.startsWith('02:68:'))).toBe(true) // unicast, locally administered
  })
})

describe('a VRF without a VNI', () => {
  it('does not send by VXLAN, since nobody could answer; with one it does, and without one it no longer does', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1)])
    expect(node.announce(route(1001), byVxlan()).program().to).toBe(MPLS)
    node.model.setVrfs([vrf('red', 1, 5001)])
    expect(node.program().to).toBe(VXLAN)
    node.model.setVrfs([vrf('red', 1)])
    expect(node.program().to).toBe(MPLS)
  })

  it('takes EVPN routes with a label of MPLS', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1)])
    expect(node.announce(route(1001, { evpn: true })).program().to).toBe(MPLS)
  })
})

describe('a VNI that moves to another VRF', () => {
  it('rests first, lest packets for the one come out in the other', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001), vrf('blue', 2)])
    node.program()
    node.model.setVrfs([vrf('red', 1), vrf('blue', 2, 5001)])
    expect(node.program().state.vnis).toEqual([])
    expect(node.model.due).toBe(node.clock.now() + QUARANTINE)
    node.clock.advance(QUARANTINE - 1)
    expect(node.program().state.vnis).toEqual([])
    node.clock.advance(1)
    expect(describeVnis(node.program().state)).toEqual([`vni 5001 as ${ROUTER_MAC}: look up in blue from `])
    expect(node.model.due).toBe(Number.POSITIVE_INFINITY)
  })

  it('is taken from the one first also when it has rested before the dataplane answered that it has it', () => {
    const node = new Node()
    const { model } = node
    model.setVrfs([vrf('red', 1, 5001), vrf('blue', 2)])
    const first = model.takeTransaction()
    if (first === undefined) throw new RangeError('nothing to do')
    model.setVrfs([vrf('red', 1), vrf('blue', 2, 5001)])
    node.clock.advance(QUARANTINE)
    expect(model.takeTransaction()).toBeUndefined() // and looks what has rested
    node.state = applyToState(node.state, first)
    model.programmed({ status: 'applied', generation: first.generation, failures: [] })
    expect(model.takeTransaction()?.vnis).toEqual({ set: [], remove: [5001] })
  })

  it('is there at once when it comes back to its VRF', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001)])
    node.program().model.setVrfs([vrf('red', 1)])
    node.program().model.setVrfs([vrf('red', 1, 5001)])
    expect(node.program().state.vnis).toHaveLength(1)
  })

  it('rests over a restart, and is not used while the dataplane holds it for the other', () => {
    const { clock, state } = (() => {
      const node = new Node()
      node.model.setVrfs([vrf('red', 1, 5001), vrf('blue', 2, 5002)])
      return node.program()
    })()
    const next = new Node({ clock, state })
    next.model.setVrfs([vrf('red', 1, 5003), vrf('blue', 2, 5001)])
    const words = (): readonly string[] => describeVnis(next.program().state).map((text) => text.replace(/ as .* in | from .*$/g, ' '))
    expect(words()).toEqual(['vni 5001 red ', 'vni 5002 blue '])
    clock.advance(QUARANTINE)
    expect(words()).toEqual(['vni 5001 red ', 'vni 5002 blue ', 'vni 5003 red '])
    next.model.endAdoption()
    expect(words()).toEqual(['vni 5003 red '])
    clock.advance(QUARANTINE - 1)
    expect(words()).toEqual(['vni 5003 red ']) // the dataplane took packets for red with it until the adoption ended
    clock.advance(1)
    expect(words()).toEqual(['vni 5001 blue ', 'vni 5003 red '])
  })

  it('rests over a restart also when the process before let it rest already, which the dataplane does not tell', () => {
    const node = new Node()
    node.model.setVrfs([vrf('red', 1, 5001), vrf('blue', 2)])
    node.program()
    node.model.setVrfs([vrf('red', 1), vrf('blue', 2, 5001)])
    const { clock, state } = node.program()
    expect(state.vnis).toEqual([])
    const next = new Node({ clock, state })
    next.model.setVrfs([vrf('red', 1), vrf('blue', 2, 5001)])
    next.program().model.endAdoption()
    clock.advance(QUARANTINE - 1)
    expect(next.program().state.vnis).toEqual([])
    expect(next.model.due).toBe(clock.now() + 1)
    clock.advance(1)
    expect(describeVnis(next.program().state)).toEqual([`vni 5001 as ${ROUTER_MAC}: look up in blue from `])
  })

  it('is not waited for when the dataplane was never told anything, nor by the VRF for which it holds it', () => {
    const first = new Node({ state: emptyState() })
    first.model.setVrfs([vrf('red', 1, 5001)])
    const { clock, state } = first.program()
    expect(state.vnis).toHaveLength(1)
    const next = new Node({ clock, state })
    next.model.setVrfs([vrf('red', 1, 5001)])
    expect(next.program().model.vrfs()).toMatchObject([{ vni: 5001, routerMac: MacAddress.parse(ROUTER_MAC) }])
    expect(next.model.due).toBe(Number.POSITIVE_INFINITY)
  })
})

describe('refusals', () => {
  it.each<[string, ConstructorParameters<typeof Node>[0], readonly VrfIntent[], string, string]>([
    ['0', {}, [vrf('red', 1, 0)], 'intent.vrf.vni', 'vrf red: VNI 0 is not within 1–16777215'],
    ['beyond 24 bits', {}, [vrf('red', 1, 0x100_0000)], 'intent.vrf.vni', 'vrf red: VNI 16777216 is not within'],
    ['a fraction', {}, [vrf('red', 1, 1.5)], 'intent.vrf.vni', 'vrf red: VNI 1.5 is not within'],
    ['of another VRF', {}, [vrf('red', 1, 5), vrf('blue', 2, 5)], 'intent.vrf.duplicate-vni', 'vrf blue: VNI 5 is that of vrf red'],
    ['without VXLAN', { encapsulations: ['mpls-udp'] }, [vrf('red', 1, 5)], 'intent.vrf.vni-unsupported', 'the dataplane takes mpls-udp'],
    ['beyond the VNIs', { vnis: 1 }, [vrf('red', 1, 5), vrf('blue', 2, 6)], 'intent.vrf.limit', 'the dataplane takes 1 VNIs'],
  ])('a VNI %s, and nothing changes', (_name, options, vrfs, code, message) => {
    const node = new Node(options)
    expect(() => node.model.setVrfs(vrfs)).toThrow(message)
    expect(() => node.model.setVrfs(vrfs)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ code }) as unknown] }) as Error,
    )
    expect(node.model.vrfs()).toEqual([])
    expect(node.program().state.vnis).toEqual([])
  })
})
