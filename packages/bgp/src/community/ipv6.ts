import { IpAddress, type ByteReader, type ByteWriter } from '@heddle/wire'

/** An IPv6 address specific extended community (RFC 5701 §2). What no kind models stays `unknown`, so that any 20 octets survive. */
export type Ipv6ExtendedCommunity =
  | {
      /** `redirect` is the FlowSpec action of RFC 8956 §6.1. */
      readonly kind: 'route-target' | 'site-of-origin' | 'vrf-route-import' | 'redirect'
      readonly address: IpAddress
      /** 0–65,535. */
      readonly assigned: number
    }
  | { readonly kind: 'unknown'; readonly bytes: Uint8Array }

/** Octets of one. */
export const IPV6_EXTENDED_COMMUNITY_SIZE = 20

type Known = Exclude<Ipv6ExtendedCommunity, { kind: 'unknown' }>['kind']

/** Type and sub-type (IANA transitive IPv6 address specific types). */
const KINDS: ReadonlyMap<number, Known> = new Map<number, Known>([
  [0x0002, 'route-target'],
  [0x0003, 'site-of-origin'],
  [0x000b, 'vrf-route-import'],
  [0x000d, 'redirect'],
])
const TYPE_OF = new Map([...KINDS].map(([type, kind]) => [kind, type]))

/**
 *     +----------+--------------+-----------------------------------+--------------+
 *     | type (1) | sub-type (1) | global administrator: IPv6 (16)   | assigned (2) |
 *     +----------+--------------+-----------------------------------+--------------+
 */
export function decodeIpv6ExtendedCommunity(input: ByteReader): Ipv6ExtendedCommunity {
  const bytes = input.octets(IPV6_EXTENDED_COMMUNITY_SIZE)
  const kind = KINDS.get((bytes[0] << 8) | bytes[1])
  if (kind === undefined) return { kind: 'unknown', bytes: bytes.slice() }
  return { kind, address: IpAddress.fromBytes(bytes.subarray(2, 18)), assigned: (bytes[18] << 8) | bytes[19] }
}

/** Writes twenty octets. */
export function encodeIpv6ExtendedCommunity(community: Ipv6ExtendedCommunity, out: ByteWriter): void {
  if (community.kind === 'unknown') out.octets(community.bytes)
  else
    out
      .u16(TYPE_OF.get(community.kind) ?? 0)
      .octets(community.address.toBytes())
      .u16(community.assigned)
}
