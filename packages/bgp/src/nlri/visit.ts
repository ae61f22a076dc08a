import { AFI, SAFI } from '../iana.js'
import { familyKey, type Family } from './family.js'
import type { NlriMode } from './nlri-mode.js'

/**
 * NLRI of every family that is a prefix (RFC 4271 §4.3, RFC 4760 §5, RFC 7911 §3, RFC 8277 §2, RFC 4364 §4.3.4, RFC 4684 §4):
 *
 *     +---------------------------------+
 *     | path identifier      (4 octets) |  with ADD-PATH
 *     +---------------------------------+
 *     | length in bits       (1 octet)  |  of all that follows
 *     +---------------------------------+
 *     | labels           (3 octets each)|  labeled unicast, VPN: up to the bottom of the stack
 *     +---------------------------------+
 *     | route distinguisher  (8 octets) |  VPN
 *     +---------------------------------+
 *     | prefix     (as many as needed)  |
 *     +---------------------------------+
 */
interface Shape {
  readonly labeled: boolean
  readonly distinguished: boolean
  /** 32, 96 or 128. */
  readonly bits: number
  /** Shortest prefix other than the empty one. */
  readonly shortest: number
}

const shape = (bits: number, labeled = false, distinguished = false, shortest = 0): Shape => ({ labeled, distinguished, bits, shortest })

const SHAPES: ReadonlyMap<number, Shape> = new Map([
  [familyKey(AFI.ipv4, SAFI.unicast), shape(32)],
  [familyKey(AFI.ipv6, SAFI.unicast), shape(128)],
  [familyKey(AFI.ipv4, SAFI.multicast), shape(32)],
  [familyKey(AFI.ipv6, SAFI.multicast), shape(128)],
  [familyKey(AFI.ipv4, SAFI.labeledUnicast), shape(32, true)],
  [familyKey(AFI.ipv6, SAFI.labeledUnicast), shape(128, true)],
  [familyKey(AFI.ipv4, SAFI.vpn), shape(32, true, true)],
  [familyKey(AFI.ipv6, SAFI.vpn), shape(128, true, true)],
  [familyKey(AFI.ipv4, SAFI.vpnMulticast), shape(32, true, true)],
  [familyKey(AFI.ipv6, SAFI.vpnMulticast), shape(128, true, true)],
  [familyKey(AFI.ipv4, SAFI.rtc), shape(96, false, false, 32)],
])

/** One entry as numbers; the visitor gets the same object each time, with the next entry in it. */
export class NlriCursor {
  /** Octets from the start of the field to the entry (its path identifier where there is one). */
  start = 0
  /** Octets from the start of the field to behind the entry. */
  end = 0
  /** 0 without ADD-PATH. */
  pathId = 0
  /** 0 where the family has no labels, or a withdrawal names none. */
  labelCount = 0
  /** The top label, 0–1,048,575; 0 where there is none. */
  label = 0
  rdHigh = 0
  rdLow = 0
  /** Bits of the prefix alone. */
  length = 0
  /** The prefix as unsigned words, most significant first, bits behind `length` cleared. For RTC: origin AS and the route target's two words. */
  w0 = 0
  w1 = 0
  w2 = 0
  w3 = 0

  /** As new. */
  clear(): void {
    this.pathId = 0
    this.labelCount = 0
    this.label = 0
    this.rdHigh = 0
    this.rdLow = 0
    this.w1 = 0
    this.w2 = 0
    this.w3 = 0
  }
}

/** Why a field cannot be taken apart. */
export interface NlriFault {
  readonly code: 'bgp.nlri.truncated' | 'bgp.nlri.length' | 'bgp.nlri.label'
  /** Octets from the start of the field. */
  readonly offset: number
  readonly rfc: string
}

/** Whether `visitNlri` can walk the family: IPv4/IPv6 unicast, multicast, labeled unicast and VPN, and RTC. */
export function isVisitable(family: Family): boolean {
  return SHAPES.has(family.key)
}

/**
 * Walks the entries of an NLRI field without making an object an entry: `visit` reads the cursor and must not keep it. Stops at the first
 * entry that cannot be taken apart; entries before it have been visited then, so check a field that is not known to be sound with
 * `checkNlri` first.
 *
 * @param family one that `isVisitable`; a field of any other counts as one fault at its start
 * @returns the fault, or `undefined` when the whole field was walked
 */
export function visitNlri(family: Family, bytes: Uint8Array, mode: NlriMode, visit: (entry: NlriCursor) => void): NlriFault | undefined {
  return visitNlriWithin(family, bytes, 0, bytes.length, mode, visit, new NlriCursor())
}

