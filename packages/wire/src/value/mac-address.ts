import { ValueError } from '../value-error.js'
import type { IpAddress } from './ip-address.js'

/** A 48-bit MAC address, immutable. */
export class MacAddress {
  private constructor(
    /** The 24 most significant bits. */
    readonly high: number,
    /** The 24 least significant bits. */
    readonly low: number,
  ) {}

  static of(high: number, low: number): MacAddress {
    return new MacAddress(high & 0xffffff, low & 0xffffff)
  }

  /**
   * The locally administered address of an endpoint's device, by the address that the endpoint has: `02:58` and the IPv4 address, or the last 32 bits of
   * the IPv6 address. The same on every node, so that what neighbours remember stays true when the endpoint moves.
   */
  static ofEndpoint({ family, w0, w3 }: IpAddress): MacAddress {
    const low = family === 4 ? w0 : w3
    return MacAddress.of(0x02_58_00 | (low >>> 24), low)
  }

  /** @throws ValueError `wire.mac-address.length` unless `bytes` has 6 octets */
  static fromBytes(bytes: Uint8Array): MacAddress {
    if (bytes.length !== 6) throw new ValueError('wire.mac-address.length', `${bytes.length} octets`, '6 octets')
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = bytes
    return new MacAddress((a << 16) | (b << 8) | c, (d << 16) | (e << 8) | f)
  }

  /** Reads six hexadecimal octets with `:` or `-` between them. @throws ValueError `wire.mac-address.invalid` */
  static parse(text: string): MacAddress {
    if (!/^[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1){4}[0-9a-fA-F]{2}$/.test(text)) {
      throw new ValueError('wire.mac-address.invalid', text, 'a MAC address')
    }
    return MacAddress.fromBytes(Uint8Array.from(text.split(/[:-]/), (octet) => Number.parseInt(octet, 16)))
  }

  toBytes(): Uint8Array {
    const { high, low } = this
    return Uint8Array.of(high >>> 16, high >>> 8, high, low >>> 16, low >>> 8, low)
  }

  /** Writes six octets at `offset`; returns the offset behind them. */
  writeTo(out: DataView, offset: number): number {
    out.setUint32(offset, (this.high << 8) | (this.low >>> 16))
    out.setUint16(offset + 4, this.low & 0xffff)
    return offset + 6
  }

  equals(other: MacAddress): boolean {
    return this.high === other.high && this.low === other.low
  }

  /** Whether the group bit is set: multicast or broadcast. */
  get isMulticast(): boolean {
    return (this.high & 0x010000) !== 0
  }

  /** Six lower-case octets with `:` between them. */
  toString(): string {
    return Array.from(this.toBytes(), (octet) => octet.toString(16).padStart(2, '0')).join(':')
  }

  toJSON(): string {
    return this.toString()
  }
}
