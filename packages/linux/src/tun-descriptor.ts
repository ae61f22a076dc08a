/**
 * Words of a packet's descriptor in a batch of a `TunDevice`: packet `n` has words `n * words` to `n * words + words - 1`.
 *
 * With `offload`, what the kernel has not cut yet stays one: a train, packets of one flow that differ in nothing but what counts up. Its first
 * packet's headers stand for all, with the length of all; payload lies in pieces of `size` octets, `stride` octets apart.
 */
export const TUN_DESCRIPTOR = Object.freeze({
  /** Words of a descriptor. */
  words: 8,
  /** Octets from the start of the buffer to the packet. */
  offset: 0,
  /** Octets of the packet, or frame; of a train, of its headers and all of its payload. */
  length: 1,
  /** Octets of a train's headers, IP and transport; 0 for a single packet. */
  headers: 2,
  /** After writing: 0, or the error number of this packet. */
  status: 3,
  /** Octets of payload in each packet of a train but the last, which may be shorter. */
  size: 4,
  /** Octets from one piece of a train's payload to the next, at least `size`. */
  stride: 5,
})
