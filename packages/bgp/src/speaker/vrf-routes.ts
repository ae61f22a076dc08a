import type { RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type { AttributeSet } from '../attribute/attribute-set.js'
import type { PathAttributes } from '../attribute/path-attributes.js'
import { IPV4_UNICAST, IPV6_UNICAST, VPNV4_UNICAST, VPNV6_UNICAST, type Family } from '../nlri/family.js'

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

/** A VPN route's attributes in the VRF that imports it: without what only means something between PEs (RFC 4364 §4.3). */
export function importedSet({ attributes, nextHop }: AttributeSet): AttributeSet {
  const { extendedCommunities = [], tunnelEncapsulation: _tunnel, prefixSid: _sid, ...rest } = attributes
  const kept = extendedCommunities.filter(({ kind }) => kind !== 'route-target' && kind !== 'encapsulation')
  return {
    attributes: kept.length === 0 ? rest : { ...rest, extendedCommunities: kept },
    ...(nextHop === undefined ? {} : { nextHop: { address: nextHop.address } }),
  }
}

/** A VRF route's attributes as VPN route: with the VRF's route targets, and none that a customer has chosen; the next hop is ours. */
export function exportedSet({ attributes }: AttributeSet, targets: readonly RouteTarget[]): AttributeSet {
  const { extendedCommunities = [], nextHop: _hop, ...rest } = attributes
  const kept = extendedCommunities.filter(({ kind }) => kind !== 'route-target')
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
