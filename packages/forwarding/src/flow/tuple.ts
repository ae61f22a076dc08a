import {
  ICMPV4_ECHO_REPLY,
  ICMPV4_ECHO_REQUEST,
  ICMPV6_ECHO_REPLY,
  ICMPV6_ECHO_REQUEST,
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_ICMP,
  IP_PROTOCOL_ICMPV6,
  IP_PROTOCOL_TCP,
  IP_PROTOCOL_UDP,
  Ipv6Chain,
  icmpv4IsError,
  icmpv6IsError,
  ipv4FragmentOffset,
  ipv4HeaderLength,
  ipv4Identification,
  ipv4IsFragment,
  ipv4Protocol,
  tcpFlags,
  walkIpv6Extensions,
} from '@heddle/wire'

export const IP_PROTOCOL_SCTP = 132

/** A first fragment of TCP must reach behind the flags, and none may begin there (RFC 1858 §3.2, RFC 3128). */
const TINY_TCP = 16

/** What a packet is to flows. */
export const enum TupleKind {
  /** Belongs to a flow: TCP, UDP, SCTP with ports, or an ICMP echo with its identifier. */
  flow,
  /** Has no flow of its own: other ICMP, or another protocol, whose flow is its addresses. */
  other,
  /** An ICMP error, which is about the flow of the packet that it quotes. */
  error,
  /** A fragment other than the first: only addresses and identification tell what it belongs to. */
  laterFragment,
  /** Its headers are not all there, or are cut so that they cannot be judged. */
  broken,
}

/** The flow that a packet belongs to, as read from its headers. One object a purpose, overwritten by each packet. */
export class Tuple {
  kind: TupleKind = TupleKind.broken
  family: 4 | 6 = 4
  protocol = 0
  readonly source = new Uint32Array(4)
  readonly destination = new Uint32Array(4)
  /** Of ICMP echo: the identifier on both sides. */
  sourcePort = 0
  destinationPort = 0
  /** ICMP type and code; −1 for anything else. */
  icmpType = -1
  icmpCode = -1
  /** TCP flags; 0 for anything else. */
  flags = 0
  /** Offset of the transport header. */
  transport = 0
  isFragment = false
  /** Identification of the datagram that the fragment is a part of. */
  identification = 0
  /** What its fragments say that the datagram carries: behind IPv6 extension headers another protocol than `protocol`. */
  carries = 0

  /** Reads the IP packet between `at` and `end`, whose IP header has been checked. */
  read(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    if (bytes[at] >>> 4 === 4) this.#readV4(bytes, view, at, end)
    else this.#readV6(bytes, view, at, end)
  }

  #readV4(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    this.family = 4
    this.source[0] = view.getUint32(at + 12)
    this.destination[0] = view.getUint32(at + 16)
    this.source[1] = this.source[2] = this.source[3] = 0
    this.destination[1] = this.destination[2] = this.destination[3] = 0
    this.protocol = this.carries = ipv4Protocol(bytes, at)
    this.isFragment = ipv4IsFragment(bytes, at)
    this.identification = ipv4Identification(bytes, at)
    this.#readTransport(bytes, view, at + ipv4HeaderLength(bytes, at), end, ipv4FragmentOffset(bytes, at))
  }

  #readV6(bytes: Uint8Array, view: DataView, at: number, end: number): void {
    this.family = 6
    for (let word = 0; word < 4; word++) {
      this.source[word] = view.getUint32(at + 8 + word * 4)
      this.destination[word] = view.getUint32(at + 24 + word * 4)
    }
    const isWalked = walkIpv6Extensions(bytes, at, end, chain) === 'ok'
    this.protocol = chain.protocol
    this.isFragment = chain.isFragment
    this.identification = chain.identification
    this.carries = chain.fragmented
    if (isWalked) this.#readTransport(bytes, view, chain.offset, end, chain.fragmentOffset)
    else this.#plain(TupleKind.broken, chain.offset)
  }

  #readTransport(bytes: Uint8Array, view: DataView, at: number, end: number, fragmentOffset: number): void {
    const { protocol } = this
    if (fragmentOffset > 0) {
      const mayRewriteFlags = protocol === IP_PROTOCOL_TCP && fragmentOffset < TINY_TCP
      return this.#plain(mayRewriteFlags ? TupleKind.broken : TupleKind.laterFragment, at)
    }
    if (protocol === IP_PROTOCOL_TCP || protocol === IP_PROTOCOL_UDP || protocol === IP_PROTOCOL_SCTP) {
      const least = protocol === IP_PROTOCOL_TCP ? TINY_TCP : 8
      if (at + least > end) return this.#plain(TupleKind.broken, at)
      this.#plain(TupleKind.flow, at)
      this.sourcePort = view.getUint16(at)
      this.destinationPort = view.getUint16(at + 2)
      if (protocol === IP_PROTOCOL_TCP) this.flags = tcpFlags(bytes, at)
      return
    }
    const isIcmp = protocol === (this.family === 4 ? IP_PROTOCOL_ICMP : IP_PROTOCOL_ICMPV6)
    if (!isIcmp) return this.#plain(TupleKind.other, at)
    if (at + 8 > end) return this.#plain(TupleKind.broken, at)
    this.#plain(TupleKind.other, at)
    this.icmpType = bytes[at]
    this.icmpCode = bytes[at + 1]
    if (isEcho(this.family, this.icmpType)) {
      this.kind = TupleKind.flow
      this.sourcePort = this.destinationPort = view.getUint16(at + 4)
    } else if (this.family === 4 ? icmpv4IsError(this.icmpType) : icmpv6IsError(this.icmpType)) this.kind = TupleKind.error
  }

  #plain(kind: TupleKind, transport: number): void {
    this.kind = kind
    this.transport = transport
    this.sourcePort = this.destinationPort = this.flags = 0
    this.icmpType = this.icmpCode = -1
  }
}

