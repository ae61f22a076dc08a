import { IpAddress, ValueError } from '@heddle/wire'
import type { ExtendedCommunity } from './extended.js'

/*
 * Joint labels: who is reached by a next hop passes over a label stack entry that senders of MPLS over UDP put on top, so that segments of a TCP stream are
 * joined before they are looked at (docs/adr/0025). The type is transitive, of those set aside for experiments (RFC 7153, RFC 9184), so that reflectors which
 * know nothing of it pass it on (RFC 4360 §6). It names the next hop that it is true of: a router that puts itself in as next hop, and leaves the community
 * as it is, promises nothing.
 *
 *     +-------------+-----------------+--------------+
 *     | type (1)    | sub-type (1)    | next hop (6) |
 *     |        0x8a |            0x4a |              |
 *     +-------------+-----------------+--------------+
 *
 * An IPv4 next hop stands behind two octets of 0. For one of IPv6 stands the FNV-1a hash of 64 bits over the 16 octets of its address: its low 48 bits by
 * exclusive or with its high 16, and the first bit is set, so that none is an IPv4 next hop's. Two addresses of one network plan have one value with a
 * probability of 1 in 2^47.
 *
 *     2001:db8::1     hash 0xf97161b7a3be1c14   octets e1 b7 a3 be e5 65
 *     2001:db8:0:1::1 hash 0x66070e5a0f232967   octets 8e 5a 0f 23 4f 60
 */

/** What is told of a next hop: it passes over joint labels. Any six octets are one; whether it is true of a path is what `readsJointLabels` tells. */
export interface JointLabelsCommunity {
  readonly kind: 'joint-labels'
  /** Six octets for the next hop that it is true of. */
  readonly nextHop: Uint8Array
}

const JOINT_LABELS = 0x8a4a
const NEXT_HOP_SIZE = 6
const FNV_OFFSET_BASIS: readonly [high: number, low: number] = [0xcbf2_9ce4, 0x8422_2325]
/** The prime is 2^40 more. */
const FNV_PRIME_LOW = 0x1b3
const TEXT = /^0x[0-9a-f]{12}$/i

/** The community that tells of `nextHop`; an IPv4-mapped address is the IPv4 one. */
export function jointLabelsCommunity(nextHop: IpAddress): JointLabelsCommunity {
  return { kind: 'joint-labels', nextHop: octetsOf(nextHop) }
}

/** Whether one of `communities` is true of `nextHop`. */
export function readsJointLabels(communities: readonly ExtendedCommunity[] | undefined, nextHop: IpAddress): boolean {
  let octets: Uint8Array | undefined
  const isTrue = (community: ExtendedCommunity): boolean => {
    if (community.kind !== 'joint-labels') return false
    const own = (octets ??= octetsOf(nextHop))
    return community.nextHop.every((octet, at) => octet === own[at])
  }
  return communities?.some(isTrue) ?? false
}

function octetsOf(nextHop: IpAddress): Uint8Array {
  const address = nextHop.unmapped()
  const out = new Uint8Array(NEXT_HOP_SIZE)
  const view = new DataView(out.buffer)
  const [head, low] = address.family === 4 ? [0, address.w0] : folded(address.toBytes())
  view.setUint16(0, head)
  view.setUint32(2, low)
  return out
}

/** 48 bits of the FNV-1a hash of 64 bits, of which the first one is set; by words of 32 bits, since bigints take five times as long, and this is for each path. */
function folded(octets: Uint8Array): readonly [head: number, low: number] {
  let [high, low] = FNV_OFFSET_BASIS
  for (const octet of octets) {
    // times 2^40 + 0x1b3, the prime; what is added stays below 2^53
    const product = ((low ^ octet) >>> 0) * FNV_PRIME_LOW
    high = (high * FNV_PRIME_LOW + Math.floor(product / 2 ** 32) + (((low ^ octet) << 8) >>> 0)) >>> 0
    low = product >>> 0
  }
  return [(high & 0xffff) | 0x8000, (low ^ (high >>> 16)) >>> 0]
}

/** The community of the two words, or `undefined` where they are of another type. */
export function jointLabelsFromWords(high: number, low: number): JointLabelsCommunity | undefined {
  if (high >>> 16 !== JOINT_LABELS) return undefined
  const nextHop = new Uint8Array(NEXT_HOP_SIZE)
  const view = new DataView(nextHop.buffer)
  view.setUint16(0, high & 0xffff)
  view.setUint32(2, low)
  return { kind: 'joint-labels', nextHop }
}

/** The two words of a community. @throws ValueError `bgp.joint-labels.next-hop` unless there are six octets */
export function jointLabelsWords({ nextHop }: JointLabelsCommunity): readonly [number, number] {
  if (nextHop.length !== NEXT_HOP_SIZE) throw new ValueError('bgp.joint-labels.next-hop', `${nextHop.length} octets`, '6 octets')
  const view = new DataView(nextHop.buffer, nextHop.byteOffset, NEXT_HOP_SIZE)
  return [JOINT_LABELS * 0x1_0000 + view.getUint16(0), view.getUint32(2)]
}

/** `192.0.2.1`; `0x` and twelve hexadecimal digits where the first two octets are not 0. */
export function formatJointLabels(community: JointLabelsCommunity): string {
  const [high, low] = jointLabelsWords(community)
  const head = high & 0xffff
  return head === 0 ? String(IpAddress.v4(low)) : `0x${head.toString(16).padStart(4, '0')}${low.toString(16).padStart(8, '0')}`
}

/** Reads what `formatJointLabels` writes, and a next hop of IPv6. @throws ValueError */
export function parseJointLabels(text: string): JointLabelsCommunity {
  const community = TEXT.test(text)
    ? jointLabelsFromWords(JOINT_LABELS * 0x1_0000 + Number(text.slice(0, 6)), Number(`0x${text.slice(6)}`))
    : undefined
  if (community !== undefined) return community
  const address = IpAddress.tryParse(text)
  if (address === undefined) throw new ValueError('bgp.joint-labels.next-hop', text, 'an IP address, or 0x and 12 hexadecimal digits')
  return jointLabelsCommunity(address)
}
