import type { MirrorDirection } from '@heddle/core'
import type { Output } from '../harness.js'

/** A frame that came to a collector by ERSPAN type II (draft-foschiano-erspan-03). */
export interface ErspanCopy {
  readonly collector: string
  /** Of the outer IP header, where the harness shows it. */
  readonly ttl?: number
  readonly session: number
  readonly sequence: number
  readonly port: number
  readonly direction: MirrorDirection
  readonly isCut: boolean
  readonly packet: Uint8Array
}

/** Octets before the packet: GRE with a sequence number, ERSPAN, Ethernet. */
const HEADERS = 8 + 8 + 14

/** Reads such a frame; undefined for any other output, and for one whose headers do not hold together. */
export function readErspan(output: Output): ErspanCopy | undefined {
  if (output.type !== 'sent' || output.encapsulation !== 'mpls-gre') return undefined
  const { packet: bytes, destination, ttl } = output
  if (bytes.length < HEADERS || number(bytes, 0, 4) !== 0x1000_88be) return undefined
  const [word, index] = [number(bytes, 8, 4), number(bytes, 12, 4)]
  const direction = index % 2 === 1 ? 'ingress' : 'egress'
  const port = Math.floor(index / 2)
  const ends = [port + 0x02ff * 2 ** 32, port + 0x0200 * 2 ** 32]
  const [to, from] = direction === 'egress' ? ends : ends.toReversed()
  const packet = bytes.slice(HEADERS)
  const etherType = packet[0] >> 4 === 6 ? 0x86dd : 0x0800
  const isFrame = number(bytes, 16, 6) === to && number(bytes, 22, 6) === from && number(bytes, 28, 2) === etherType
  if (!isFrame || word >>> 28 !== 1 || (word & 0x0fff_f800) !== 0) return undefined
  return {
    collector: String(destination),
    ...(ttl !== undefined && { ttl }),
    session: word & 0x3ff,
    sequence: number(bytes, 4, 4),
    port,
    direction,
    isCut: (word & 0x400) !== 0,
    packet,
  }
}

function number(bytes: Uint8Array, at: number, octets: number): number {
  return bytes.subarray(at, at + octets).reduce((sum, octet) => sum * 256 + octet, 0)
}
