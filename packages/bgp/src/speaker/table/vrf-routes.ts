import type { IpAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { AttrSet } from '../../attribute/attr-set.js'
import type { AttributeSet } from '../../attribute/attribute-set.js'
import type { PathAttributes } from '../../attribute/path-attributes.js'
import { WELL_KNOWN_COMMUNITY } from '../../iana.js'
import { prepended } from '../../policy/as-path-rules.js'
import { withCommunity } from '../../policy/export-rules.js'
import { IPV4_UNICAST, IPV6_UNICAST, VPNV4_UNICAST, VPNV6_UNICAST, type Family } from '../../nlri/family.js'

/** Families of a VRF, each with the one in which its routes travel between PEs. */
const PAIRS: readonly (readonly [unicast: Family, vpn: Family])[] = [
  [IPV4_UNICAST, VPNV4_UNICAST],
  [IPV6_UNICAST, VPNV6_UNICAST],
]

/** The family of a VRF into which VPN routes of a family are imported. */
export function unicastOf({ key }: Family): Family | undefined {
  return PAIRS.find(([, vpn]) => vpn.key === key)?.[0]
}

/** The family in which a VRF's routes of a family go to other PEs. */
export function vpnOf({ key }: Family): Family | undefined {
  return PAIRS.find(([unicast]) => unicast.key === key)?.[1]
}

/**
 * A VPN route's attributes in the VRF that imports it: without what only means something between PEs (RFC 4364 §4.3), and those that it has among customers
 * where it brought them along.
 *
 * @param as that of the VRF
 */
export function importedSet({ attributes, nextHop }: AttributeSet, as: number): AttributeSet {
  const { attrSet } = attributes
  return {
    attributes: attrSet === undefined ? withoutProvider(attributes) : asStaleAs(attributes, unpacked(attrSet, as)),
    ...(nextHop === undefined ? {} : { nextHop: { address: nextHop.address } }),
  }
}

/** Whether a route is stale for long, which makes it the last choice wherever it goes (RFC 9494 §4.3). */
export function isLongStale({ attributes: { communities = [] } }: AttributeSet): boolean {
  return communities.includes(WELL_KNOWN_COMMUNITY.llgrStale)
}

/** What is packed or unpacked is as stale as what it was packed into or unpacked from (RFC 9494 §4.7.2). */
function asStaleAs(from: PathAttributes, to: PathAttributes): PathAttributes {
  return isLongStale({ attributes: from }) ? withCommunity(to, WELL_KNOWN_COMMUNITY.llgrStale) : to
}

function withoutProvider(attributes: PathAttributes): PathAttributes {
  const { extendedCommunities = [], tunnelEncapsulation: _tunnel, prefixSid: _sid, ...rest } = attributes
  const kept = extendedCommunities.filter(({ kind }) => kind !== 'route-target' && kind !== 'encapsulation' && kind !== 'joint-labels')
  return kept.length === 0 ? rest : { ...rest, extendedCommunities: kept }
}

/** As they were in the AS that they are of (RFC 6368 §5); in another one, as if that had sent them (§7). */
function unpacked({ originAs, attributes: { nextHop: _hop, ...attributes } }: AttrSet, as: number): PathAttributes {
  if (originAs === as) return attributes
  const { localPref: _pref, originatorId: _id, clusterList: _list, asPath = [], ...rest } = attributes
  return { ...rest, asPath: prepended(asPath, originAs) }
}

/** A customer in the VRF's own AS. */
export interface InternalCustomer {
  readonly as: number
  readonly routerId: IpAddress
}

/** The attributes of an internal customer's route as VPN route: in a set of their own, unseen on the way (RFC 6368 §5). */
export function packedSet(
  { attributes: { nextHop: _hop, ...attributes } }: AttributeSet,
  targets: readonly RouteTarget[],
  { as, routerId }: InternalCustomer,
): AttributeSet {
  const { origin = 'igp', originatorId = routerId } = attributes
  const extendedCommunities = targets.map((target) => ({ kind: 'route-target', target }) as const)
  const attrSet = { originAs: as, attributes: { ...attributes, originatorId } }
  const outside = { origin, asPath: [], ...(extendedCommunities.length === 0 ? {} : { extendedCommunities }), attrSet }
  return { attributes: asStaleAs(attributes, outside) }
}

/**
 * A VRF route's attributes as VPN route: with the VRF's route targets, and none that a customer has chosen; the next hop is ours, and it is not for a
 * customer to say what that reads.
 */
export function exportedSet({ attributes }: AttributeSet, targets: readonly RouteTarget[]): AttributeSet {
  const { extendedCommunities = [], nextHop: _hop, ...rest } = attributes
  const kept = extendedCommunities.filter(({ kind }) => kind !== 'route-target' && kind !== 'joint-labels')
  const all = [...kept, ...targets.map((target) => ({ kind: 'route-target', target }) as const)]
  const out: PathAttributes = all.length === 0 ? rest : { ...rest, extendedCommunities: all }
  return { attributes: out }
}

/** Path identifiers of imported routes: one an RD, so that equal prefixes of two RDs stay two paths. Above those that anybody else uses. */
export class ImportIds {
  readonly #ids = new Map<string, number>()

  of(rd: RouteDistinguisher): number {
    const name = rd.toString()
    const known = this.#ids.get(name)
    if (known !== undefined) return known
    const id = FIRST_IMPORT_ID + this.#ids.size
    this.#ids.set(name, id)
    return id
  }
}

/** What local routes of a VRF stay below. */
export const FIRST_IMPORT_ID = 0x8000_0000
