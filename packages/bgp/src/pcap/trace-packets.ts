import {
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_TCP,
  TCP_ACK,
  TCP_HEADER_SIZE,
  TCP_PSH,
  TCP_SYN,
  encodeIpv4Header,
  encodeIpv6Header,
  encodeTcpHeader,
  internetChecksum,
  pseudoHeaderSum,
  type IpAddress,
} from '@heddle/wire'
import { MESSAGE_TYPE } from '../iana.js'

/** Where a session is between. */
export interface TraceEnds {
  readonly local: IpAddress
  /** Of the same IP version. */
  readonly remote: IpAddress
}

const BGP_PORT = 179
const FIRST_PORT = 49_152
/** Octets of a message in one segment: what an IP packet holds beside its headers, and a message may be longer. */
const SEGMENT = 32_768

/**
 * Messages of one session as the TCP packets that could have carried them, so that a dissector reads them: connection set-up, sequence numbers and
 * checksums are those of a connection without loss. An OPEN that follows other messages of its direction begins a connection of its own.
 */
export class TracePackets {
  #port = FIRST_PORT - 1
  #next = { sent: 0, received: 0 }
  #seen = { sent: false, received: false }
  #open = false

  constructor(private readonly ends: TraceEnds) {}

  /** The packets of a message: IPv4 or IPv6, header first. */
  packetsOf(direction: 'sent' | 'received', message: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = []
    const restarts = message[18] === MESSAGE_TYPE.open && this.#seen[direction]
    if (!this.#open || restarts) out.push(...this.#connect())
    this.#seen[direction] = true
    for (let at = 0; at < message.length; at += SEGMENT) {
      const piece = message.subarray(at, at + SEGMENT)
      out.push(this.#segment(direction, TCP_ACK | TCP_PSH, piece))
      this.#next[direction] = (this.#next[direction] + piece.length) >>> 0
    }
    return out
  }

  /** The handshake of a new connection, which the local end opens. */
  #connect(): Uint8Array[] {
    this.#open = true
    this.#port = this.#port === 0xffff ? FIRST_PORT : this.#port + 1
    this.#next = { sent: 0, received: 0 }
    this.#seen = { sent: false, received: false }
    const syn = this.#segment('sent', TCP_SYN)
    this.#next.sent = 1
    const reply = this.#segment('received', TCP_SYN | TCP_ACK)
    this.#next.received = 1
    return [syn, reply, this.#segment('sent', TCP_ACK)]
  }

  #segment(direction: 'sent' | 'received', flags: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
    const { local, remote } = this.ends
    const sent = direction === 'sent'
    const [source, destination] = sent ? [local, remote] : [remote, local]
    const [sourcePort, destinationPort] = sent ? [this.#port, BGP_PORT] : [BGP_PORT, this.#port]
    const head = source.family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE
    const length = TCP_HEADER_SIZE + payload.length
    const bytes = new Uint8Array(head + length)
    const view = new DataView(bytes.buffer)
    writeIp(view, source, destination, length)
    encodeTcpHeader(
      {
        sourcePort,
        destinationPort,
        sequence: this.#next[direction],
        acknowledgment: (flags & TCP_ACK) === 0 ? 0 : this.#next[sent ? 'received' : 'sent'],
        flags,
        window: 0xffff,
        checksum: 0,
        urgentPointer: 0,
        options: new Uint8Array(),
      },
      view,
      head,
    )
    bytes.set(payload, head + TCP_HEADER_SIZE)
    view.setUint16(head + 16, internetChecksum(bytes, head, length, pseudoHeaderSum(source, destination, IP_PROTOCOL_TCP, length)))
    return bytes
  }
}

function writeIp(view: DataView, source: IpAddress, destination: IpAddress, length: number): void {
  const ends = { source, destination, dscp: 48, ecn: 0 } // class selector 6, as routers send BGP (RFC 4594 §3.1)
  if (source.family === 6) {
    encodeIpv6Header({ ...ends, flowLabel: 0, payloadLength: length, nextHeader: IP_PROTOCOL_TCP, hopLimit: 64 }, view, 0)
    return
  }
  const rest = { identification: 0, dontFragment: true, moreFragments: false, fragmentOffset: 0, options: new Uint8Array() }
  encodeIpv4Header({ ...ends, ...rest, totalLength: IPV4_HEADER_SIZE + length, ttl: 64, protocol: IP_PROTOCOL_TCP }, view, 0)
}
