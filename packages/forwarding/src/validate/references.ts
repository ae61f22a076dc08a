import type { ObjectKind } from '@heddle/core'
import type { After } from './after.js'
import type { Fail } from './fail.js'

/** Objects that refer to what will not be there. */
export function checkReferences(after: After, fail: Fail): void {
  const { vrfs, ports, nextHops, groups, tunnelSources, labels, vnis, policies, services, natPools, liveness, mirrors, traces } = after
  const need = (kind: ObjectKind, key: number, what: string, there: { has(id: number): boolean }, id: number): void => {
    if (!there.has(id)) fail(kind, key, 'dataplane.dangling-reference', `${what} ${id} does not exist`)
  }
  const lost = (...kinds: readonly { readonly lost: readonly number[] }[]): boolean => kinds.some((kind) => kind.lost.length > 0)

  for (const [id, { vrf }] of lost(vrfs) ? ports.all() : ports) if (vrf !== undefined) need('port', id, 'VRF', vrfs, vrf)
  for (const [id, { action, liveness: needed }] of lost(ports, vrfs, liveness) ? nextHops.all() : nextHops) {
    if (needed !== undefined) need('next-hop', id, 'liveness', liveness, needed)
    if (action.type === 'port') need('next-hop', id, 'port', ports, action.port)
    else if (action.type === 'lookup') need('next-hop', id, 'VRF', vrfs, action.vrf)
  }
  for (const [id, { vrf, outside }] of lost(vrfs) ? natPools.all() : natPools) {
    need('nat-pool', id, 'VRF', vrfs, vrf)
    need('nat-pool', id, 'VRF', vrfs, outside)
  }
  for (const [id, { vrf }] of lost(vrfs) ? services.all() : services) need('service', id, 'VRF', vrfs, vrf)
  for (const [id, { port, rules }] of lost(ports, mirrors) ? policies.all() : policies) {
    need('policy', id, 'port', ports, port)
    for (const { mirror } of rules) if (mirror !== undefined) need('policy', id, 'mirror', mirrors, mirror)
  }
  for (const [id, { ports: sources }] of lost(ports) ? mirrors.all() : mirrors) {
    for (const { port } of sources) need('mirror', id, 'port', ports, port)
  }
  for (const [id, { filter }] of lost(vrfs) ? traces.all() : traces) {
    if (filter.vrf !== undefined) need('trace', id, 'VRF', vrfs, filter.vrf)
  }
  for (const [id, { members }] of lost(nextHops) ? groups.all() : groups) {
    for (const { nextHop } of members) need('group', id, 'next hop', nextHops, nextHop)
  }
  for (const [label, { action, sources }] of lost(ports, vrfs, nextHops, tunnelSources) ? labels.all() : labels) {
    need('label', label, 'tunnel sources', tunnelSources, sources)
    if (action.type === 'pop-forward') need('label', label, 'port', ports, action.port)
    else if (action.type === 'pop-lookup') need('label', label, 'VRF', vrfs, action.vrf)
    else need('label', label, 'next hop', nextHops, action.nextHop)
  }
  for (const [vni, { vrf, sources }] of lost(vrfs, tunnelSources) ? vnis.all() : vnis) {
    need('vni', vni, 'tunnel sources', tunnelSources, sources)
    need('vni', vni, 'VRF', vrfs, vrf)
  }
}
