import type { IpAddress, IpPrefix } from '@heddle/wire'
import type { DataplaneState } from '../dataplane/dataplane.js'
import type { EndpointIntent } from '../intent/intents.js'
import type { TargetIndex } from '../target/target-index.js'
import { endpointName } from './endpoint-state.js'
import type { VrfState } from './vrf-state.js'

/** What a dump tells of the ids and labels that things had. */
export interface Adopted {
  readonly vrfs: ReadonlyMap<string, number>
  /** VRF and endpoint name to port: one that moved to another VRF starts anew, or packets for the old VRF would land in the new one. */
  readonly ports: ReadonlyMap<string, AdoptedPort>
  /** `vrf ID` or `port ID` to label. */
  readonly labels: ReadonlyMap<string, number>
  readonly sources: ReadonlyMap<number, readonly IpPrefix[]>
  readonly endpoints: readonly EndpointIntent[]
  /** Routes of a VRF to a port of another one, or into it. */
  readonly leaks: readonly Leak[]
}

export interface Leak {
  readonly vrf: string
  readonly prefix: IpPrefix
  /** The other VRF. */
  readonly owner: string
}

export interface AdoptedPort {
  readonly port: number
  readonly addresses: readonly IpAddress[]
}

export function adoptedFrom(state: DataplaneState): Adopted {
  const vrfNames = new Map(state.vrfs.map(({ id, name }) => [id, name]))
  const ports = new Map(state.ports.map((port) => [port.id, port]))
  const labels = state.labels.flatMap(({ label, action }): [string, number][] =>
    action.type === 'pop-forward' ? [[`port ${action.port}`, label]] : action.type === 'pop-lookup' ? [[`vrf ${action.vrf}`, label]] : [],
  )
  const endpoints = state.devices.flatMap(({ port, netns, ifname, addresses, routes, mtu }): { port: number; intent: EndpointIntent }[] => {
    const { vrf: vrfId = -1, link, gateways = [], rateLimits } = ports.get(port) ?? {}
    const vrf = vrfNames.get(vrfId)
    const asked = {
      ...(routes === undefined ? {} : { routes }),
      ...(link === undefined ? {} : { link: 'ethernet' as const }),
      ...(gateways.length === 0 ? {} : { gateways }),
      ...(rateLimits === undefined ? {} : { rateLimits }),
    }
    return netns === undefined || vrf === undefined ? [] : [{ port, intent: { vrf, netns, ifname, addresses, mtu, ...asked } }]
  })
  return {
    vrfs: new Map(state.vrfs.map(({ id, name }) => [name, id])),
    ports: new Map(endpoints.map(({ port, intent }) => [`${intent.vrf} ${endpointName(intent)}`, { port, addresses: intent.addresses }])),
    labels: new Map(labels),
    sources: new Map(state.tunnelSources.map(({ id, prefixes }) => [id, prefixes])),
    endpoints: endpoints.map(({ intent }) => intent),
    leaks: leaksOf(state),
  }
}

function leaksOf({ vrfs, ports, nextHops, groups, routes }: DataplaneState): readonly Leak[] {
  const vrfNames = new Map(vrfs.map(({ id, name }) => [id, name]))
  const ownerOfPort = new Map(ports.map(({ id, vrf }) => [id, vrfNames.get(vrf ?? -1)]))
  const ownerOf = ({ action }: DataplaneState['nextHops'][number]): string | undefined =>
    action.type === 'port' ? ownerOfPort.get(action.port) : action.type === 'lookup' ? vrfNames.get(action.vrf) : undefined
  const ownerOfHop = new Map(nextHops.map((nextHop) => [nextHop.id, ownerOf(nextHop)]))
  const ownersOfGroup = new Map(groups.map(({ id, members }) => [id, members.flatMap(({ nextHop }) => ownerOfHop.get(nextHop) ?? [])]))
  return Array.from({ length: routes.count }, (_, row) => row).flatMap((row) => {
    const vrf = vrfNames.get(routes.vrf[row])
    const owner = ownersOfGroup.get(routes.group[row])?.find((name) => name !== vrf)
    return vrf === undefined || owner === undefined ? [] : [{ vrf, owner, prefix: routes.prefixAt(row) }]
  })
}

/** Which leaks neither a route target nor a static route of today allows. */
export function leaksToEnd(
  leaks: readonly Leak[],
  vrfs: ReadonlyMap<string, VrfState>,
  targets: TargetIndex<VrfState>,
): readonly { readonly vrf: VrfState; readonly prefix: IpPrefix }[] {
  return leaks.flatMap(({ vrf: name, owner, prefix }) => {
    const vrf = vrfs.get(name)
    if (vrf === undefined) return []
    const via = vrf.statics.get(String(prefix))?.via
    const isStatic = via?.type === 'vrf' && via.vrf === owner
    return isStatic || targets.importers(vrfs.get(owner)?.intent.export ?? []).includes(vrf) ? [] : [{ vrf, prefix }]
  })
}