const chain = new Ipv6Chain()

/** Octets that the quoted packet needs before its flow can be told: an IP header and the 8 octets behind it (RFC 792). */
function leastQuote(family: 4 | 6): number {
  return (family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE) + 8
}

/**
 * Reads the flow of the packet that an ICMP error quotes. The quoted packet went the other way, and may be cut off; its lengths are not believed. An error
 * that goes to anybody but the source of what it quotes is about no flow: it would carry what its sender likes to whomever it likes.
 *
 * @param error the tuple of the error itself
 * @returns whether there is a flow
 */
export function readQuoted(error: Tuple, quoted: Tuple, bytes: Uint8Array, view: DataView, end: number): boolean {
  const at = error.transport + 8
  if (at + leastQuote(error.family) > end || bytes[at] >>> 4 !== error.family) return false
  if (error.family === 4 && (ipv4HeaderLength(bytes, at) < IPV4_HEADER_SIZE || at + ipv4HeaderLength(bytes, at) + 8 > end)) return false
  quoted.read(bytes, view, at, end)
  // Of a quoted TCP header only the first 8 octets are sure to be there.
  if (
    quoted.kind === TupleKind.broken &&
    quoted.protocol === IP_PROTOCOL_TCP &&
    quoted.transport + 8 <= end &&
    !isLater(quoted, bytes, at)
  ) {
    quoted.kind = TupleKind.flow
    quoted.sourcePort = view.getUint16(quoted.transport)
    quoted.destinationPort = view.getUint16(quoted.transport + 2)
  }
  return quoted.kind === TupleKind.flow && isSame(quoted.source, error.destination)
}

/** Whether two addresses are the same. */
export function isSame(a: Uint32Array, b: Uint32Array): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3]
}

function isLater({ family }: Tuple, bytes: Uint8Array, at: number): boolean {
  return family === 4 ? ipv4FragmentOffset(bytes, at) > 0 : chain.fragmentOffset > 0
}

function isEcho(family: 4 | 6, type: number): boolean {
  if (family === 4) return type === ICMPV4_ECHO_REQUEST || type === ICMPV4_ECHO_REPLY
  return type === ICMPV6_ECHO_REQUEST || type === ICMPV6_ECHO_REPLY
}

/** Makes a flow's source its destination, and the other way round. */
export function turn(tuple: Tuple): void {
  const { source, destination } = tuple
  for (let word = 0; word < 4; word++) {
    const swap = source[word]
    source[word] = destination[word]
    destination[word] = swap
  }
  const port = tuple.sourcePort
  tuple.sourcePort = tuple.destinationPort
  tuple.destinationPort = port
}
