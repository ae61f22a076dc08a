import { IpAddress, RouteDistinguisher, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AFI, SAFI } from '../iana.js'
import type { Family } from '../nlri/family.js'
import type { NextHop } from './next-hop.js'

/** How the next hop field of a family looks: bare addresses, addresses behind an RD, nothing, or unknown. */
export type NextHopForm = 'plain' | 'vpn' | 'none' | 'raw'

/** The form that RFC 4760 and the family's own RFC give the next hop of `family`. */
export function nextHopForm({ afi, safi }: Family): NextHopForm {
  const ip = afi === AFI.ipv4 || afi === AFI.ipv6
  switch (safi) {
    case SAFI.unicast:
    case SAFI.multicast:
    case SAFI.labeledUnicast:
    case SAFI.rtc:
    case SAFI.mcastVpn:
    case SAFI.mup:
    case SAFI.srPolicy:
      return ip ? 'plain' : 'raw'
    case SAFI.bgpLs:
      return afi === AFI.bgpLs ? 'plain' : 'raw'
    case SAFI.bgpLsVpn: // RFC 9552 §5.5
      return afi === AFI.bgpLs ? 'vpn' : 'raw'
    case SAFI.vpn:
    case SAFI.vpnMulticast:
      return ip ? 'vpn' : 'raw'
    case SAFI.evpn:
    case SAFI.vpls:
      return afi === AFI.l2vpn ? 'plain' : 'raw'
    case SAFI.flowspec:
    case SAFI.flowspecVpn:
      return 'none'
    default:
      return 'raw'
  }
}

/**
 * Takes a next hop field apart: 4 or 16 octets, 32 with a link-local address beside (RFC 2545 §3, RFC 8950 §3); each behind an RD of 8 octets
 * for VPN families (RFC 4364 §4.3.2, RFC 4659 §3.2.1). Four octets behind an RD of VPNv6, which some write, read as `::ffff:a.b.c.d`.
 *
 * @returns `undefined` for a family without next hop
 * @throws WireError `bgp.next-hop.length`
 */
export function decodeNextHop(input: ByteReader, family: Family): NextHop | undefined {
  const form = nextHopForm(family)
  const vpn = form === 'vpn'
  const size = input.remaining
  if (form === 'none' && size === 0) return undefined
  const rdSize = vpn ? 8 : 0
  const one = size === rdSize + 4 || size === rdSize + 16
  const two = size === 2 * (rdSize + 16)
  // Some send the pair of a VPN family with a single RD in front (RFC 4659 has it before each).
  const sharedRd = vpn && size === 8 + 32
  if ((!one && !two && !sharedRd) || (size === 4 && isIpv6(family) && !vpn)) {
    input.fail('bgp.next-hop.length', 'RFC 7606 §7.11')
  }
  const rd = vpn ? RouteDistinguisher.fromWords(input.u32(), input.u32()) : undefined
  const given = IpAddress.fromBytes(input.octets(one ? size - rdSize : 16))
  const address = isIpv6(family) ? given.toV4Mapped() : given
  if (two && vpn) input.skip(8)
  const linkLocal = one ? undefined : IpAddress.fromBytes(input.octets(16))
  return {
    address,
    ...(linkLocal === undefined ? {} : { linkLocal }),
    ...(rd === undefined || (rd.high | rd.low) === 0 ? {} : { rd }),
  }
}

/**
 * Writes a next hop field. An IPv4 address of an IPv6 family goes out as `::ffff:a.b.c.d` (RFC 4659 §3.2.1.2, RFC 4798 §2).
 *
 * @throws ValueError `bgp.next-hop.family` when a link-local address stands beside IPv4
 */
export function encodeNextHop(nextHop: NextHop, out: ByteWriter, family: Family): void {
  const { address, linkLocal, rd } = nextHop
  const vpn = nextHopForm(family) === 'vpn'
  if (linkLocal !== undefined && (linkLocal.family !== 6 || address.family !== 6)) {
    throw new ValueError('bgp.next-hop.family', linkLocal.toString(), 'a link-local IPv6 address beside a global one')
  }
  if (vpn) out.u32(rd?.high ?? 0).u32(rd?.low ?? 0)
  out.octets((isIpv6(family) ? address.toV4Mapped() : address).toBytes())
  if (linkLocal === undefined) return
  if (vpn) out.u32(0).u32(0)
  out.octets(linkLocal.toBytes())
}

/** Families whose next hop may be of either IP version, whatever the AFI (RFC 4684 §4, RFC 6515 §2, RFC 9830 §2.1, draft-ietf-bess-mup-safi §3.3). */
const MIXED: ReadonlySet<number> = new Set([SAFI.rtc, SAFI.mcastVpn, SAFI.mup, SAFI.srPolicy])

/** Whether next hops of the family are IPv6 addresses, mapped ones included. */
function isIpv6({ afi, safi }: Family): boolean {
  return afi === AFI.ipv6 && !MIXED.has(safi)
}

/** Whether next hops of the family may be of either IP version without being negotiated. */
export function hasMixedNextHops({ safi }: Family): boolean {
  return MIXED.has(safi)
}
