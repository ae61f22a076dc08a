import type { DataplaneState, NextHopAction } from '@heddle/core'
import type { PacketInput } from '../arbitrary/packets.js'

/**
 * Ports that the tables lead to from where a packet entered, whatever its addresses: over every route of the VRF, every member, every further
 * lookup. A packet that comes out of any other port has left its tenant. From a source that no label or VNI names, none is reachable.
 *
 * @param errors whether ICMP errors count too: those about a packet behind an endpoint's label find their way in the endpoint's VRF
 */
export function reachablePorts(state: DataplaneState, input: PacketInput, { errors = false } = {}): ReadonlySet<number> {
  const ports = new Set<number>()
  const vrfs = new Set<number>()

  function enter(vrf: number | undefined): void {
    if (vrf === undefined || vrfs.has(vrf)) return
    vrfs.add(vrf)
    for (let row = 0; row < state.routes.count; row++) {
      if (state.routes.vrf[row] !== vrf) continue
      const members = state.groups.find(({ id }) => id === state.routes.group[row])?.members ?? []
      for (const { nextHop } of members) {
        const found = state.nextHops.find(({ id }) => id === nextHop)
        if (found !== undefined) follow(found.action, vrf)
      }
    }
  }

  function follow(action: NextHopAction, vrf: number): void {
    if (action.type === 'port') ports.add(action.port)
    else if (action.type === 'lookup') enter(action.vrf)
    else if (action.type === 'local') for (const port of state.ports) if (port.kind === 'host' && port.vrf === vrf) ports.add(port.id)
  }

  if (input.from === 'port') {
    // Gateway addresses answer, and errors are told, on the port itself.
    ports.add(input.port)
    enter(state.ports.find(({ id }) => id === input.port)?.vrf)
    return ports
  }
  const isSource = (sources: number): boolean =>
    state.tunnelSources.find(({ id }) => id === sources)?.prefixes.some((prefix) => prefix.contains(input.source)) ?? false
  if (input.encapsulation === 'vxlan') {
    for (const { vrf, sources } of state.vnis) if (isSource(sources)) enter(vrf)
    return ports
  }
  for (const { action, sources } of state.labels) {
    if (!isSource(sources)) continue
    if (action.type === 'pop-forward') {
      ports.add(action.port)
      if (errors) enter(state.ports.find(({ id }) => id === action.port)?.vrf)
    } else if (action.type === 'pop-lookup') enter(action.vrf)
  }
  return ports
}
