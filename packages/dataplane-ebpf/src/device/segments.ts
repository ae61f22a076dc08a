import type { Link, LinkSetup } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'

/** What IP can say of a packet's length, and links allow unless somebody says otherwise (`GSO_LEGACY_MAX_SIZE` of Linux). */
const SAID_IN_HEADERS = 65_536

/**
 * Octets of the largest segment that the uplink lets pass in one piece; a larger one the kernel cuts by itself, at the price of each packet. It is the
 * administrator's word, as the MTU is: nothing here can see whether what lies behind the link takes more (docs/adr/0024).
 *
 * @param addresses of the router: what counts is the family that tunnels begin with
 */
export function largestSegment({ gsoMaxSize = SAID_IN_HEADERS, gsoIpv4MaxSize }: Link, addresses: readonly IpAddress[]): number {
  // Before Linux 6.3 no sender makes more of IPv4 than its header can say.
  const ipv4 = gsoIpv4MaxSize ?? Math.min(gsoMaxSize, SAID_IN_HEADERS)
  return Math.min(...addresses.map(({ family }) => (family === 4 ? ipv4 : gsoMaxSize)))
}

/**
 * What a link of an endpoint shall be, so that segments of that many octets come from it and go to it. The kernel leaves more room in them than headers of
 * tunnels take. Of IPv6 none is longer than its header can say: Linux gives such a one an extension header that it cannot take out again from behind a tunnel's.
 */
export function segmentSetup(largest: number): LinkSetup {
  return { gsoMaxSize: Math.min(largest, SAID_IN_HEADERS), gsoIpv4MaxSize: largest }
}
