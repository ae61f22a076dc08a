import type { PathAttributes } from '../attribute/path-attributes.js'
import type { BgpRole } from '../capability/capability.js'
import { AFI, SAFI } from '../iana.js'
import type { Family } from '../nlri/family.js'

/** The role that the peer must have for each of ours (RFC 9234 §4.2). */
const COUNTERPART: Readonly<Record<BgpRole, BgpRole>> = {
  provider: 'customer',
  customer: 'provider',
  'route-server': 'route-server-client',
  'route-server-client': 'route-server',
  peer: 'peer',
}

/** Whether two roles go together (RFC 9234 §4.2). */
export function rolesMatch(ours: BgpRole, theirs: BgpRole): boolean {
  return COUNTERPART[ours] === theirs
}

/** OTC is for IPv4 and IPv6 unicast (RFC 9234 §5). */
function hasOtc({ afi, safi }: Family): boolean {
  return safi === SAFI.unicast && (afi === AFI.ipv4 || afi === AFI.ipv6)
}

/** Whether what a peer sent is a route leak (RFC 9234 §5, ingress 1 and 2). @param ours our role towards the peer */
export function leaksFrom(ours: BgpRole, { otc }: PathAttributes, family: Family, peerAs: number): boolean {
  if (!hasOtc(family) || otc === undefined) return false
  const theirs = COUNTERPART[ours]
  if (theirs === 'customer' || theirs === 'route-server-client') return true
  return theirs === 'peer' && otc !== peerAs
}

/** The mark that what comes from above or beside gets (ingress 3). */
export function otcFrom(ours: BgpRole, attributes: PathAttributes, family: Family, peerAs: number): PathAttributes {
  const theirs = COUNTERPART[ours]
  const marks = theirs === 'provider' || theirs === 'peer' || theirs === 'route-server'
  return marks && hasOtc(family) && attributes.otc === undefined ? { ...attributes, otc: peerAs } : attributes
}

/** Whether sending a path to the peer would be a leak (egress 2). */
export function leaksTo(ours: BgpRole, { otc }: PathAttributes, family: Family): boolean {
  const theirs = COUNTERPART[ours]
  return hasOtc(family) && otc !== undefined && (theirs === 'provider' || theirs === 'peer' || theirs === 'route-server')
}

/** The mark that what goes down or beside gets (egress 1). */
export function otcTo(ours: BgpRole, attributes: PathAttributes, family: Family, localAs: number): PathAttributes {
  const theirs = COUNTERPART[ours]
  const marks = theirs === 'customer' || theirs === 'peer' || theirs === 'route-server-client'
  return marks && hasOtc(family) && attributes.otc === undefined ? { ...attributes, otc: localAs } : attributes
}
