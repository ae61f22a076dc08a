import { ValueError } from '../value-error.js'
import { formatAdministratorPair, isAdministratorPair, parseAdministratorPair, type AdministratorType } from './administrator.js'

/**
 * Route distinguisher (RFC 4364 §4.2), immutable: eight octets that make a VPN prefix unique. `high` and `low` are its two words as
 * they stand on the wire, for tables; an RD of a type that is not assigned is kept as it came.
 *
 *     +-------+-----------------------------------+
 *     | type  | administrator : assigned number   |
 *     | 2     | 2+4 (type 0), 4+2 (types 1 and 2) |
 *     +-------+-----------------------------------+
 */
export class RouteDistinguisher {
  private constructor(
    /** The first four octets as an unsigned integer. */
    readonly high: number,
    /** The last four octets as an unsigned integer. */
    readonly low: number,
  ) {}

  /** From its two words on the wire. */
  static fromWords(high: number, low: number): RouteDistinguisher {
    return new RouteDistinguisher(high >>> 0, low >>> 0)
  }

  /** @throws ValueError `wire.route-distinguisher.range` when a number does not fit the type's field */
  static of(type: AdministratorType, administrator: number, assigned: number): RouteDistinguisher {
    if (!isAdministratorPair({ type, administrator, assigned })) {
      throw new ValueError('wire.route-distinguisher.range', `${administrator}:${assigned}`, `a route distinguisher of type ${type}`)
    }
    return type === 0
      ? RouteDistinguisher.fromWords(administrator, assigned)
      : RouteDistinguisher.fromWords((type << 16) | (administrator >>> 16), ((administrator & 0xffff) << 16) | assigned)
  }

  /** Reads `65000:1`, `192.0.2.1:1`, `70000:1` or `65000L:1`. @throws ValueError `wire.route-distinguisher.invalid` */
  static parse(text: string): RouteDistinguisher {
    const { type, administrator, assigned } = parseAdministratorPair(text, 'wire.route-distinguisher.invalid', 'a route distinguisher')
    return RouteDistinguisher.of(type, administrator, assigned)
  }

  /** 0, 1 or 2 where assigned; any 16-bit number where not. */
  get type(): number {
    return this.high >>> 16
  }

  /** AS number, or IPv4 address as a word. */
  get administrator(): number {
    return this.type === 0 ? this.high & 0xffff : (((this.high & 0xffff) << 16) | (this.low >>> 16)) >>> 0
  }

  get assigned(): number {
    return this.type === 0 ? this.low : this.low & 0xffff
  }

  /** Eight octets. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(8)
    this.writeTo(new DataView(bytes.buffer), 0)
    return bytes
  }

  /** Writes eight octets at `offset`; returns the offset behind them. */
  writeTo(out: DataView, offset: number): number {
    out.setUint32(offset, this.high)
    out.setUint32(offset + 4, this.low)
    return offset + 8
  }

  equals(other: RouteDistinguisher): boolean {
    return this.high === other.high && this.low === other.low
  }

  /** The text `parse` reads; for a type that is not assigned `TYPE?HEX`. The same text means the same value. */
  toString(): string {
    const { type, administrator, assigned } = this
    if (type > 2) return `${type}?${hexWord(this.high)}${hexWord(this.low)}`
    return formatAdministratorPair({ type: type as AdministratorType, administrator, assigned })
  }

  toJSON(): string {
    return this.toString()
  }
}

function hexWord(word: number): string {
  return word.toString(16).padStart(8, '0')
}
