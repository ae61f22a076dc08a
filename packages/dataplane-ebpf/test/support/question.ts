import type { IpAddress } from '@heddle/wire'

/** Octets of a frame before the question, which is written over with the answer. */
const ETHERNET = 14

/** A frame that asks the program of `bpf/lookup.bpf.c` for the group of an address. */
export function question(vrf: number, { family, w0, w1, w2, w3 }: IpAddress): Uint8Array {
  const frame = new Uint8Array(64)
  const view = new DataView(frame.buffer, ETHERNET)
  for (const [word, value] of [vrf, family, w0, w1, w2, w3].entries()) view.setUint32(word * 4, value)
  return frame
}

/** The group in the frame that it gave back, `NO_MATCH` without one. */
export function answerIn({ buffer, byteOffset }: Uint8Array): number {
  return new DataView(buffer, byteOffset).getInt32(ETHERNET)
}
