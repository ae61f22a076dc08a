/** Words of a packet's descriptor in a batch of a `TunDevice`: packet `n` has words `n * words` to `n * words + words - 1`. */
export const TUN_DESCRIPTOR = Object.freeze({
  /** Words of a descriptor. */
  words: 4,
  /** Octets from the start of the buffer to the packet. */
  offset: 0,
  /** Octets of the packet. */
  length: 1,
  /**
   * After reading: how many packets, this one included, follow in this batch from one large segment of the sender; 1 for any other. They are of
   * one flow, alike but for their length, so that what was decided for the first holds for the rest. Ignored when writing.
   */
  run: 2,
  /** After writing: 0, or the error number of this packet. */
  status: 3,
})
