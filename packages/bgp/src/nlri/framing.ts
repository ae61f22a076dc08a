import type { ByteReader } from '@heddle/wire'
import { AFI, SAFI } from '../iana.js'
import type { Family } from './family.js'
import { isVisitable } from './visit.js'

/** Octets of the entry at the reader's position, head included, and without its path identifier. */
type Framing = (input: ByteReader) => number

/** FlowSpec (RFC 8955 §4.1): a length of one octet, or of two whose first begins with 0xf. No rule is empty. */
const flowspec: Framing = (input) => {
  const first = input.peekU8()
  const head = first < 0xf0 ? 1 : 2
  const [, second = 0] = input.bytes.subarray(input.position, input.position + head)
  const length = head === 1 ? first : ((first & 0x0f) << 8) | second
  return length === 0 ? input.fail('bgp.nlri.length', 'RFC 8955 §4.1') : head + length
}

/** A head of `before` octets, then a length of `size` octets that counts what is behind it. */
function counted(before: number, size: 1 | 2): Framing {
  return (input) => {
    const head = input.bytes.subarray(input.position, input.position + before + size)
    if (head.length < before + size) input.fail('bgp.nlri.truncated', 'RFC 7606 §5.3')
    const last = head[before + size - 1]
    return before + size + (size === 1 ? last : (head[before] << 8) | last)
  }
}

/** SR policy (RFC 9830 §2.1): a length in bits. */
const srPolicy: Framing = (input) => 1 + ((input.peekU8() + 7) >>> 3)

const BY_SAFI: ReadonlyMap<number, Framing> = new Map([
  [SAFI.flowspec, flowspec],
  [SAFI.flowspecVpn, flowspec],
  [SAFI.vpls, counted(0, 2)], // RFC 4761 §3.2.2
  [SAFI.mcastVpn, counted(1, 1)], // RFC 6514 §4
  [SAFI.mup, counted(3, 1)], // draft-ietf-bess-mup-safi §3.1
  [SAFI.bgpLs, counted(2, 2)], // RFC 9552 §5.2
  [SAFI.bgpLsVpn, counted(2, 2)],
  [SAFI.srPolicy, srPolicy],
])

const AFIS: ReadonlyMap<number, readonly number[]> = new Map<number, readonly number[]>([
  [SAFI.vpls, [AFI.l2vpn]],
  [SAFI.bgpLs, [AFI.bgpLs]],
  [SAFI.bgpLsVpn, [AFI.bgpLs]],
  [SAFI.flowspec, [AFI.ipv4, AFI.ipv6]],
  [SAFI.flowspecVpn, [AFI.ipv4, AFI.ipv6, AFI.l2vpn]],
])

/** How entries of a family that is not taken apart are told from each other; `undefined` when nobody here knows. */
export function framingOf({ afi, safi }: Family): Framing | undefined {
  return (AFIS.get(safi) ?? [AFI.ipv4, AFI.ipv6]).includes(afi) ? BY_SAFI.get(safi) : undefined
}

/**
 * Octets of the entry at the reader's position, head included and without path identifier; `undefined` for a family whose entries nobody here
 * can tell from each other.
 *
 * @throws WireError `wire.truncated`, `bgp.nlri.*` when the container ends within the head
 */
export function entrySize(family: Family, input: ByteReader): number | undefined {
  if (isVisitable(family)) return 1 + ((input.peekU8() + 7) >>> 3)
  if (family.afi === AFI.l2vpn && family.safi === SAFI.evpn) return counted(1, 1)(input)
  return framingOf(family)?.(input)
}
