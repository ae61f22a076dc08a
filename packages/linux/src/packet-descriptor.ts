/** Words of a packet's descriptor in a batch of a `PacketSocket`: packet `n` has words `n * words` to `n * words + words - 1`. */
export const PACKET_DESCRIPTOR = Object.freeze({
  /** Words of a descriptor. */
  words: 8,
  /** Octets from the start of the buffer to the payload behind the link-layer header. */
  offset: 0,
  /** Octets of payload. */
  length: 1,
  /** EtherType, e.g. 0x8847 for MPLS. */
  etherType: 2,
  /** 0, or the error number of this packet. After receiving, 90 (EMSGSIZE) for one that was cut off by its slot. */
  status: 3,
  /** First two octets of the other end's MAC address, as a number. */
  macHigh: 4,
  /** Last four octets of the other end's MAC address, as a number. */
  macLow: 5,
  /** Index of the link. When sending, 0 means the socket's. */
  link: 6,
  /** After receiving: 0 to this host, 1 broadcast, 2 multicast, 3 to another host, 4 sent by this host. */
  kind: 7,
})
