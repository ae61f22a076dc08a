import { isBottom, LABEL_STACK_ENTRY_SIZE, labelStackWordAt } from './label-stack.js'

/*
 * The joint label: an entry that a sender of MPLS over UDP puts on top of the stack, so that the receiver's kernel joins TCP segments before anyone looks
 * at them. The two words at the head of the stack are then also a header of VXLAN-GPE, in whose payload GRO finds segments of one flow:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |             Label 49152               |  0  |0|   what is in  |   joint entry
 *     |R|R|0 0|I|P|B|O|              Reserved         | next protocol |   VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe §3.1)
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |             VPN label                 | TC  |S|      TTL      |   the entry behind it
 *     |             VXLAN Network Identifier          |    Reserved   |   VXLAN-GPE
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * It stands there between ends that agreed on it. To anyone else 49152 is a label like any other, whose TTL has run out.
 */

/** Label of the entry: flags I and P of VXLAN-GPE, where they are read as such. */
export const JOINT_LABEL = 0xc000

/** The entry, as a word, where the next entry is the bottom of the stack and IPv4 is behind it. */
export const JOINT_LABEL_IPV4 = 0x0c00_0001
/** The same with IPv6. */
export const JOINT_LABEL_IPV6 = 0x0c00_0002
/** The entry, as a word, of all else: there are more labels, or what is behind them is no IP packet. Nothing is joined then. */
export const JOINT_LABEL_OTHER = 0x0c00_0000

/** Whether the first entry of a stack, as a word, is a joint entry. */
export function isJointLabelWord(word: number): boolean {
  return word >= JOINT_LABEL_OTHER && word <= JOINT_LABEL_IPV6
}

/** Whether the stack at `at` begins with a joint entry. @param end offset behind what was received */
export function beginsWithJointLabel(bytes: Uint8Array, at: number, end: number): boolean {
  return at + LABEL_STACK_ENTRY_SIZE <= end && isJointLabelWord(labelStackWordAt(bytes, at))
}

/** The joint entry, as a word, that goes before the stack at `stack`. @param end offset behind the packet */
export function jointLabelWordFor(bytes: Uint8Array, stack: number, end: number): number {
  const payload = stack + LABEL_STACK_ENTRY_SIZE
  if (payload >= end || !isBottom(labelStackWordAt(bytes, stack))) return JOINT_LABEL_OTHER
  const version = bytes[payload] >>> 4
  return version === 4 ? JOINT_LABEL_IPV4 : version === 6 ? JOINT_LABEL_IPV6 : JOINT_LABEL_OTHER
}
