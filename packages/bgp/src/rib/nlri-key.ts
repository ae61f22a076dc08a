import { ByteWriter, IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import { AFI, SAFI } from '../iana.js'
import type { Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import type { NlriMode } from '../nlri/nlri-mode.js'
import { lengthField, writeLabels } from '../nlri/prefix-field.js'
import { decodeNlri, encodeNlri } from '../nlri/registry.js'
import { isVisitable, type NlriCursor } from '../nlri/visit.js'
import { ByteReader } from '@heddle/wire'
import { ByteInterner } from './byte-interner.js'

/** Marks path data that is an id of octets rather than one label. */
const IS_OCTETS = 0x8000_0000
/** Marks path data that is one label, so that 0 stays "none". */
const IS_LABEL = 0x4000_0000
const LABEL = 0xf_ffff

const PLAIN = { addPath: false, withdraw: false } as const

/**
 * How the NLRI of one family stand in a table: a key of `stride` words, which names the destination, and one word of path data, which does
 * not: the label of labeled families, or an id of octets for what does not fit (label stacks, EVPN's labels and segment).
 *
 * | families | key words |
 * |---|---|
 * | IPv4, IPv6 | address, prefix length |
 * | VPNv4, VPNv6 | RD (2), address, prefix length |
 * | RTC | origin AS, route target (2), length |
 * | others | id of the NLRI's octets, without what is path data |
 */
export class NlriKey {
  readonly stride: number
  /** Words before the length, which is an octet and the last word; all of them where there is none. */
  readonly width: number
  readonly #prefixWords: number
  readonly #distinguished: boolean
  readonly #labeled: boolean
  readonly #octets = new ByteInterner()
  readonly #scratch = new ByteWriter(64)

  constructor(readonly family: Family) {
    const { afi, safi } = family
    this.#distinguished = safi === SAFI.vpn || safi === SAFI.vpnMulticast
    this.#labeled = this.#distinguished || safi === SAFI.labeledUnicast
    this.#prefixWords = !isVisitable(family) ? 0 : safi === SAFI.rtc ? 3 : afi === AFI.ipv6 ? 4 : 1
    this.stride = this.#prefixWords === 0 ? 1 : this.#prefixWords + 1 + (this.#distinguished ? 2 : 0)
    this.width = this.refers ? 1 : this.stride - 1
  }

  /** Whether keys refer to octets, so that they have references to be given back. */
  get refers(): boolean {
    return this.#prefixWords === 0
  }

  /** Octets that keys and path data refer to. */
  get octets(): number {
    return this.#octets.size
  }

  /** Octets that those take, and all around them. */
  get octetsTaken(): number {
    return this.#octets.octets
  }

  /** Writes the key of what a visitor stands at. */
  fromCursor(cursor: NlriCursor, out: Uint32Array): void {
    let at = 0
    if (this.#distinguished) {
      out[at++] = cursor.rdHigh
      out[at++] = cursor.rdLow
    }
    out[this.width] = cursor.length
    out[at++] = cursor.w0
    if (this.#prefixWords === 1) return
    out[at++] = cursor.w1
    out[at++] = cursor.w2
    if (this.#prefixWords === 4) out[at] = cursor.w3
  }

  /**
   * Path data of what a visitor stands at; gets a reference that `releaseData` gives back.
   *
   * @param field the NLRI field that is being visited
   */
  dataFromCursor(cursor: NlriCursor, field: Uint8Array): number {
    if (!this.#labeled || cursor.labelCount === 0) return 0
    if (cursor.labelCount === 1) return IS_LABEL | cursor.label
    const from = cursor.end - ((cursor.length + 7) >>> 3) - (this.#distinguished ? 8 : 0) - cursor.labelCount * 3
    return (IS_OCTETS | this.#octets.intern(field.subarray(from, from + cursor.labelCount * 3))) >>> 0
  }

  /** Writes the key of `nlri`; with a key of octets, that gets a reference that `releaseKey` gives back. */
  fromNlri(nlri: Nlri, out: Uint32Array): void {
    let at = 0
    switch (nlri.kind) {
      case 'vpn':
        out[at++] = nlri.rd.high
        out[at++] = nlri.rd.low
        return this.#prefix(nlri.prefix, out, at)
      case 'unicast':
      case 'labeled-unicast':
        return this.#prefix(nlri.prefix, out, at)
      case 'rtc':
        out[0] = nlri.originAs
        out[1] = nlri.high
        out[2] = nlri.low
        out[3] = nlri.length
        return undefined
      default:
        out[0] = this.#octets.intern(this.#encode(keyOf(nlri)))
    }
  }

  /** Path data of `nlri`; gets a reference that `releaseData` gives back. */
  dataFromNlri(nlri: Nlri): number {
    switch (nlri.kind) {
      case 'vpn':
      case 'labeled-unicast': {
        if (nlri.labels.length === 0) return 0
        if (nlri.labels.length === 1) return IS_LABEL | nlri.labels[0]
        const out = this.#scratch.truncate(0)
        nlri.labels.forEach((label, depth) => {
          const field = (label << 4) | (depth === nlri.labels.length - 1 ? 1 : 0)
          out.u8(field >>> 16).u16(field & 0xffff)
        })
        return (IS_OCTETS | this.#octets.intern(out.view())) >>> 0
      }
      case 'evpn':
        return (IS_OCTETS | this.#octets.intern(this.#encode(withoutPathId(nlri)))) >>> 0
      default:
        return 0
    }
  }

  /** The NLRI of a key at `at` in `words`, with path data. @param pathId put into the value unless 0 */
  toNlri(words: Uint32Array, at: number, data: number, pathId: number): Nlri {
    const id = pathId === 0 ? {} : { pathId }
    if (this.#prefixWords === 0) {
      const octets = this.#octets.bytes(data === 0 ? words[at] : data & ~IS_OCTETS).slice()
      const [nlri] = decodeNlri(new ByteReader(octets), this.family, PLAIN)
      return { ...nlri, ...id }
    }
    if (this.family.safi === SAFI.rtc) {
      return { kind: 'rtc', length: words[at + 3], originAs: words[at], high: words[at + 1], low: words[at + 2], ...id }
    }
    const base = this.#distinguished ? at + 2 : at
    const address =
      this.#prefixWords === 1 ? IpAddress.v4(words[base]) : IpAddress.v6(words[base], words[base + 1], words[base + 2], words[base + 3])
    const prefix = IpPrefix.of(address, words[at + this.width])
    if (this.#distinguished) {
      return { kind: 'vpn', labels: this.#labels(data), rd: RouteDistinguisher.fromWords(words[at], words[at + 1]), prefix, ...id }
    }
    return this.#labeled ? { kind: 'labeled-unicast', labels: this.#labels(data), prefix, ...id } : { kind: 'unicast', prefix, ...id }
  }

  /** Writes what `toNlri` returns, as it stands in a message. @throws ValueError `bgp.nlri.*` */
  write(words: Uint32Array, at: number, data: number, pathId: number, mode: NlriMode, out: ByteWriter): void {
    if (this.#prefixWords === 0) return encodeNlri(this.toNlri(words, at, data, pathId), out, this.family, mode)
    const base = this.#distinguished ? at + 2 : at
    const length = words[at + this.width]
    if (mode.addPath) out.u32(pathId)
    if (this.#labeled) this.#writeLabels(data, length, mode, out)
    else out.u8(length)
    if (this.#distinguished) out.u32(words[at]).u32(words[at + 1])
    const end = out.length + ((length + 7) >>> 3)
    for (let word = 0; word * 32 < length; word++) out.u32(words[base + word])
    out.truncate(end)
    return undefined
  }

  retainKey(words: Uint32Array, at: number): void {
    if (this.#prefixWords === 0) this.#octets.retain(words[at])
  }

  releaseKey(words: Uint32Array, at: number): void {
    if (this.#prefixWords === 0) this.#octets.release(words[at])
  }

  retainData(data: number): void {
    if (data >= IS_OCTETS) this.#octets.retain(data - IS_OCTETS)
  }

  releaseData(data: number): void {
    if (data >= IS_OCTETS) this.#octets.release(data - IS_OCTETS)
  }

  /** The length octet and the labels. A withdrawal has room for one (RFC 8277 §2.4): of several the first may look like none, and the rest like a prefix. */
  #writeLabels(data: number, length: number, mode: NlriMode, out: ByteWriter): void {
    const rest = length + (this.#distinguished ? 64 : 0)
    if (data >= IS_OCTETS && !mode.withdraw) {
      const labels = this.#octets.bytes(data - IS_OCTETS)
      out.u8(lengthField(labels.length * 8 + rest)).octets(labels)
    } else {
      out.u8(lengthField(24 + rest))
      if (data === 0 || data >= IS_OCTETS) writeLabels(out, [], mode)
      else out.u24(((data & LABEL) << 4) | 1)
    }
  }

  #prefix(prefix: IpPrefix, out: Uint32Array, at: number): void {
    const { address, length } = prefix
    out[this.width] = length
    out[at] = address.w0
    if (this.#prefixWords === 1) return
    out[at + 1] = address.w1
    out[at + 2] = address.w2
    out[at + 3] = address.w3
  }

  #labels(data: number): readonly number[] {
    if (data === 0) return []
    if (data < IS_OCTETS) return [data & LABEL]
    const octets = this.#octets.bytes(data - IS_OCTETS)
    const labels: number[] = []
    for (let at = 0; at < octets.length; at += 3) labels.push((octets[at] << 12) | (octets[at + 1] << 4) | (octets[at + 2] >>> 4))
    return labels
  }

  #encode(nlri: Nlri): Uint8Array {
    const out = this.#scratch.truncate(0)
    encodeNlri(nlri, out, this.family, PLAIN)
    return out.view()
  }
}

/**
 * What names an EVPN route: neither labels, nor segment, nor gateway (RFC 7432 §7.2, RFC 9136 §3.1); nor flags and response time of a multicast route
 * (RFC 9251 §9.1–9.3).
 */
function keyOf(nlri: Nlri): Nlri {
  const bare = withoutPathId(nlri)
  if (bare.kind !== 'evpn') return bare
  const esi = new Uint8Array(10)
  if (bare.route === 'mac-ip') {
    const { label2: _label2, ...rest } = bare
    return { ...rest, esi, label1: 0 }
  }
  if (bare.route === 'ip-prefix') {
    const gateway = bare.gateway.family === 4 ? IpAddress.v4(0) : IpAddress.v6(0, 0, 0, 0)
    return { ...bare, esi, gateway, label: 0 }
  }
  if (bare.route === 'selective-multicast' || bare.route === 'membership-report-synch') return { ...bare, flags: 0 }
  if (bare.route === 'leave-synch') return { ...bare, flags: 0, maximumResponseTime: 0 }
  return bare
}

function withoutPathId<N extends Nlri>(nlri: N): N {
  if (!('pathId' in nlri)) return nlri
  const { pathId: _pathId, ...rest } = nlri
  return rest as N
}
