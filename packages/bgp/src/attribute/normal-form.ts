import { ByteWriter } from '@heddle/wire'
import { AFI, AS_SEGMENT, ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'
import type { UpdateScan } from '../message/update-scan.js'
import { hasMixedNextHops, nextHopForm } from '../next-hop/codec.js'
import type { AttributeContext } from './attribute-codec.js'
import { attributeEnd, valueStart } from './canonical.js'
import { CATEGORY_FLAGS } from './encode.js'
import { attributeCodecOf } from './registry.js'

/** Whether the value is one that the codec decodes without a word, and encodes to the same octets. */
type Check = (bytes: Uint8Array, from: number, to: number) => boolean

const ofSize =
  (size: number): Check =>
  (_bytes, from, to) =>
    to - from === size

const itemsOf =
  (size: number): Check =>
  (_bytes, from, to) =>
    to > from && (to - from) % size === 0

const isAsPath: Check = (bytes, from, to) => {
  let at = from
  while (at + 2 <= to) {
    const type = bytes[at]
    const end = at + 2 + bytes[at + 1] * 4
    if ((type !== AS_SEGMENT.sequence && type !== AS_SEGMENT.set) || end === at + 2 || end > to) return false
    for (at += 2; at < end; at += 4) if (isZero(bytes, at)) return false
  }
  return at === to
}

const isHostAddress: Check = (bytes, from, to) => {
  const first = bytes[from]
  return to - from === 4 && first !== 0 && first !== 127 && first < 224
}

const isZero = (bytes: Uint8Array, at: number): boolean => (bytes[at] | bytes[at + 1] | bytes[at + 2] | bytes[at + 3]) === 0

/** The attributes of everyday, by type. */
const CHECKS: ReadonlyMap<number, Check> = new Map<number, Check>([
  [ATTRIBUTE.origin, (bytes, from, to) => to - from === 1 && bytes[from] <= 2],
  [ATTRIBUTE.asPath, isAsPath],
  [ATTRIBUTE.nextHop, isHostAddress],
  [ATTRIBUTE.med, ofSize(4)],
  [ATTRIBUTE.localPref, ofSize(4)],
  [ATTRIBUTE.atomicAggregate, ofSize(0)],
  [ATTRIBUTE.aggregator, (bytes, from, to) => to - from === 8 && !isZero(bytes, from)],
  [ATTRIBUTE.communities, itemsOf(4)],
  [ATTRIBUTE.originatorId, ofSize(4)],
  [ATTRIBUTE.clusterList, itemsOf(4)],
  [ATTRIBUTE.extendedCommunities, itemsOf(8)],
  [ATTRIBUTE.largeCommunities, itemsOf(12)],
])

interface Rule {
  readonly flags: number
  readonly internalOnly: boolean
  readonly check: Check
}

const RULES: readonly (Rule | undefined)[] = Array.from({ length: 256 }, (_, type) => {
  const codec = attributeCodecOf(type)
  const check = CHECKS.get(type)
  return codec && check && { flags: CATEGORY_FLAGS[codec.category], internalOnly: codec.internalOnly === true, check }
})

/**
 * Canonical attributes straight from the octets of an UPDATE, without making values of them. That is possible where the attributes are those of
 * everyday, and nothing about them calls for a verdict; else values tell what is wrong, or what they are in normal form.
 */
export class NormalForm {
  readonly #out = new ByteWriter(512)
  #size = 0
  #nextHop = 0

  /** Takes the attributes of an UPDATE. @returns whether they have been taken; if not, values are needed */
  take(scan: UpdateScan, { asn4, peerType }: AttributeContext): boolean {
    if (!asn4) return false
    const external = peerType === 'ebgp'
    const { bytes, announced } = scan
    this.#out.truncate(0)
    this.#nextHop = 0
    let mandatory = 0
    for (let at = 0; at < scan.count; at++) {
      const type = scan.typeOf(at)
      const start = scan.placeOf(at)
      const rule = RULES[type]
      if (rule === undefined || (external && rule.internalOnly)) return false
      const from = valueStart(bytes, start)
      const to = attributeEnd(bytes, start)
      if ((bytes[start] & ~ATTRIBUTE_FLAG.extendedLength) !== rule.flags || !rule.check(bytes, from, to)) return false
      if (type === ATTRIBUTE.nextHop) this.#nextHop = from
      else this.#write(bytes, type, from, to, rule.flags)
      if (type === ATTRIBUTE.origin || type === ATTRIBUTE.asPath) mandatory++
    }
    this.#size = this.#out.length
    return announced.empty || (mandatory === 2 && (announced.multiprotocol || this.#nextHop > 0)) // RFC 7606 §3 (d)
  }

  /** What was taken, with the next hop of what is announced. @returns octets that are valid until the next call; nothing when values are needed */
  of({ bytes, announced }: UpdateScan): ByteWriter | undefined {
    const out = this.#out.truncate(this.#size)
    const { family, multiprotocol, hop, hopLength } = announced
    if (!multiprotocol) return writeHop(out, bytes, this.#nextHop, 4)
    const form = nextHopForm(family)
    if ((form !== 'plain' && form !== 'vpn') || hasMixedNextHops(family)) return undefined
    const size = family.afi === AFI.ipv4 ? 4 : 16
    const rd = form === 'vpn' ? 8 : 0
    if (hopLength !== rd + size || (rd > 0 && !(isZero(bytes, hop) && isZero(bytes, hop + 4)))) return undefined
    return writeHop(out, bytes, hop + rd, size)
  }

  #write(bytes: Uint8Array, type: number, from: number, to: number, flags: number): void {
    const out = this.#out
    const length = to - from
    if (length > 0xff)
      out
        .u8(flags | ATTRIBUTE_FLAG.extendedLength)
        .u8(type)
        .u16(length)
    else out.u8(flags).u8(type).u8(length)
    out.copy(bytes, from, to)
  }
}

function writeHop(out: ByteWriter, bytes: Uint8Array, at: number, size: number): ByteWriter {
  return out
    .u8(ATTRIBUTE_FLAG.optional)
    .u8(ATTRIBUTE.mpReachNlri)
    .u8(1 + size)
    .u8(0)
    .copy(bytes, at, at + size)
}
