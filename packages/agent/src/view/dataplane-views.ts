import {
  DROP_REASONS,
  type CounterSnapshot,
  type DataplaneCapabilities,
  type DataplaneState,
  type KernelPart,
  type LabelObject,
} from '@heddle/core'
import type { BpfRow, DataplaneRow, DropRow, LabelRow, TunnelRow } from './rows.js'

/** The incoming label map, by label. */
export function labelRows(state: DataplaneState): LabelRow[] {
  const vrfs = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const ports = new Map(state.ports.map((port) => [port.id, port]))
  const devices = new Map(state.devices.map((device) => [device.port, device]))
  const sources = new Map(state.tunnelSources.map(({ id, prefixes }) => [id, prefixes.map(String)]))
  const vrfOf = ({ action }: LabelObject): number | undefined => {
    if (action.type === 'pop-lookup') return action.vrf
    return action.type === 'pop-forward' ? ports.get(action.port)?.vrf : undefined
  }
  const endpointOf = ({ action }: LabelObject): string | null => {
    const device = action.type === 'pop-forward' ? devices.get(action.port) : undefined
    return device === undefined ? null : `${device.ifname}${device.netns === undefined ? '' : ` in ${device.netns}`}`
  }
  return state.labels
    .map((label) => ({
      label: label.label,
      action: label.action.type,
      vrf: vrfs.get(vrfOf(label) ?? -1) ?? null,
      endpoint: endpointOf(label),
      sources: sources.get(label.sources) ?? [],
    }))
    .toSorted((a, b) => a.label - b.label)
}

/** The tunnels that next hops use, with how much goes through each. */
export function tunnelRows(state: DataplaneState): TunnelRow[] {
  const routesOfGroup = new Map<number, number>()
  const { routes, pathMtus = [], detours = [] } = state
  for (let row = 0; row < routes.count; row++) routesOfGroup.set(routes.group[row], (routesOfGroup.get(routes.group[row]) ?? 0) + 1)
  const tunnels = new Map<string, { row: Pick<TunnelRow, 'local' | 'remote' | 'encapsulation'>; nextHops: Set<number> }>()
  for (const { id, action } of state.nextHops) {
    if (action.type !== 'tunnel') continue
    const { encapsulation } = action
    const [local, remote] = [String(action.local), String(action.remote)]
    const key = `${local} ${remote} ${encapsulation}`
    const tunnel = tunnels.get(key) ?? { row: { local, remote, encapsulation }, nextHops: new Set() }
    tunnel.nextHops.add(id)
    tunnels.set(key, tunnel)
  }
  return [...tunnels.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { row, nextHops }]) => {
      const through = state.groups.filter(({ members }) => members.some(({ nextHop }) => nextHops.has(nextHop)))
      const pathMtu = pathMtus.find(({ remote }) => String(remote) === row.remote)?.mtu ?? null
      const hostLink = detours.find(({ remote }) => String(remote) === row.remote)?.link ?? null
      const routesThrough = through.reduce((sum, { id }) => sum + (routesOfGroup.get(id) ?? 0), 0)
      return { ...row, nextHops: nextHops.size, routes: routesThrough, pathMtu, hostLink }
    })
}

/** Every drop reason with its count. */
export function dropRows(counters: CounterSnapshot): DropRow[] {
  return DROP_REASONS.map((reason, index) => ({ reason, packets: counters.drops[index] }))
}

/** What the dataplane is and holds. */
export function dataplaneRow(
  capabilities: DataplaneCapabilities,
  state: DataplaneState,
  failures: readonly string[],
  choices: DataplaneRow['choices'] = [],
): DataplaneRow {
  return {
    kind: capabilities.kind,
    encapsulations: capabilities.encapsulations,
    generation: state.generation,
    vrfs: state.vrfs.length,
    ports: state.ports.length,
    nextHops: state.nextHops.length,
    groups: state.groups.length,
    labels: state.labels.length,
    routes: state.routes.count,
    devices: state.devices.length,
    features: [...(capabilities.features ?? [])].sort(),
    tables: tableFills(capabilities, state),
    choices,
    failures,
  }
}

/** How full tables are that have anything in them, or a limit that is worth knowing. */
function tableFills({ limits }: DataplaneCapabilities, state: DataplaneState): DataplaneRow['tables'] {
  const { vrfs, ports, nextHops, groups, labels, vnis, routes, policies = [], services = [], natPools = [], liveness = [] } = state
  const fills: [string, number, number | undefined][] = [
    ['vrfs', vrfs.length, limits.vrfs],
    ['ports', ports.length, limits.ports],
    ['next hops', nextHops.length, limits.nextHops],
    ['groups', groups.length, limits.groups],
    ['labels', labels.length, limits.labels],
    ['vnis', vnis.length, limits.vnis],
    ['routes', routes.count, limits.routes],
    ['policies', policies.length, limits.policies],
    ['services', services.length, limits.services],
    ['nat pools', natPools.length, limits.natPools],
    ['watched paths', liveness.length, limits.liveness],
  ]
  return fills.map(([name, used, capacity]) => ({ name, used, capacity: Number.isFinite(capacity) ? (capacity ?? null) : null }))
}

/** What a dataplane has in the kernel. */
export function bpfRows(parts: readonly KernelPart[]): BpfRow[] {
  return parts.map(({ kind, name, id = null, version = null, octets = null, capacity = null, pin = null, details }) => {
    return { kind, name, id, version, octets, capacity, pin, details }
  })
}
