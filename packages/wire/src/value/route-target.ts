import { ValueError } from '../value-error.js'
import { formatAdministratorPair, isAdministratorPair, parseAdministratorPair, type AdministratorType } from './administrator.js'

/**
 * Route target (RFC 4360 §4), immutable: the extended community by which VRFs import and export. `high` and `low` are its eight octets as
 * two words.
 *
 *     +------+------+-----------------------------------+
 *     | type | 0x02 | administrator : assigned number   |
 *     +------+------+-----------------------------------+
 */
export class RouteTarget {
  private constructor(
    /** The first four octets as an unsigned integer. */
    readonly high: number,
    /** The last four octets as an unsigned integer. */
    readonly low: number,
  ) {}

  /** From the two words of an extended community; `undefined` when that community is no route target (types 0, 1, 2, subtype 2). */
  static fromWords(high: number, low: number): RouteTarget | undefined {
    return high >>> 24 <= 2 && ((high >>> 16) & 0xff) === 0x02 ? new RouteTarget(high >>> 0, low >>> 0) : undefined
  }

  /** @throws ValueError `wire.route-target.range` when a number does not fit the type's field */
  static of(type: AdministratorType, administrator: number, assigned: number): RouteTarget {
    if (!isAdministratorPair({ type, administrator, assigned })) {
      throw new ValueError('wire.route-target.range', `${administrator}:${assigned}`, `a route target of type ${type}`)
    }
    const head = ((type << 8) | 0x02) << 16
    return type === 0
      ? new RouteTarget((head | administrator) >>> 0, assigned)
      : new RouteTarget((head | (administrator >>> 16)) >>> 0, (((administrator & 0xffff) << 16) | assigned) >>> 0)
  }

  /** Reads `65000:1`, `192.0.2.1:1`, `70000:1` or `65000L:1`. @throws ValueError `wire.route-target.invalid` */
  static parse(text: string): RouteTarget {
    const { type, administrator, assigned } = parseAdministratorPair(text, 'wire.route-target.invalid', 'a route target')
    return RouteTarget.of(type, administrator, assigned)
  }

  get type(): AdministratorType {
    return (this.high >>> 24) as AdministratorType
  }

  /** AS number, or IPv4 address as a word. */
  get administrator(): number {
    return this.type === 0 ? this.high & 0xffff : (((this.high & 0xffff) << 16) | (this.low >>> 16)) >>> 0
  }

  get assigned(): number {
    return this.type === 0 ? this.low : this.low & 0xffff
  }

  /** Eight octets, as in the extended communities attribute. */
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

  equals(other: RouteTarget): boolean {
    return this.high === other.high && this.low === other.low
  }

  /** The text `parse` reads; the same text means the same value. */
  toString(): string {
    return formatAdministratorPair(this)
  }

  toJSON(): string {
    return this.toString()
  }
}
