import { IpAddress, ValueError } from '@heddle/wire'
import type { ExtendedCommunity } from './extended.js'

/*
 * Joint labels: who is reached by a next hop passes over a label stack entry that senders of MPLS over UDP put on top, so that segments of a TCP stream are
 * joined before they are looked at (docs/adr/0023). The type is transitive, of those set aside for experiments (RFC 7153 §2.1), so that reflectors which
 * know nothing of it pass it on (RFC 4360 §6). It names the next hop that it is true of: a router that puts itself in as next hop, and leaves the community
 * as it is, promises nothing.
 *
 *     +-------------+-----------------+--------------+
 *     | type (1)    | sub-type (1)    | next hop (6) |
 *     |        0x8a |            0x4a |              |
 *     +-------------+-----------------+--------------+
 *
 * An IPv4 next hop stands behind two octets of 0. Of one of IPv6 octet i is the exclusive or of all octets j of the address with j mod 6 = i.
 */

/** What is told of a next hop: it passes over joint labels. Any six octets are one; whether it is true of a path is what `readsJointLabels` tells. */
export interface JointLabelsCommunity {
  readonly kind: 'joint-labels'
  /** Six octets for the next hop that it is true of. */
  readonly nextHop: Uint8Array
}

const JOINT_LABELS = 0x8a4a
const NEXT_HOP_SIZE = 6
const TEXT = /^0x[0-9a-f]{12}$/i

/** The community that tells of `nextHop`; an IPv4-mapped address is the IPv4 one. */
export function jointLabelsCommunity(nextHop: IpAddress): JointLabelsCommunity {
  return { kind: 'joint-labels', nextHop: octetsOf(nextHop) }
}

/** Whether one of `communities` is true of `nextHop`. */
export function readsJointLabels(communities: readonly ExtendedCommunity[] | undefined, nextHop: IpAddress): boolean {
  const told = (communities ?? []).filter((community) => community.kind === 'joint-labels')
  if (told.length === 0) return false
  const octets = octetsOf(nextHop)
  return told.some((community) => community.nextHop.every((octet, at) => octet === octets[at]))
}

function octetsOf(nextHop: IpAddress): Uint8Array {
  const address = nextHop.unmapped()
  const out = new Uint8Array(NEXT_HOP_SIZE)
  const start = address.family === 4 ? NEXT_HOP_SIZE - 4 : 0
  for (const [at, octet] of address.toBytes().entries()) out[(start + at) % NEXT_HOP_SIZE] ^= octet
  return out
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
