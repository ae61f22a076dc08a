import { ValueError } from '../value-error.js'

/** 4 or 6. */
export type IpFamily = 4 | 6

/**
 * An IPv4 or IPv6 address, immutable. Held as unsigned 32-bit words, most significant first: `w0` for IPv4, `w0`–`w3` for IPv6 (the rest of an
 * IPv4 address is 0), so that tables can keep it in typed arrays without a conversion.
 */
export class IpAddress {
  private constructor(
    readonly family: IpFamily,
    readonly w0: number,
    readonly w1: number,
    readonly w2: number,
    readonly w3: number,
  ) {}

  /** @param word the address as an unsigned 32-bit integer, e.g. 0x0a000001 for 10.0.0.1 */
  static v4(word: number): IpAddress {
    return new IpAddress(4, word >>> 0, 0, 0, 0)
  }

  /** Four unsigned 32-bit words, most significant first. */
  static v6(w0: number, w1: number, w2: number, w3: number): IpAddress {
    return new IpAddress(6, w0 >>> 0, w1 >>> 0, w2 >>> 0, w3 >>> 0)
  }

  /** @throws ValueError `wire.ip-address.length` unless `bytes` has 4 or 16 octets */
  static fromBytes(bytes: Uint8Array): IpAddress {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (bytes.length === 4) return IpAddress.v4(view.getUint32(0))
    if (bytes.length === 16) return IpAddress.v6(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12))
    throw new ValueError('wire.ip-address.length', `${bytes.length} octets`, '4 or 16 octets')
  }

  /**
   * Reads dotted-quad IPv4 (no leading zeros) or any RFC 4291 §2.2 form of IPv6, without zone.
   *
   * @throws ValueError `wire.ip-address.invalid`
   */
  static parse(text: string): IpAddress {
    const address = IpAddress.tryParse(text)
    if (address === undefined) throw new ValueError('wire.ip-address.invalid', text, 'an IPv4 or IPv6 address')
    return address
  }

  /** As `parse`, but `undefined` for anything else. */
  static tryParse(text: string): IpAddress | undefined {
    if (text.includes(':')) return parseV6(text)
    const word = parseV4(text)
    return word === undefined ? undefined : IpAddress.v4(word)
  }

  /** 32 or 128. */
  get bits(): 32 | 128 {
    return this.family === 4 ? 32 : 128
  }

  /** 4 or 16 octets, network order. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.family === 4 ? 4 : 16)
    this.writeTo(new DataView(bytes.buffer), 0)
    return bytes
  }

  /** Writes 4 or 16 octets at `offset`; returns the offset behind them. */
  writeTo(out: DataView, offset: number): number {
    out.setUint32(offset, this.w0)
    if (this.family === 4) return offset + 4
    out.setUint32(offset + 4, this.w1)
    out.setUint32(offset + 8, this.w2)
    out.setUint32(offset + 12, this.w3)
    return offset + 16
  }

  equals(other: IpAddress): boolean {
    return this.family === other.family && this.w0 === other.w0 && this.w1 === other.w1 && this.w2 === other.w2 && this.w3 === other.w3
  }

  /** Negative, 0 or positive: IPv4 before IPv6, then numerically. */
  compare(other: IpAddress): number {
    return this.family - other.family || this.w0 - other.w0 || this.w1 - other.w1 || this.w2 - other.w2 || this.w3 - other.w3
  }

  /** `0.0.0.0` or `::`. */
  get isUnspecified(): boolean {
    return (this.w0 | this.w1 | this.w2 | this.w3) === 0
  }

  /** `127.0.0.0/8` or `::1`. */
  get isLoopback(): boolean {
    return this.family === 4 ? this.w0 >>> 24 === 127 : (this.w0 | this.w1 | this.w2) === 0 && this.w3 === 1
  }

  /** `224.0.0.0/4` or `ff00::/8`. */
  get isMulticast(): boolean {
    return this.family === 4 ? this.w0 >>> 28 === 14 : this.w0 >>> 24 === 255
  }

  /** `169.254.0.0/16` or `fe80::/10`. */
  get isLinkLocal(): boolean {
    return this.family === 4 ? this.w0 >>> 16 === 0xa9fe : this.w0 >>> 22 === 0x3fa
  }

  /** Whether this is an IPv4-mapped IPv6 address (`::ffff:a.b.c.d`, RFC 4291 §2.5.5.2). */
  get isV4Mapped(): boolean {
    return this.family === 6 && (this.w0 | this.w1) === 0 && this.w2 === 0xffff
  }

  /** `::ffff:a.b.c.d` for an IPv4 address; an IPv6 address stays as it is. */
  toV4Mapped(): IpAddress {
    return this.family === 6 ? this : IpAddress.v6(0, 0, 0xffff, this.w0)
  }

  /** The IPv4 address inside an IPv4-mapped one; any other stays as it is. */
  unmapped(): IpAddress {
    return this.isV4Mapped ? IpAddress.v4(this.w3) : this
  }

  /** Dotted quad, or the canonical text of RFC 5952; the same text means the same address, so it serves as a map key. */
  toString(): string {
    return this.family === 4 ? formatV4(this.w0) : formatV6(this.w0, this.w1, this.w2, this.w3)
  }

  toJSON(): string {
    return this.toString()
  }
}

