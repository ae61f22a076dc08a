import { IpAddress, type ByteReader, type ByteWriter } from '@heddle/wire'

/** An address behind its length in bits, which is 0 where there is none. @throws WireError `bgp.nlri.length`, `wire.truncated` */
export function readBitAddress(input: ByteReader, rfc: string): IpAddress | undefined {
  const bits = input.u8()
  if (bits === 0) return undefined
  if (bits !== 32 && bits !== 128) input.fail('bgp.nlri.length', rfc)
  return IpAddress.fromBytes(input.octets(bits / 8))
}

/** Writes an address behind its length in bits; none is a length of 0. */
export function writeBitAddress(ip: IpAddress | undefined, out: ByteWriter): void {
  out.u8(ip === undefined ? 0 : ip.bits)
  if (ip !== undefined) out.octets(ip.toBytes())
}
