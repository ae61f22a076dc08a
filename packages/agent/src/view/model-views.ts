import type { EndpointView, OverlayModel } from '@heddle/core'
import type { EndpointRow, RouteRow, VrfRow } from './rows.js'

export function vrfRows(model: OverlayModel, endpoints: readonly EndpointView[]): VrfRow[] {
  return model.vrfs().map(({ name, rd, import: imported, export: exported, routes, vni, routerMac }) => ({
    name,
    rd: String(rd),
    import: imported.map(String),
    export: exported.map(String),
    endpoints: endpoints.filter(({ vrf }) => vrf === name).length,
    routes,
    vni: vni ?? null,
    routerMac: routerMac === undefined ? null : String(routerMac),
  }))
}

/** Routes by VRF and prefix, the best of each first. */
export function routeRows(model: OverlayModel): RouteRow[] {
  const rows = [...model.routes()].map((route) => ({ route, family: route.prefix.family }))
  return rows
    .toSorted(
      (a, b) =>
        compare(a.route.vrf, b.route.vrf) ||
        a.family - b.family ||
        a.route.prefix.compare(b.route.prefix) ||
        Number(b.route.best) - Number(a.route.best),
    )
    .map(({ route }) => ({
      vrf: route.vrf,
      prefix: String(route.prefix),
      rd: String(route.rd),
      routeTargets: route.routeTargets.map(String),
      label: route.label,
      nextHop: route.nextHop === undefined ? null : String(route.nextHop),
      encapsulation: route.encapsulation ?? null,
      peer: route.source,
      best: route.best,
      installed: route.installed,
      stale: route.stale ?? false,
    }))
}

/** An endpoint as `show('endpoints')` has it. */
export function endpointRow({
  vrf,
  netns,
  ifname,
  addresses,
  link = 'ip',
  mac,
  rateLimits = {},
  label,
  mtu,
  state,
  error,
}: EndpointView): EndpointRow {
  const texts = { addresses: addresses.map(String), mac: mac === undefined ? null : String(mac), error: error ?? null }
  const limits = { egress: rateLimits.egress ?? null, ingress: rateLimits.ingress ?? null }
  return { vrf, netns, ifname, link, rateLimits: limits, label, mtu, state, ...texts }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
