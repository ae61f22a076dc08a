import { IpAddress } from '@heddle/wire'

/**
 * Words of a message's descriptor in a batch of a `UdpBatchSocket` or `RawSocket`: message `n` has words `n * words` to `n * words + words - 1`.
 *
 * Addresses are numbers, most significant word first: IPv4 in the first of four words, IPv6 in all.
 */
export const DATAGRAM_DESCRIPTOR = Object.freeze({
  /** Words of a descriptor. */
  words: 20,
  /** Octets from the start of the buffer to the payload. */
  offset: 0,
  /** Octets of payload. */
  length: 1,
  /** Octets of each datagram when the payload is several of them back to back (the last may be shorter); 0 when it is one. */
  segment: 2,
  /** 0, or the error number of this message. After receiving, 90 (EMSGSIZE) for one that was cut off by its slot. */
  status: 3,
  /** Address of the other end, four words; all zero when sending on a connected socket means the connected end. */
  remote: 4,
  /** Port of the other end, 0–65,535; 0 for raw protocols. */
  port: 8,
  /** TOS or traffic class octet (DSCP and ECN), 0–255. Received only with `receiveTos`. */
  tos: 9,
  /** TTL or hop limit, 0–255. When sending, 0 means the socket's. Received only with `receiveTtl`. */
  ttl: 10,
  /** Our address, four words. When sending, zero lets the kernel choose. Received only with `receiveLocal`. */
  local: 11,
  /** Index of the link. When sending, 0 lets the kernel choose. Received only with `receiveLocal`. */
  link: 15,
  /** Octets from the payload's start to the IP packet within. Received by `receivePackets`; needed to send a train. */
  inner: 16,
  /** Octets of the headers of a train within, see `TUN_DESCRIPTOR`; 0 when the payload is no train. */
  headers: 17,
  /** Octets of inner payload in each packet of the train but the last. */
  size: 18,
  /** Octets from one piece of the train's payload to the next. */
  stride: 19,
})

/** Messages that one system call carries; batches that are larger take several. */
export const DATAGRAM_BATCH = 64

/**
 * Writes an address into four words, as in `remote` and `local`.
 *
 * @param at index of the first word
 */
export function writeAddressWords(words: Uint32Array, at: number, address: IpAddress): void {
  words[at] = address.w0
  words[at + 1] = address.w1
  words[at + 2] = address.w2
  words[at + 3] = address.w3
}

/** Reads an address from four words, as in `remote` and `local`. */
export function readAddressWords(words: Uint32Array, at: number, family: 4 | 6): IpAddress {
  const [w0, w1, w2, w3] = words.subarray(at, at + 4) as unknown as [number, number, number, number]
  return family === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)
}