/** As `visitNlri`, of the field from `from` to `size` in `bytes`, at whose start offsets begin. @param cursor is what `visit` gets */
export function visitNlriWithin(
  family: Family,
  bytes: Uint8Array,
  from: number,
  size: number,
  mode: NlriMode,
  visit: (entry: NlriCursor) => void,
  cursor: NlriCursor,
): NlriFault | undefined {
  const shape = SHAPES.get(family.key)
  if (shape === undefined) return fault('bgp.nlri.length', from, 'RFC 4760 §5')
  const { labeled, distinguished } = shape
  const fixed = distinguished ? 64 : 0
  let at = from
  cursor.clear()
  while (at < size) {
    cursor.start = at
    if (mode.addPath) {
      if (size - at < 5) return fault('bgp.nlri.truncated', at, 'RFC 7911 §3')
      cursor.pathId = word(bytes, at)
      at += 4
    }
    let bits = bytes[at]
    const end = at + 1 + ((bits + 7) >>> 3)
    if (end > size) return fault('bgp.nlri.truncated', at, 'RFC 7606 §5.3')
    cursor.end = end
    let place = at + 1
    if (labeled) {
      const none = mode.withdraw && bits >= 24 && isNoLabel(bytes, place)
      const labels = none ? 1 : countLabels(bytes, place, bits - fixed, distinguished)
      if (labels < 0) return fault('bgp.nlri.label', at, 'RFC 8277 §2')
      cursor.labelCount = none ? 0 : labels
      cursor.label = none ? 0 : (bytes[place] << 12) | (bytes[place + 1] << 4) | (bytes[place + 2] >>> 4)
      place += labels * 3
      bits -= labels * 24
    }
    if (distinguished) {
      if (bits < 64) return fault('bgp.nlri.length', at, 'RFC 4364 §4.3.4')
      cursor.rdHigh = word(bytes, place)
      cursor.rdLow = word(bytes, place + 4)
      place += 8
      bits -= 64
    }
    if (bits > shape.bits || (bits < shape.shortest && bits !== 0)) return fault('bgp.nlri.length', at, 'RFC 7606 §5.3')
    cursor.length = bits
    cursor.w0 = prefixWord(bytes, place, bits)
    if (shape.bits > 32) {
      cursor.w1 = prefixWord(bytes, place + 4, bits - 32)
      cursor.w2 = prefixWord(bytes, place + 8, bits - 64)
      cursor.w3 = prefixWord(bytes, place + 12, bits - 96)
    }
    visit(cursor)
    at = end
  }
  return undefined
}

/** Whether the field can be taken apart, without doing anything with its entries. */
export function checkNlri(family: Family, bytes: Uint8Array, mode: NlriMode): NlriFault | undefined {
  return visitNlri(family, bytes, mode, nothing)
}

/** Whether the field from `from` to `to` in `bytes` can be taken apart. */
export function isSoundNlri(family: Family, bytes: Uint8Array, from: number, to: number, mode: NlriMode): boolean {
  const shape = SHAPES.get(family.key)
  if (shape === undefined) return false
  const { labeled, distinguished, shortest, bits } = shape
  if (labeled || distinguished || shortest > 0) return visitNlriWithin(family, bytes, from, to, mode, nothing, SCRATCH) === undefined
  const before = mode.addPath ? 4 : 0
  let at = from
  while (at < to) {
    at += before
    if (at >= to || bytes[at] > bits) return false
    at += 1 + ((bytes[at] + 7) >>> 3)
  }
  return at === to
}

const SCRATCH = new NlriCursor()

function nothing(): void {}

/**
 * Labels from `at` within `bits`, up to the one that is marked as the bottom. Some write a single label without the mark, which RFC 8277 §2.2
 * allows: it is one label too when no mark follows, or when what stands behind the marked one is no route distinguisher of an assigned type.
 * -1 when not even one label fits.
 */
function countLabels(bytes: Uint8Array, at: number, bits: number, distinguished: boolean): number {
  if (bits < 24) return -1
  if ((bytes[at + 2] & 1) === 1) return 1
  for (let count = 2; count * 24 <= bits; count++) {
    if ((bytes[at + count * 3 - 1] & 1) === 0) continue
    return distinguished && !isAssignedRd(bytes, at + count * 3) ? 1 : count
  }
  return 1
}

function isAssignedRd(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0 && bytes[at + 1] <= 2
}

/** Labels 0 and 524,288 without the bottom mark, whatever the traffic class. */
function isNoLabel(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] & 0x7f) === 0 && bytes[at + 1] === 0 && (bytes[at + 2] & 0xf1) === 0
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

/** The word at `at` of which the first `bits` count. */
function prefixWord(bytes: Uint8Array, at: number, bits: number): number {
  if (bits >= 32) return word(bytes, at)
  if (bits <= 0) return 0
  let value = bytes[at] << 24
  if (bits > 8) value |= bytes[at + 1] << 16
  if (bits > 16) value |= bytes[at + 2] << 8
  if (bits > 24) value |= bytes[at + 3]
  return (value & ~(0xffffffff >>> bits)) >>> 0
}

function fault(code: NlriFault['code'], offset: number, rfc: string): NlriFault {
  return { code, offset, rfc }
}
