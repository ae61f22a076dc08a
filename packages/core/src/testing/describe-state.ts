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
    const members = groups.get(routes.group[row])?.map(({ nextHop }) => describeNextHop(nextHops.get(nextHop), portName)) ?? ['dangling']
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

function describeNextHop(action: NextHopAction | undefined, portName: PortName): string {
  switch (action?.type) {
    case 'port':
      return portName(action.port)
    case 'tunnel':
      return `${action.encapsulation} label ${action.labels.join('/')} to ${action.remote}`
    default:
      return action?.type ?? 'dangling'
  }
}
