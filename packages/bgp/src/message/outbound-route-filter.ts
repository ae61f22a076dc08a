import { IpAddress, IpPrefix, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AFI } from '../iana.js'

/** Filters that the sender wants applied to routes before they are sent to it (RFC 5291 §4). */
export interface OutboundRouteFilters {
  /** Whether the routes are wanted again at once, or with the next request. */
  readonly when: 'immediate' | 'defer'
  readonly filters: readonly OutboundRouteFilter[]
}

/** Entries of one type (RFC 5291 §4); those of an unknown type are kept as octets. */
export type OutboundRouteFilter =
  | { readonly kind: 'address-prefix'; readonly entries: readonly AddressPrefixFilter[] }
  | { readonly kind: 'unknown'; readonly type: number; readonly entries: Uint8Array }

/** An entry of an address prefix filter (RFC 5292 §3). */
export type AddressPrefixFilter =
  | { readonly action: 'remove-all' }
  | {
      readonly action: 'add' | 'remove'
      readonly match: 'permit' | 'deny'
      /** Entries are compared in this order. */
      readonly sequence: number
      /** Shortest and longest prefix that matches; 0 where that is not said. */
      readonly minLength: number
      readonly maxLength: number
      readonly prefix: IpPrefix
    }

const WHEN = { immediate: 1, defer: 2 } as const
/** IANA ORF type (RFC 5292 §3). */
const ADDRESS_PREFIX = 64
const ACTION = { add: 0, remove: 1, removeAll: 2 } as const
const DENY = 0x20

/**
 * When to refresh, then filters (RFC 5291 §4).
 *
 *     +----------+----------+------------+----------------------------------------------------------------------+
 *     | when (1) | type (1) | length (2) | entries: action (2 bits), match (1 bit), reserved (5), and for 64:   |
 *     |          |          |            | sequence (4), min length (1), max length (1), length (1), prefix     |
 *     +----------+----------+------------+----------------------------------------------------------------------+
 *
 * @throws WireError `bgp.route-refresh.orf`, `wire.truncated`
 */
export function decodeOutboundRouteFilters(input: ByteReader, afi: number): OutboundRouteFilters {
  const octet = input.u8()
  const when = octet === WHEN.immediate ? 'immediate' : octet === WHEN.defer ? 'defer' : input.fail('bgp.route-refresh.orf', 'RFC 5291 §4')
  const filters: OutboundRouteFilter[] = []
  while (input.remaining > 0) {
    const type = input.u8()
    const entries = input.sub(input.u16(), `orf-${type}`)
    if (type !== ADDRESS_PREFIX || (afi !== AFI.ipv4 && afi !== AFI.ipv6))
      filters.push({ kind: 'unknown', type, entries: entries.rest().slice() })
    else {
      const list: AddressPrefixFilter[] = []
      while (entries.remaining > 0) list.push(decodeAddressPrefix(entries, afi))
      filters.push({ kind: 'address-prefix', entries: list })
    }
  }
  return { when, filters }
}

function decodeAddressPrefix(input: ByteReader, afi: number): AddressPrefixFilter {
  const head = input.u8()
  const action = head >>> 6
  if (action === ACTION.removeAll) return { action: 'remove-all' }
  if (action > ACTION.removeAll) input.fail('bgp.route-refresh.orf', 'RFC 5291 §4')
  const [sequence, minLength, maxLength, length] = [input.u32(), input.u8(), input.u8(), input.u8()]
  const size = afi === AFI.ipv6 ? 16 : 4
  if (length > size * 8) input.fail('bgp.route-refresh.orf', 'RFC 5292 §3')
  const bytes = new Uint8Array(size)
  bytes.set(input.octets((length + 7) >>> 3))
  const prefix = IpPrefix.of(IpAddress.fromBytes(bytes), length)
  const match = (head & DENY) === 0 ? 'permit' : 'deny'
  return { action: action === ACTION.add ? 'add' : 'remove', match, sequence, minLength, maxLength, prefix }
}

/** Writes filters. @throws ValueError `bgp.route-refresh.orf` when a prefix is not of the family */
export function encodeOutboundRouteFilters({ when, filters }: OutboundRouteFilters, out: ByteWriter, afi: number): void {
  out.u8(WHEN[when])
  for (const filter of filters) {
    out.u8(filter.kind === 'unknown' ? filter.type : ADDRESS_PREFIX)
    const close = out.reserveU16()
    if (filter.kind === 'unknown') out.octets(filter.entries)
    else for (const entry of filter.entries) encodeAddressPrefix(entry, out, afi)
    close()
  }
}

function encodeAddressPrefix(entry: AddressPrefixFilter, out: ByteWriter, afi: number): void {
  if (entry.action === 'remove-all') return void out.u8(ACTION.removeAll << 6)
  const { action, match, sequence, minLength, maxLength, prefix } = entry
  if ((prefix.family === 6) !== (afi === AFI.ipv6))
    throw new ValueError('bgp.route-refresh.orf', prefix.toString(), `a prefix of AFI ${afi}`)
  out
    .u8((ACTION[action] << 6) | (match === 'deny' ? DENY : 0))
    .u32(sequence)
    .u8(minLength)
    .u8(maxLength)
    .u8(prefix.length)
  out.octets(prefix.address.toBytes().subarray(0, (prefix.length + 7) >>> 3))
}
