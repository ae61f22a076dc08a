import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import {
  IPV4_FLOWSPEC,
  IPV4_SR_POLICY,
  IPV6_FLOWSPEC,
  VPNV4_FLOWSPEC,
  VPNV6_FLOWSPEC,
  type FlowspecNlri,
  type LocalRoute,
} from '../../src/index.js'

const RD = RouteDistinguisher.parse('65000:1')
const nextHop = IpAddress.parse('192.0.2.71')
const target = { kind: 'route-target', target: RouteTarget.parse('65000:7') } as const
const rule = (prefix: string, rd?: RouteDistinguisher): FlowspecNlri => ({
  kind: 'flowspec',
  ...(rd === undefined ? {} : { rd }),
  components: [
    { type: 'destination-prefix', prefix: IpPrefix.parse(prefix) },
    { type: 'protocol', matches: [{ and: false, operator: '==', value: 17 }] },
    {
      type: 'destination-port',
      matches: [
        { and: false, operator: '>=', value: 1024 },
        { and: true, operator: '<=', value: 2047 },
      ],
    },
  ],
})
/** FRR adds a MED of 0 to what has none. */
const med = 10
const limited = {
  med,
  extendedCommunities: [{ kind: 'traffic-rate-bytes', as: 65000, bytesPerSecond: 125_000 } as const],
}

/** A route of each family that others know beside unicast, VPNs and EVPN. */
export const MORE_ROUTES: readonly LocalRoute[] = [
  { family: IPV4_FLOWSPEC, nlri: rule('203.0.113.0/24'), attributes: limited },
  { family: IPV6_FLOWSPEC, nlri: rule('2001:db8:1::/48'), attributes: limited },
  { family: VPNV4_FLOWSPEC, nlri: rule('203.0.113.0/24', RD), attributes: { med, extendedCommunities: [target] } },
  { family: VPNV6_FLOWSPEC, nlri: rule('2001:db8:1::/48', RD), attributes: { med, extendedCommunities: [target] } },
  {
    family: IPV4_SR_POLICY,
    nlri: { kind: 'sr-policy', distinguisher: 1, color: 100, endpoint: IpAddress.parse('192.0.2.99') },
    nextHop,
    attributes: {
      med,
      extendedCommunities: [target],
      tunnelEncapsulation: [{ type: 15, subTlvs: [{ kind: 'preference', flags: 0, preference: 200 }] }],
    },
  },
]
