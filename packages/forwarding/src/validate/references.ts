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

  ports.visit(lost(vrfs), (id, { vrf }) => {
    if (vrf !== undefined) need('port', id, 'VRF', vrfs, vrf)
  })
  nextHops.visit(lost(ports, vrfs, liveness), (id, { action, liveness: needed }) => {
    if (needed !== undefined) need('next-hop', id, 'liveness', liveness, needed)
    if (action.type === 'port') need('next-hop', id, 'port', ports, action.port)
    else if (action.type === 'lookup') need('next-hop', id, 'VRF', vrfs, action.vrf)
  })
  natPools.visit(lost(vrfs), (id, { vrf, outside }) => {
    need('nat-pool', id, 'VRF', vrfs, vrf)
    need('nat-pool', id, 'VRF', vrfs, outside)
  })
  services.visit(lost(vrfs), (id, { vrf }) => need('service', id, 'VRF', vrfs, vrf))
  policies.visit(lost(ports, mirrors), (id, { port, rules }) => {
    need('policy', id, 'port', ports, port)
    for (const { mirror } of rules) if (mirror !== undefined) need('policy', id, 'mirror', mirrors, mirror)
  })
  mirrors.visit(lost(ports), (id, { ports: sources }) => {
    for (const { port } of sources) need('mirror', id, 'port', ports, port)
  })
  traces.visit(lost(vrfs), (id, { filter }) => {
    if (filter.vrf !== undefined) need('trace', id, 'VRF', vrfs, filter.vrf)
  })
  groups.visit(lost(nextHops), (id, { members }) => {
    for (const { nextHop } of members) need('group', id, 'next hop', nextHops, nextHop)
  })
  labels.visit(lost(ports, vrfs, nextHops, tunnelSources), (label, { action, sources }) => {
    need('label', label, 'tunnel sources', tunnelSources, sources)
    if (action.type === 'pop-forward') need('label', label, 'port', ports, action.port)
    else if (action.type === 'pop-lookup') need('label', label, 'VRF', vrfs, action.vrf)
    else need('label', label, 'next hop', nextHops, action.nextHop)
  })
  vnis.visit(lost(vrfs, tunnelSources), (vni, { vrf, sources }) => {
    need('vni', vni, 'tunnel sources', tunnelSources, sources)
    need('vni', vni, 'VRF', vrfs, vrf)
  })
}
