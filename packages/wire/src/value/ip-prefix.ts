import { ValueError } from '../value-error.js'
import { IpAddress, type IpFamily } from './ip-address.js'

/** An IPv4 or IPv6 prefix, immutable; host bits are zero by construction. */
export class IpPrefix {
  private constructor(
    readonly address: IpAddress,
    /** 0–32 or 0–128. */
    readonly length: number,
  ) {}

  /**
   * The prefix of `length` bits that covers `address`: host bits are cleared.
   *
   * @throws ValueError `wire.ip-prefix.length`
   */
  static of(address: IpAddress, length: number = address.bits): IpPrefix {
    if (!Number.isInteger(length) || length < 0 || length > address.bits) {
      throw new ValueError('wire.ip-prefix.length', String(length), `a prefix length of 0–${address.bits}`)
    }
    return new IpPrefix(masked(address, length), length)
  }

  /**
   * Reads `ADDRESS/LENGTH`; an address alone means a host prefix (/32, /128).
   *
   * @throws ValueError `wire.ip-prefix.invalid`, or `wire.ip-prefix.host-bits` when bits behind the prefix are set
   */
  static parse(text: string): IpPrefix {
    const slash = text.indexOf('/')
    const address = IpAddress.tryParse(slash < 0 ? text : text.slice(0, slash))
    const digits = slash < 0 ? undefined : text.slice(slash + 1)
    if (address === undefined || (digits !== undefined && !/^(0|[1-9]\d{0,2})$/.test(digits))) {
      throw new ValueError('wire.ip-prefix.invalid', text, 'an IPv4 or IPv6 prefix')
    }
    const length = digits === undefined ? address.bits : Number(digits)
    if (length > address.bits) throw new ValueError('wire.ip-prefix.invalid', text, `a prefix of at most /${address.bits}`)
    const prefix = IpPrefix.of(address, length)
    if (!prefix.address.equals(address))
      throw new ValueError('wire.ip-prefix.host-bits', text, `a prefix without host bits, such as ${prefix}`)
    return prefix
  }

  get family(): IpFamily {
    return this.address.family
  }

  /** Whether the prefix is one address (/32, /128). */
  get isHost(): boolean {
    return this.length === this.address.bits
  }

  contains(address: IpAddress): boolean {
    return address.family === this.family && masked(address, this.length).equals(this.address)
  }

  /** Whether every address of `other` is in this prefix. */
  covers(other: IpPrefix): boolean {
    return other.length >= this.length && this.contains(other.address)
  }

  equals(other: IpPrefix): boolean {
    return this.length === other.length && this.address.equals(other.address)
  }

  /** Negative, 0 or positive: by address, then shorter first. */
  compare(other: IpPrefix): number {
    return this.address.compare(other.address) || this.length - other.length
  }

  /** Canonical `ADDRESS/LENGTH`; the same text means the same prefix, so it serves as a map key. */
  toString(): string {
    return `${this.address}/${this.length}`
  }

  toJSON(): string {
    return this.toString()
  }
}

function masked(address: IpAddress, length: number): IpAddress {
  if (length === address.bits) return address
  if (address.family === 4) return IpAddress.v4(address.w0 & mask(length))
  return IpAddress.v6(
    address.w0 & mask(length),
    address.w1 & mask(length - 32),
    address.w2 & mask(length - 64),
    address.w3 & mask(length - 96),
  )
}

/** The mask of the first `bits` bits of a word; below 0 none, above 32 all. */
function mask(bits: number): number {
  if (bits <= 0) return 0
  return bits >= 32 ? 0xffffffff : ~(0xffffffff >>> bits)
}
