import { IpAddress } from '@heddle/wire'
import { readIp, type Ip } from './ip.js'

/** What rules and flows look at in a packet. */
export interface Seen {
  readonly kind: 'flow' | 'message' | 'error' | 'later fragment' | 'broken'
  readonly family: 4 | 6
  readonly protocol: number
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly sourcePort?: number
  readonly destinationPort?: number
  readonly type?: number
  readonly code?: number
  /** Names the datagram that a fragment is a part of. */
  readonly datagram?: string
  /** What an error is about: a packet of whom it goes to. */
  readonly quoted?: Seen
}

const EXTENSIONS = [0, 43, 44, 60]

/** Reads a sound IP packet. */
export function see(ip: Ip): Seen {
  const found = upperLayer(ip)
  const common = { family: ip.family, source: ip.source, destination: ip.destination, protocol: found.protocol }
  if (found.at === undefined) return { ...common, kind: 'broken' }
  const datagram = found.isFragment ? { datagram: [ip.source, ip.destination, found.carries, found.identification].join(' ') } : {}
  if (found.offset > 0) return { ...common, ...datagram, kind: found.protocol === 6 && found.offset < 16 ? 'broken' : 'later fragment' }
  return { ...common, ...datagram, ...transport(ip, found.protocol, found.at) }
}

function transport(ip: Ip, protocol: number, at: number): Pick<Seen, 'kind'> & Partial<Seen> {
  const { bytes, family } = ip
  const u16 = (offset: number): number => bytes[at + offset] * 256 + bytes[at + offset + 1]
  if ([6, 17, 132].includes(protocol)) {
    if (bytes.length < at + (protocol === 6 ? 16 : 8)) return { kind: 'broken' }
    return { kind: 'flow', sourcePort: u16(0), destinationPort: u16(2) }
  }
  if (protocol !== (family === 4 ? 1 : 58)) return { kind: 'flow' }
  if (bytes.length < at + 8) return { kind: 'broken' }
  const [type, code] = [bytes[at], bytes[at + 1]]
  if ((family === 4 ? [0, 8] : [128, 129]).includes(type)) return { kind: 'flow', type, code, sourcePort: u16(4), destinationPort: u16(4) }
  const isError = family === 4 ? [3, 4, 5, 11, 12].includes(type) : type < 128
  if (!isError) return { kind: 'message', type, code }
  const quoted = quote(family, bytes.slice(at + 8))
  return { kind: 'error', type, code, ...(quoted?.source.equals(ip.destination) ? { quoted } : {}) }
}

/** The flow of the packet whose beginning an error quotes. */
function quote(family: 4 | 6, bytes: Uint8Array): Seen | undefined {
  if (bytes.length < (family === 4 ? 28 : 48) || bytes[0] >> 4 !== family) return undefined
  const headerLength = family === 4 ? (bytes[0] & 15) * 4 : 40
  if (headerLength < 20 || bytes.length < headerLength + 8) return undefined
  const ends = family === 4 ? [12, 16, 20] : [8, 24, 40]
  const source = IpAddress.fromBytes(bytes.subarray(ends[0], ends[1]))
  const destination = IpAddress.fromBytes(bytes.subarray(ends[1], ends[2]))
  const isFragment = family === 4 && ((bytes[6] & 0x3f) !== 0 || bytes[7] !== 0)
  const protocol = family === 4 ? bytes[9] : bytes[6]
  const ip: Ip = { family, bytes, headerLength, ttl: 0, trafficClass: 0, protocol, isFragment, source, destination }
  const { at, offset, protocol: found } = upperLayer(ip)
  // All of a TCP header that is sure to be quoted are its ports and its sequence number.
  if (found === 6 && at !== undefined && offset === 0 && bytes.length >= at + 8) {
    const [sourcePort, destinationPort] = [bytes[at] * 256 + bytes[at + 1], bytes[at + 2] * 256 + bytes[at + 3]]
    return { kind: 'flow', family, protocol: 6, source, destination, sourcePort, destinationPort }
  }
  const seen = see(ip)
  return seen.kind === 'flow' && seen.sourcePort !== undefined ? seen : undefined
}

/** Where the transport header begins. */
export function transportOffset(ip: Ip): number {
  return upperLayer(ip).at ?? ip.headerLength
}

interface UpperLayer {
  readonly protocol: number
  /** Undefined when the headers before it cannot be walked. */
  readonly at: number | undefined
  readonly isFragment: boolean
  readonly offset: number
  readonly identification: number
  /** What fragments say that their datagram carries. */
  readonly carries: number
}

function upperLayer({ family, bytes, headerLength, protocol, isFragment }: Ip): UpperLayer {
  if (family === 4) {
    const offset = ((bytes[6] & 0x1f) * 256 + bytes[7]) * 8
    return { protocol, at: headerLength, isFragment, offset, identification: bytes[4] * 256 + bytes[5], carries: protocol }
  }
  let found: UpperLayer = { protocol: bytes[6], at: 40, isFragment: false, offset: 0, identification: 0, carries: 0 }
  for (let walked = 0; EXTENSIONS.includes(found.protocol); walked++) {
    const at = found.at as number
    const length = found.protocol === 44 ? 8 : bytes[at + 1] * 8 + 8
    if (walked === 8 || (found.protocol === 0 && walked > 0) || !(at + 8 <= bytes.length) || at + length > bytes.length) {
      return { ...found, at: undefined }
    }
    const next = { ...found, protocol: bytes[at], at: at + length }
    const word = bytes.subarray(at + 4, at + 8).reduce((sum, octet) => sum * 256 + octet, 0)
    const offset = Math.floor((bytes[at + 2] * 256 + bytes[at + 3]) / 8) * 8
    found = found.protocol === 44 ? { ...next, isFragment: true, offset, identification: word, carries: bytes[at] } : next
    if (found.offset > 0) break
  }
  return found
}

/** Source port of an IP packet, or the identifier of an echo; undefined where there is none. */
export function sourcePortOf(packet: Uint8Array): number | undefined {
  const ip = readIp(packet)
  return typeof ip === 'string' ? undefined : see(ip).sourcePort
}
