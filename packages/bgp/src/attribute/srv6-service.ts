import { IpAddress, type ByteReader, type ByteWriter } from '@heddle/wire'
import { readAll } from './attribute-codec.js'

/** How the bits of a segment identifier are divided (RFC 9252 §3.2.1); lengths in bits. */
export interface Srv6SidStructure {
  readonly kind: 'structure'
  readonly locatorBlockLength: number
  readonly locatorNodeLength: number
  readonly functionLength: number
  readonly argumentLength: number
  /** Bits that stand in the label field instead (§4). */
  readonly transpositionLength: number
  readonly transpositionOffset: number
}

/** A sub-sub-TLV that is not taken apart. */
export interface Srv6Unknown {
  readonly kind: 'unknown'
  readonly type: number
  readonly value: Uint8Array
}

/** A sub-TLV of an SRv6 service (RFC 9252 §3). Reserved octets are not kept. */
export type Srv6ServiceSubTlv =
  | {
      readonly kind: 'sid-information'
      readonly sid: IpAddress
      readonly flags: number
      /** Endpoint behaviour (IANA srv6-endpoint-behaviors): 18 End.DT6, 19 End.DT4, 20 End.DT46. */
      readonly behavior: number
      readonly subTlvs: readonly (Srv6SidStructure | Srv6Unknown)[]
    }
  | Srv6Unknown

const SID_INFORMATION = 1
const SID_STRUCTURE = 1
const SID_STRUCTURE_SIZE = 6

/**
 * Sub-TLVs to the end of the container. The information about one SID:
 *
 *     +--------------+----------+-----------+--------------+--------------+------------------+
 *     | reserved (1) | SID (16) | flags (1) | behavior (2) | reserved (1) | sub-sub-TLVs     |
 *     +--------------+----------+-----------+--------------+--------------+------------------+
 *
 * @throws WireError `bgp.attribute.prefix-sid.structure`, `wire.truncated`
 */
export function decodeSrv6SubTlvs(input: ByteReader): Srv6ServiceSubTlv[] {
  return readAll(input, (): Srv6ServiceSubTlv => {
    const type = input.u8()
    const content = input.sub(input.u16(), `sub-tlv-${type}`)
    if (type !== SID_INFORMATION) return { kind: 'unknown', type, value: content.rest().slice() }
    content.skip(1)
    const sid = IpAddress.fromBytes(content.octets(16))
    const [flags, behavior] = [content.u8(), content.u16()]
    content.skip(1)
    return { kind: 'sid-information', sid, flags, behavior, subTlvs: readAll(content, () => decodeSubSubTlv(content)) }
  })
}

function decodeSubSubTlv(input: ByteReader): Srv6SidStructure | Srv6Unknown {
  const type = input.u8()
  const content = input.sub(input.u16(), `sub-sub-tlv-${type}`)
  if (type !== SID_STRUCTURE) return { kind: 'unknown', type, value: content.rest().slice() }
  if (content.remaining !== SID_STRUCTURE_SIZE) content.fail('bgp.attribute.prefix-sid.structure', 'RFC 9252 §3.2.1')
  return {
    kind: 'structure',
    locatorBlockLength: content.u8(),
    locatorNodeLength: content.u8(),
    functionLength: content.u8(),
    argumentLength: content.u8(),
    transpositionLength: content.u8(),
    transpositionOffset: content.u8(),
  }
}

/** Writes sub-TLVs. */
export function encodeSrv6SubTlvs(subTlvs: readonly Srv6ServiceSubTlv[], out: ByteWriter): void {
  for (const subTlv of subTlvs) {
    out.u8(subTlv.kind === 'unknown' ? subTlv.type : SID_INFORMATION)
    const close = out.reserveU16()
    if (subTlv.kind === 'unknown') out.octets(subTlv.value)
    else {
      out.u8(0).octets(subTlv.sid.toBytes()).u8(subTlv.flags).u16(subTlv.behavior).u8(0)
      for (const inner of subTlv.subTlvs) encodeSubSubTlv(inner, out)
    }
    close()
  }
}

function encodeSubSubTlv(subTlv: Srv6SidStructure | Srv6Unknown, out: ByteWriter): void {
  out.u8(subTlv.kind === 'unknown' ? subTlv.type : SID_STRUCTURE)
  const close = out.reserveU16()
  if (subTlv.kind === 'unknown') out.octets(subTlv.value)
  else {
    out.u8(subTlv.locatorBlockLength).u8(subTlv.locatorNodeLength).u8(subTlv.functionLength).u8(subTlv.argumentLength)
    out.u8(subTlv.transpositionLength).u8(subTlv.transpositionOffset)
  }
  close()
}
