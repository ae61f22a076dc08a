import { TCP_FIN, TCP_RST, TCP_SYN, type IpAddress } from '@heddle/wire'
import { readBmpHeader } from '../bmp/codec.js'
import { BmpStation, type BmpItem } from '../bmp/station.js'
import type { CodecFault } from '../codec-fault.js'
import { HEADER_SIZE } from '../iana.js'
import { readHeader } from '../message/header.js'
import type { DecodeResult } from '../message/result.js'
import type { BgpError } from '../validate/bgp-error.js'
import { CaptureStream } from './capture-stream.js'
import { ipPacketOf } from './link-layer.js'
import type { CaptureResult } from './packet.js'
import { PduReader } from './pdu-reader.js'
import { SessionOptions } from './session-options.js'
import { tcpSegmentOf, type TcpSegment } from './tcp-segment.js'
import { TcpStream } from './tcp-stream.js'

/** One end of a captured connection. */
export interface CapturedEnd {
  readonly address: IpAddress
  readonly port: number
}

/** Where and when something of a session was captured. */
export interface CapturedAt {
  /** Microseconds since 1970, of the packet that completed it. */
  readonly time: number
  readonly source: CapturedEnd
  readonly destination: CapturedEnd
}

/** What a capture has of BGP and BMP, in the order in which it was complete. */
export type CapturedItem =
  | (CapturedAt & { readonly kind: 'bgp'; readonly pdu: Uint8Array; readonly result: DecodeResult })
  | (CapturedAt & { readonly kind: 'bmp'; readonly item: BmpItem })
  /** Octets of a session that are no message, or are missing. */
  | (CapturedAt & { readonly kind: 'fault'; readonly error: BgpError | CodecFault })
  /** The file itself is malformed. */
  | { readonly kind: 'file-fault'; readonly error: CodecFault }

const BGP_PORT = 179
const MARKER = new Uint8Array(16).fill(0xff)
/** Connections that are remembered; of more, the one that was silent the longest is taken to be over. */
const MOST_CONNECTIONS = 4096

/**
 * BGP and BMP out of a capture in pieces. Each direction of each connection is put in order as its receiver would have it, and read as the OPENs of
 * the session say, where they were captured. BGP is what goes over port 179, and what begins with its marker; BMP is what begins with its header.
 * Nothing but values comes out, for any octets; memory is bounded by the connections that are open at one time.
 */
export class BgpCapture {
  readonly #file = new CaptureStream()
  readonly #connections = new Map<string, Connection>()

  /** Takes octets of the file; returns what they complete. */
  push(chunk: Uint8Array): CapturedItem[] {
    const out: CapturedItem[] = []
    for (const result of this.#file.push(chunk)) this.#packet(result, out)
    return out
  }

  /** The end of the file: what is held back for octets that did not come, and what is cut off. */
  end(): CapturedItem[] {
    const out: CapturedItem[] = []
    for (const connection of this.#connections.values()) connection.end(out)
    this.#connections.clear()
    const last = this.#file.end()
    if (last !== undefined) this.#packet(last, out)
    return out
  }

  #packet(result: CaptureResult, out: CapturedItem[]): void {
    if (!result.ok) {
      out.push({ kind: 'file-fault', error: result.error })
      return
    }
    const { linkType, bytes, time } = result.packet
    const packet = ipPacketOf(linkType, bytes)
    const segment = packet === undefined ? undefined : tcpSegmentOf(packet)
    if (segment !== undefined) this.#segment(segment, time, out)
  }

  #segment(segment: TcpSegment, time: number, out: CapturedItem[]): void {
    const [source, destination] = [`${segment.source} ${segment.sourcePort}`, `${segment.destination} ${segment.destinationPort}`]
    const key = source < destination ? `${source} ${destination}` : `${destination} ${source}`
    let connection = this.#connections.get(key)
    if (connection?.isAnother(segment) === true) {
      connection.end(out)
      connection = undefined
    }
    connection ??= new Connection(segment)
    this.#connections.delete(key)
    connection.segment(segment, time, out)
    if ((segment.flags & TCP_RST) !== 0) connection.end(out)
    else this.#connections.set(key, connection)
    if (this.#connections.size <= MOST_CONNECTIONS) return
    const [oldest] = this.#connections
    oldest[1].end(out)
    this.#connections.delete(oldest[0])
  }
}

interface Direction {
  readonly stream: TcpStream
  readonly at: Omit<CapturedAt, 'time'>
  initial: number | undefined
  reader: PduReader | BmpStation | 'other' | undefined
  time: number
}

class Connection {
  readonly #options = new SessionOptions()
  readonly #directions: readonly [Direction, Direction]
  readonly #isBgp: boolean