function parseV4(text: string): number | undefined {
  let word = 0
  let octet = -1
  let octets = 0
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? 0x2e : text.charCodeAt(at)
    if (code === 0x2e) {
      if (octet < 0) return undefined
      word = (word << 8) | octet
      octet = -1
      octets++
    } else if (code >= 0x30 && code <= 0x39) {
      if (octet === 0) return undefined // a leading zero reads as octal elsewhere
      octet = (octet < 0 ? 0 : octet * 10) + code - 0x30
      if (octet > 255) return undefined
    } else return undefined
  }
  return octets === 4 ? word >>> 0 : undefined
}

function parseV6(text: string): IpAddress | undefined {
  const gap = text.indexOf('::')
  if (gap !== text.lastIndexOf('::')) return undefined
  const head = groups(gap < 0 ? text : text.slice(0, gap), gap < 0)
  const tail = gap < 0 ? [] : groups(text.slice(gap + 2), true)
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (gap < 0 ? missing !== 0 : missing < 1) return undefined
  const all = [...head, ...Array.from({ length: missing }, () => 0), ...tail]
  const word = (at: number): number => (((all[at] ?? 0) << 16) | (all[at + 1] ?? 0)) >>> 0
  return IpAddress.v6(word(0), word(2), word(4), word(6))
}

function groups(text: string, mayEndInV4: boolean): number[] | undefined {
  if (text === '') return []
  const out: number[] = []
  const parts = text.split(':')
  for (const [index, part] of parts.entries()) {
    if (mayEndInV4 && index === parts.length - 1 && part.includes('.')) {
      const word = parseV4(part)
      if (word === undefined) return undefined
      out.push(word >>> 16, word & 0xffff)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) out.push(Number.parseInt(part, 16))
    else return undefined
  }
  return out
}

function formatV4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`
}

function formatV6(w0: number, w1: number, w2: number, w3: number): string {
  if ((w0 | w1) === 0 && w2 === 0xffff) return `::ffff:${formatV4(w3)}` // RFC 5952 §5
  const parts = [w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff, w2 >>> 16, w2 & 0xffff, w3 >>> 16, w3 & 0xffff]
  let bestStart = -1
  let bestLength = 1 // RFC 5952 §4.2.2: one group alone is not shortened
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && parts[end] === 0) end++
    if (end - start > bestLength) {
      bestStart = start
      bestLength = end - start
    }
    if (end > start) start = end
  }
  const hex = (from: number, to: number): string =>
    parts
      .slice(from, to)
      .map((part) => part.toString(16))
      .join(':')
  return bestStart < 0 ? hex(0, 8) : `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`
}
