import type { DataplaneState } from '../dataplane/dataplane.js'
import type { NextHopAction } from '../dataplane/objects.js'

/** Gives a port's name to a person; ids mean nothing from one model to another. */
export type PortName = (port: number) => string

const byId: PortName = (port) => `port ${port}`

/** The routes of a dataplane in words: `VRF PREFIX` → where packets go. */
export function describeState(state: DataplaneState, portName: PortName = byId): ReadonlyMap<string, string> {
  const vrfNames = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const nextHops = new Map(state.nextHops.map(({ id, action }) => [id, action]))
  const groups = new Map(state.groups.map(({ id, members }) => [id, members]))
  const tables = new Map<string, string>()
  const { routes } = state
  for (let row = 0; row < routes.count; row++) {
    const members = groups.get(routes.group[row])?.map(({ nextHop }) => describeNextHop(nextHops.get(nextHop), portName, vrfNames)) ?? [
      'dangling',
    ]
    tables.set(`${vrfNames.get(routes.vrf[row]) ?? 'dangling'} ${routes.prefixAt(row)}`, members.sort().join(', '))
  }
  return tables
}

/** What a dataplane does with each label that it holds, and from where it takes it: label → words. */
export function describeLabels(state: DataplaneState, portName: PortName = byId): ReadonlyMap<number, string> {
  const vrfNames = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const sources = new Map(state.tunnelSources.map(({ id, prefixes }) => [id, prefixes.map(String).sort().join(' ')]))
  return new Map(
    state.labels.map(({ label, action, sources: set }) => {
      const does =
        action.type === 'pop-forward'
          ? `to ${portName(action.port)}`
          : action.type === 'pop-lookup'
            ? `look up in ${vrfNames.get(action.vrf) ?? 'dangling'}`
            : `swap to ${action.nextHop}`
      return [label, `${does} from ${sources.get(set) ?? 'dangling'}`]
    }),
  )
}

/** Which VRF a dataplane looks up in for each VNI, as which router, and from where it takes it. */
export function describeVnis(state: DataplaneState): readonly string[] {
  const vrfNames = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const sources = new Map(state.tunnelSources.map(({ id, prefixes }) => [id, prefixes.map(String).sort().join(' ')]))
  return state.vnis
    .map(({ vni, vrf, routerMac, sources: set }) => {
      const where = vrfNames.get(vrf) ?? 'dangling'
      return `vni ${vni} as ${routerMac}: look up in ${where} from ${sources.get(set) ?? 'dangling'}`
    })
    .sort()
}

/** The endpoints' ports of a dataplane in words. */
export function describePorts(state: DataplaneState, portName: PortName = byId): readonly string[] {
  const vrfNames = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  return state.ports
    .filter(({ kind }) => kind === 'endpoint')
    .map(({ id, vrf, mtu, allowedSources }) => {
      const sources = allowedSources.map(String).sort().join(' ')
      return `${portName(id)} in ${vrfNames.get(vrf ?? -1) ?? 'dangling'}, ${mtu}, from ${sources}`
    })
    .sort()
}

function describeNextHop(action: NextHopAction | undefined, portName: PortName, vrfNames: ReadonlyMap<number, string>): string {
  switch (action?.type) {
    case 'port':
      return portName(action.port)
    case 'lookup':
      return `look up in ${vrfNames.get(action.vrf) ?? 'dangling'}`
    case 'tunnel':
      if (action.vni !== undefined) return `${action.encapsulation} vni ${action.vni} of ${action.routerMac} to ${action.remote}`
      return `${action.encapsulation} label ${action.labels.join('/')} to ${action.remote}`
    default:
      return action?.type ?? 'dangling'
  }
}

/** What a dataplane does besides forwarding, in words. @param mirrorName gives the name of a mirror that rules refer to */
export function describeTraffic(state: DataplaneState, portName: PortName, mirrorName: (id: number) => string): readonly string[] {
  const vrfNames = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const vrf = (id: number): string => vrfNames.get(id) ?? 'dangling'
  const { policies = [], services = [], natPools = [], mirrors = [], liveness = [] } = state
  return [
    ...policies.map(({ port, direction, rules, defaultVerdict }) => {
      const named = rules.map(({ mirror, ...rule }) => (mirror === undefined ? rule : { ...rule, mirror: mirrorName(mirror) }))
      return `${direction} of ${portName(port)}: ${JSON.stringify(named)} else ${defaultVerdict}`
    }),
    ...services.map(
      ({ vrf: id, address, protocol, port, backends }) => `${address} ${protocol} ${port} of ${vrf(id)}: ${JSON.stringify(backends)}`,
    ),
    ...natPools.map(
      ({ vrf: id, outside, address, ports }) => `${vrf(id)} behind ${address} in ${vrf(outside)}: ${ports.first}–${ports.last}`,
    ),
    ...mirrors.flatMap(({ ports, sink }) => {
      if (sink.type !== 'erspan') return []
      const names = ports.map(({ port }) => portName(port)).sort()
      return [`${ports[0]?.direction ?? 'both'} of ${names.join(', ')} to ${sink.remote} session ${sink.session}`]
    }),
    ...liveness.map(({ remote }) => `watch ${remote}`),
  ].sort()
}