  constructor({ source, sourcePort, destination, destinationPort }: TcpSegment) {
    const [first, second] = [
      { address: source, port: sourcePort },
      { address: destination, port: destinationPort },
    ]
    this.#isBgp = sourcePort === BGP_PORT || destinationPort === BGP_PORT
    this.#directions = [direction(first, second), direction(second, first)]
  }

  /** Whether a segment begins a connection in the place of this one. */
  isAnother(segment: TcpSegment): boolean {
    if ((segment.flags & TCP_SYN) === 0) return false
    const { initial, time } = this.#directions[this.#senderOf(segment)]
    return initial === undefined ? time > 0 : initial !== segment.sequence
  }

  segment(segment: TcpSegment, time: number, out: CapturedItem[]): void {
    const sender = this.#senderOf(segment)
    const own = this.#directions[sender]
    own.time = time
    const synchronize = (segment.flags & TCP_SYN) !== 0
    if (synchronize) own.initial = segment.sequence
    own.stream.segment(segment.sequence, segment.payload, synchronize, this.#output(sender, out))
    if ((segment.flags & TCP_FIN) !== 0 && own.stream.waiting === 0) this.#finish(sender, out)
  }

  end(out: CapturedItem[]): void {
    for (const sender of [0, 1] as const) {
      this.#directions[sender].stream.end(this.#output(sender, out))
      this.#finish(sender, out)
    }
  }

  #senderOf({ source, sourcePort }: TcpSegment): 0 | 1 {
    const { address, port } = this.#directions[0].at.source
    return port === sourcePort && address.equals(source) ? 0 : 1
  }

  #output(sender: 0 | 1, out: CapturedItem[]): Parameters<TcpStream['end']>[0] {
    const own = this.#directions[sender]
    return {
      octets: (bytes) => this.#octets(sender, bytes, out),
      gap: (octets) => {
        if (own.reader === 'other') return
        if (own.reader instanceof PduReader) for (const item of own.reader.gap()) out.push(this.#itemOf(sender, item))
        // nobody can tell where the next message of BMP begins
        if (own.reader instanceof BmpStation) own.reader = 'other'
        if (own.reader !== undefined)
          out.push(this.#fault(sender, { code: 'bgp.stream.gap', offset: octets, path: 'stream', rfc: 'RFC 9293 §3.10.7.4' }))
      },
    }
  }

  #octets(sender: 0 | 1, bytes: Uint8Array, out: CapturedItem[]): void {
    const own = this.#directions[sender]
    const reader = (own.reader ??= this.#readerFor(own, bytes))
    if (reader === 'other') return
    if (reader instanceof PduReader) {
      for (const item of reader.push(bytes)) out.push(this.#itemOf(sender, item))
      return
    }
    for (const item of reader.push(bytes)) {
      out.push('error' in item ? this.#fault(sender, item.error) : { kind: 'bmp', ...own.at, time: own.time, item })
    }
  }

  #readerFor({ initial }: Direction, bytes: Uint8Array): NonNullable<Direction['reader']> {
    const isMessage = bytes.length >= HEADER_SIZE && readHeader(bytes)?.ok === true
    const hasMarker = bytes.length >= MARKER.length && MARKER.every((octet, at) => bytes[at] === octet)
    if (this.#isBgp || isMessage) return new PduReader(initial !== undefined || hasMarker)
    return readBmpHeader(bytes)?.ok === true ? new BmpStation() : 'other'
  }

  #finish(sender: 0 | 1, out: CapturedItem[]): void {
    const { reader } = this.#directions[sender]
    if (reader instanceof PduReader) for (const item of reader.end()) out.push(this.#itemOf(sender, item))
    if (reader instanceof BmpStation && reader.pending > 0) {
      out.push(this.#fault(sender, { code: 'bmp.truncated', offset: reader.pending, path: 'stream', rfc: 'RFC 7854 §4.1' }))
      this.#directions[sender].reader = 'other'
    }
  }

  #itemOf(sender: 0 | 1, item: ReturnType<PduReader['push']>[number]): CapturedItem {
    if ('error' in item) return this.#fault(sender, item.error)
    const { at, time } = this.#directions[sender]
    return { kind: 'bgp', ...at, time, pdu: item.pdu, result: this.#options.read(sender, item.pdu) }
  }

  #fault(sender: 0 | 1, error: BgpError | CodecFault): CapturedItem {
    const { at, time } = this.#directions[sender]
    return { kind: 'fault', ...at, time, error }
  }
}

function direction(source: CapturedEnd, destination: CapturedEnd): Direction {
  return { stream: new TcpStream(), at: { source, destination }, initial: undefined, reader: undefined, time: 0 }
}
