import { IpAddress, IpPrefix, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { AFI } from '../iana.js'
import { decodeMatches, encodeMatches, type BitmaskMatch, type NumericMatch } from './flowspec-operator.js'

/** A prefix that a packet's address must lie in (RFC 8955 §4.2.2.1, RFC 8956 §3.1). */
export interface FlowspecPrefix {
  readonly type: 'destination-prefix' | 'source-prefix'
  readonly prefix: IpPrefix
  /** IPv6 only: leading bits that are not compared; absent when all are (RFC 8956 §3.1). */
  readonly offset?: number
}

/** A field of the packet compared with numbers (RFC 8955 §4.2.1.1). */
export interface FlowspecNumeric {
  readonly type: FlowspecNumericType
  readonly matches: readonly NumericMatch[]
}

/** A field of the packet of which bits are tested (RFC 8955 §4.2.1.2). */
export interface FlowspecBitmask {
  readonly type: FlowspecBitmaskType
  readonly matches: readonly BitmaskMatch[]
}

/** One condition of a rule; a packet must meet all of them. */
export type FlowspecComponent = FlowspecPrefix | FlowspecNumeric | FlowspecBitmask

/** `protocol` is the upper-layer protocol of IPv6 (RFC 8956 §3.3); `flow-label` exists for IPv6 only (§3.7). */
export type FlowspecNumericType =
  | 'protocol'
  | 'port'
  | 'destination-port'
  | 'source-port'
  | 'icmp-type'
  | 'icmp-code'
  | 'packet-length'
  | 'dscp'
  | 'flow-label'

/** Components whose operators compare bits: TCP flags and fragments (RFC 8955 §4.2.2.9, §4.2.2.12). */
export type FlowspecBitmaskType = 'tcp-flags' | 'fragment'

/** Component types (IANA flow-spec component types), by their number. */
const TYPES: ReadonlyMap<number, FlowspecComponent['type']> = new Map<number, FlowspecComponent['type']>([
  [1, 'destination-prefix'],
  [2, 'source-prefix'],
  [3, 'protocol'],
  [4, 'port'],
  [5, 'destination-port'],
  [6, 'source-port'],
  [7, 'icmp-type'],
  [8, 'icmp-code'],
  [9, 'tcp-flags'],
  [10, 'packet-length'],
  [11, 'dscp'],
  [12, 'fragment'],
  [13, 'flow-label'],
])

const NUMBER_OF = new Map([...TYPES].map(([number, name]) => [name, number]))
const FLOW_LABEL = 13

/**
 * Conditions to the end of the container, each type at most once and in ascending order (RFC 8955 §4.2).
 *
 * @throws WireError `bgp.nlri.flowspec.*`, `wire.truncated`; a type that is not known cannot be skipped, because nobody knows its length
 */
export function decodeComponents(input: ByteReader, afi: number): FlowspecComponent[] {
  const out: FlowspecComponent[] = []
  let last = 0
  while (input.remaining > 0) {
    const number = input.peekU8()
    const type = TYPES.get(number)
    if (type === undefined || (number === FLOW_LABEL && afi !== AFI.ipv6)) input.fail('bgp.nlri.flowspec.type', 'RFC 8955 §10')
    if (number <= last) input.fail('bgp.nlri.flowspec.order', 'RFC 8955 §4.2')
    last = number
    input.skip(1)
    if (type === 'destination-prefix' || type === 'source-prefix') out.push(decodePrefix(type, input, afi))
    else if (type === 'tcp-flags' || type === 'fragment') out.push({ type, matches: decodeMatches(input, 'bitmask') })
    else out.push({ type, matches: decodeMatches(input, 'numeric') })
  }
  return out.length === 0 ? input.fail('bgp.nlri.flowspec.empty', 'RFC 8955 §4.2') : out
}

/** Writes one condition. @throws ValueError `bgp.nlri.flowspec.*`, `bgp.nlri.family` */
export function encodeComponent(component: FlowspecComponent, out: ByteWriter, afi: number): void {
  out.u8(NUMBER_OF.get(component.type) ?? 0)
  switch (component.type) {
    case 'destination-prefix':
    case 'source-prefix':
      return encodePrefix(component, out, afi)
    case 'tcp-flags':
    case 'fragment':
      return encodeMatches(component.matches, out, 'bitmask')
    default:
      return encodeMatches(component.matches, out, 'numeric')
  }
}

/** The number by which components are ordered. */
export function componentNumber({ type }: FlowspecComponent): number {
  return NUMBER_OF.get(type) ?? 0
}

/**
 *     +--------+--------------------+          +--------+--------+---------------------------+
 *     | length | prefix (variable)  |  IPv4    | length | offset | pattern (variable)        |  IPv6
 *     +--------+--------------------+          +--------+--------+---------------------------+
 */
function decodePrefix(type: FlowspecPrefix['type'], input: ByteReader, afi: number): FlowspecPrefix {
  const length = input.u8()
  if (afi !== AFI.ipv6) {
    if (length > 32) input.fail('bgp.nlri.flowspec.prefix', 'RFC 8955 §4.2.2.1')
    return { type, prefix: IpPrefix.of(padded(input.octets((length + 7) >>> 3), 4), length) }
  }
  const offset = input.u8()
  // An offset of its length compares nothing; only the default route, 0 and 0, may (RFC 8956 §3.1).
  if (length > 128 || (offset >= length && length + offset > 0)) input.fail('bgp.nlri.flowspec.prefix', 'RFC 8956 §3.1')
  const pattern = input.octets((length - offset + 7) >>> 3)
  const prefix = IpPrefix.of(offset === 0 ? padded(pattern, 16) : shifted(pattern, offset, length - offset), length)
  return offset === 0 ? { type, prefix } : { type, prefix, offset }
}

function encodePrefix({ prefix, offset = 0 }: FlowspecPrefix, out: ByteWriter, afi: number): void {
  const { address, length } = prefix
  if ((address.family === 6) !== (afi === AFI.ipv6)) throw new ValueError('bgp.nlri.family', prefix.toString(), `a prefix of AFI ${afi}`)
  out.u8(length)
  if (afi !== AFI.ipv6) {
    out.octets(address.toBytes().subarray(0, (length + 7) >>> 3))
    return
  }
  if (offset > 0 && offset >= length) throw new ValueError('bgp.nlri.flowspec.prefix', String(offset), `an offset below ${length}`)
  out.u8(offset)
  const value = bigFrom(address.toBytes()) << BigInt(offset)
  for (let bit = 0; bit < length - offset; bit += 8) out.u8(Number((value >> BigInt(120 - bit)) & 0xffn))
}

function padded(octets: Uint8Array, size: number): IpAddress {
  const bytes = new Uint8Array(size)
  bytes.set(octets)
  return IpAddress.fromBytes(bytes)
}

/** The address whose bits from `offset` on are the first `bits` of the pattern, and whose others are 0. */
function shifted(pattern: Uint8Array, offset: number, bits: number): IpAddress {
  const bytes = new Uint8Array(16)
  for (let bit = 0; bit < bits; bit++) {
    const set = (pattern[bit >>> 3] >>> (7 - (bit & 7))) & 1
    const at = bit + offset
    bytes[at >>> 3] |= set << (7 - (at & 7))
  }
  return IpAddress.fromBytes(bytes)
}

function bigFrom(bytes: Uint8Array): bigint {
  let value = 0n
  for (const octet of bytes) value = (value << 8n) | BigInt(octet)
  return value
}
