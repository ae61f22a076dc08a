import type { Dataplane, FibTransaction } from '@heddle/core'
import { RouteBatch } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { existsSync } from 'node:fs'
import { emptyTransaction, UNDERLAY, type Site } from '../../../dataplane-tun/test/support/two-sites.js'
import type { TwoEbpfSites } from './two-sites.js'

/*
 *   green pod ─ [router b] ══ veth ══ [router a: swaps the label, by XDP] ══ veth ══ [router b] ─ lime pod
 */

/** What XDP on a veth takes: the far end lets its NAPI take frames, and sums what it sends by itself. */
export const hasEthtool = existsSync('/usr/sbin/ethtool')
export const HAIRPIN = { green: '10.3.0.1', lime: '10.4.0.1' } as const
const SWAPPED = 3001
const LIME = 1203
const [SWAPPED_BACK, GREEN] = [3002, 1204]
/** Ids, behind those of `siteTransaction`. */
const [GREEN_ID, LIME_ID] = [2, 3]
const [TUNNEL_ID, BACK_ID] = [10, 11]

/** What a site has for it, besides what `siteTransaction` gives it. */
export function hairpin(site: Site, generation: number): FibTransaction {
  const [local, remote] = [UNDERLAY[site], UNDERLAY[site === 'a' ? 'b' : 'a']].map(([address]) => IpAddress.parse(address))
  const tunnel = {
    id: TUNNEL_ID,
    action: {
      type: 'tunnel',
      encapsulation: 'mpls-udp',
      local,
      remote,
      labels: [site === 'a' ? LIME : SWAPPED],
      ttlModel: 'pipe',
      trafficClassModel: 'pipe',
    },
  } as const
  const nothing = emptyTransaction(generation)
  if (site === 'a') {
    const swap = { label: SWAPPED, action: { type: 'swap', nextHop: TUNNEL_ID }, sources: 0 } as const
    return { ...nothing, nextHops: { set: [tunnel], remove: [] }, labels: { set: [swap], remove: [] } }
  }
  const routes = new RouteBatch()
  routes.push(GREEN_ID, IpPrefix.parse(`${HAIRPIN.lime}/32`), TUNNEL_ID)
  const port = (id: number, address: string) => ({
    id,
    kind: 'endpoint' as const,
    vrf: id,
    allowedSources: [IpPrefix.parse(`${address}/32`)],
    gateways: [],
    mtu: 1400,
  })
  return {
    ...nothing,
    vrfs: { set: [GREEN_ID, LIME_ID].map((id) => ({ id, name: `vrf ${id}` })), remove: [] },
    ports: { set: [port(GREEN_ID, HAIRPIN.green), port(LIME_ID, HAIRPIN.lime)], remove: [] },
    nextHops: { set: [tunnel], remove: [] },
    groups: { set: [{ id: TUNNEL_ID, members: [{ nextHop: TUNNEL_ID, weight: 1 }], seed: 1 }], remove: [] },
    labels: { set: [{ label: LIME, action: { type: 'pop-forward', port: LIME_ID }, sources: 0 }], remove: [] },
    routes,
  }
}

/** The port that gets what comes back. */
export const LIME_PORT = LIME_ID

/** Lets router a send on by XDP, and gives router b the two pods. */
export async function setUpHairpin(sites: TwoEbpfSites, far: Dataplane, generation: number): Promise<void> {
  sites.in(sites.short('site', 'a'), 'sysctl', '-qw', 'net.ipv4.conf.up0.forwarding=1')
  sites.in(sites.short('site', 'b'), ...'ethtool -K up0 gro on tx off'.split(' '))
  const report = await far.apply(hairpin('b', generation))
  if (report.failures.length > 0) throw new TypeError(JSON.stringify(report.failures))
  for (const [port, kind] of [
    [GREEN_ID, 'green'],
    [LIME_ID, 'lime'],
  ] as const) {
    sites.add(sites.short(kind, 'b'))
    const addresses = [IpAddress.parse(HAIRPIN[kind])]
    await far.attachPort(port, { netns: sites.path(sites.short(kind, 'b')), ifname: 'eth0', addresses, mtu: 1400 })
  }
}

/** Frames that XDP has sent on at the uplink of router a. */
export function sentByXdp(sites: TwoEbpfSites): number {
  const said = sites.in(sites.short('site', 'a'), ...'ethtool -S up0'.split(' '))
  return Array.from(said.matchAll(/rx_queue_\d+_xdp_redirect: (\d+)/g), ([, count]) => Number(count)).reduce((sum, count) => sum + count, 0)
}

/** The way back, by another label. Behind `hairpin`. */
export function hairpinBack(site: Site, generation: number): FibTransaction {
  const [local, remote] = [UNDERLAY[site], UNDERLAY[site === 'a' ? 'b' : 'a']].map(([address]) => IpAddress.parse(address))
  const tunnel = {
    id: BACK_ID,
    action: {
      type: 'tunnel',
      encapsulation: 'mpls-udp',
      local,
      remote,
      labels: [site === 'a' ? GREEN : SWAPPED_BACK],
      ttlModel: 'pipe',
      trafficClassModel: 'pipe',
    },
  } as const
  const nothing = { ...emptyTransaction(generation), nextHops: { set: [tunnel], remove: [] } }
  if (site === 'a') {
    return { ...nothing, labels: { set: [{ label: SWAPPED_BACK, action: { type: 'swap', nextHop: BACK_ID }, sources: 0 }], remove: [] } }
  }
  const routes = new RouteBatch()
  routes.push(LIME_ID, IpPrefix.parse(`${HAIRPIN.green}/32`), BACK_ID)
  return {
    ...nothing,
    groups: { set: [{ id: BACK_ID, members: [{ nextHop: BACK_ID, weight: 1 }], seed: 1 }], remove: [] },
    labels: { set: [{ label: GREEN, action: { type: 'pop-forward', port: GREEN_ID }, sources: 0 }], remove: [] },
    routes,
  }
}
