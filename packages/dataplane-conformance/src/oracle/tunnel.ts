import type { NextHopAction } from '@heddle/core'
import type { MacAddress } from '@heddle/wire'
import { onesComplementSum, type Ip } from './ip.js'

export type Tunnel = Extract<NextHopAction, { readonly type: 'tunnel' }>

/** Octets that the tunnel adds, outer IP header included. */
export function overheadOf({ encapsulation, remote, labels }: Tunnel): number {
  const ip = remote.family === 4 ? 20 : 40
  const header = { 'mpls-udp': ip + 8, 'mpls-gre': ip + 4, mpls: 0, vxlan: ip + 8 + 8 + 14, 'mpls-udp-joint': ip + 8 + 4 }[encapsulation]
  return header + labels.length * 4
}

/** `payload` behind the tunnel's labels, a joint one if it has one, and for GRE its header. */
export function labelsBefore(
  payload: Uint8Array,
  { encapsulation, labels }: Tunnel,
  values: { readonly bottomTtl: number; readonly ttl: number; readonly trafficClass: number; readonly isBottom: boolean },
): Uint8Array {
  const entries = labels.flatMap((label, index) => {
    const isDeepest = index === labels.length - 1
    const bottomBit = isDeepest && values.isBottom ? 1 : 0
    const ttl = isDeepest ? values.bottomTtl : values.ttl
    return [label >> 12, (label >> 4) & 255, (label & 15) * 16 + values.trafficClass * 2 + bottomBit, ttl]
  })
  const stack = [...entries, ...payload]
  const before = encapsulation === 'mpls-gre' ? [0, 0, 0x88, 0x47] : encapsulation === 'mpls-udp-joint' ? jointLabelFor(stack) : []
  return Uint8Array.from([...before, ...stack])
}

/** The entry of a joint label, but for its TTL. */
const JOINT = [12, 0, 0]

/** A joint label, which tells by its TTL what is behind the only label, if there is only one. */
function jointLabelFor(stack: readonly number[]): readonly number[] {
  const isOne = stack.length > 4 && stack[2] % 2 === 1
  return [...JOINT, isOne && stack[4] >> 4 === 4 ? 1 : isOne && stack[4] >> 4 === 6 ? 2 : 0]
}

/** A stack in MPLS over UDP without the joint label that may be on top, which says nothing to who receives it. */
export function behindJointLabel(stack: Uint8Array): Uint8Array {
  const isJoint = stack.length >= 4 && JOINT.every((octet, index) => stack[index] === octet) && stack[3] <= 2
  return isJoint ? stack.slice(4) : stack
}

/** The packet behind a VXLAN header and an Ethernet header between the routers. */
export function vxlanBefore(ip: Ip, { vni = 0, routerMac, local }: Tunnel, ownMac: MacAddress | undefined): Uint8Array {
  const own = ownMac?.toBytes() ?? [2, 0, ...local.toBytes().subarray(0, 4)]
  const vxlan = [8, 0, 0, 0, vni >> 16, (vni >> 8) & 255, vni & 255, 0]
  const etherType = ip.family === 4 ? [0x08, 0x00] : [0x86, 0xdd]
  return Uint8Array.from([...vxlan, ...(routerMac?.toBytes() ?? own), ...own, ...etherType, ...ip.bytes])
}

/** What stands behind a GRE header that announces MPLS, or undefined when it is none that is accepted. */
export function readGre(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 4 || bytes[2] !== 0x88 || bytes[3] !== 0x47) return undefined
  const [hasChecksum, hasKey, hasSequence] = [0x80, 0x20, 0x10].map((bit) => (bytes[0] & bit) !== 0)
  // Routing, bits 4 and 5, and the version must be zero; the other reserved bits are not looked at (RFC 2784 §2.3).
  if ((bytes[0] & 0x4c) !== 0 || (bytes[1] & 7) !== 0) return undefined
  const length = 4 + [hasChecksum, hasKey, hasSequence].filter(Boolean).length * 4
  if (bytes.length < length) return undefined
  if (hasChecksum && onesComplementSum(bytes) !== 0xffff) return undefined
  return bytes.slice(length)
}
