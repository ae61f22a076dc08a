import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { L2VPN_EVPN, jointLabelsCommunity, type EvpnNlri, type LocalRoute } from '../../src/index.js'

const RD = RouteDistinguisher.parse('65000:1')
export const EVPN_HOP = '192.0.2.71'
const ESI = new Uint8Array(10)

/** One route of each kind that others know. */
export const EVPN_ROUTES: readonly EvpnNlri[] = [
  {
    kind: 'evpn',
    route: 'mac-ip',
    rd: RD,
    esi: ESI,
    ethernetTag: 0,
    mac: MacAddress.parse('02:00:00:00:00:01'),
    ip: IpAddress.parse('10.0.0.1'),
    label1: 100 << 4,
  },
  { kind: 'evpn', route: 'mac-ip', rd: RD, esi: ESI, ethernetTag: 0, mac: MacAddress.parse('02:00:00:00:00:02'), label1: 100 << 4 },
  { kind: 'evpn', route: 'inclusive-multicast', rd: RD, ethernetTag: 0, originator: IpAddress.parse(EVPN_HOP) },
  {
    kind: 'evpn',
    route: 'ip-prefix',
    rd: RD,
    esi: ESI,
    ethernetTag: 0,
    prefix: IpPrefix.parse('10.3.0.0/16'),
    gateway: IpAddress.v4(0),
    label: 200 << 4,
  },
  {
    kind: 'evpn',
    route: 'ip-prefix',
    rd: RD,
    esi: ESI,
    ethernetTag: 0,
    prefix: IpPrefix.parse('2001:db8::/64'),
    gateway: IpAddress.v6(0, 0, 0, 0),
    label: 200 << 4,
  },
]
/** A route with what others add or look at: MED, route target, encapsulation, mobility, joint labels, PMSI tunnel. */
export const evpn = (nlri: EvpnNlri): LocalRoute => ({
  family: L2VPN_EVPN,
  nlri,
  nextHop: IpAddress.parse(EVPN_HOP),
  attributes: {
    med: 10, // FRR adds a MED of 0 to what has none
    extendedCommunities: [
      { kind: 'route-target', target: RouteTarget.parse('65000:7') },
      { kind: 'encapsulation', tunnelType: 8 },
      { kind: 'mac-mobility', sticky: false, sequence: 3 },
      jointLabelsCommunity(IpAddress.parse(EVPN_HOP)),
    ],
    ...(nlri.route === 'inclusive-multicast'
      ? { pmsiTunnel: { flags: 0, label: 100 << 4, tunnel: { kind: 'ingress-replication' as const, endpoint: IpAddress.parse(EVPN_HOP) } } }
      : {}),
  },
})
