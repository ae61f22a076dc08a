import type { ByteReader } from '@heddle/wire'

/**
 * VXLAN header (RFC 7348 §5).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |R|R|R|R|I|R|R|R|                  Reserved                     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                VXLAN Network Identifier       |   Reserved    |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface VxlanHeader {
  /** 0–16,777,215. */
  readonly vni: number
}

/** Octets of the header. */
export const VXLAN_HEADER_SIZE = 8
/** UDP destination port (RFC 7348 §5). */
export const VXLAN_PORT = 4789

const VNI_VALID = 0x08

/** Writes `header` at `offset`; returns the offset behind it. */
export function encodeVxlanHeader({ vni }: VxlanHeader, out: DataView, offset: number): number {
  out.setUint32(offset, VNI_VALID << 24)
  out.setUint32(offset + 4, vni << 8)
  return offset + VXLAN_HEADER_SIZE
}

/** Reserved fields are ignored. @throws WireError `wire.truncated`, `mpls.vxlan.flags` when the VNI is not marked valid */
export function decodeVxlanHeader(input: ByteReader): VxlanHeader {
  if ((input.u8() & VNI_VALID) === 0) input.fail('mpls.vxlan.flags', 'RFC 7348 §5')
  input.skip(3)
  const vni = input.u24()
  input.skip(1)
  return { vni }
}

/* The hot path: `at` is the offset of the header. */

/** Whether the VNI counts. */
export function vxlanIsValid(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] & VNI_VALID) !== 0
}

/** 0–16,777,215. */
export function vxlanVni(bytes: Uint8Array, at: number): number {
  return (bytes[at + 4] << 16) | (bytes[at + 5] << 8) | bytes[at + 6]
}
