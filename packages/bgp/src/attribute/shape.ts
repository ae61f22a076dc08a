import type { ByteReader } from '@heddle/wire'
import { ATTRIBUTE } from '../iana.js'
import type { AttributeShape } from './attribute-codec.js'

/** BGP-LS attribute (RFC 9552 §5.3): TLVs of two-octet type and length; a broken one costs the attribute, not the route (§8.2.2). */
export const bgpLsShape: AttributeShape = Object.freeze<AttributeShape>({
  type: ATTRIBUTE.bgpLs,
  name: 'bgp-ls',
  category: 'optional-non-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'RFC 9552 §8.2.2',
  check(input) {
    while (input.remaining > 0) {
      input.skip(2)
      input.skip(input.u16())
    }
  },
})

const LABEL_INDEX_TLV = 1
const LABEL_INDEX_SIZE = 7
const ORIGINATOR_SRGB_TLV = 3

/** Prefix-SID (RFC 8669 §3): TLVs of one-octet type and two-octet length. */
export const prefixSidShape: AttributeShape = Object.freeze<AttributeShape>({
  type: ATTRIBUTE.prefixSid,
  name: 'prefix-sid',
  category: 'optional-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'RFC 8669 §6',
  check(input) {
    while (input.remaining > 0) checkPrefixSidTlv(input, this.rfc)
  },
})

const SRV6_L3_SERVICE_TLV = 5
const SRV6_L2_SERVICE_TLV = 6
const SRV6_SID_INFORMATION = 1
const SRV6_SID_STRUCTURE = 1
const SRV6_SID_STRUCTURE_SIZE = 6

function checkPrefixSidTlv(input: ByteReader, rfc: string): void {
  const type = input.u8()
  const content = input.sub(input.u16(), `tlv-${type}`)
  const size = content.remaining
  if (type === SRV6_L3_SERVICE_TLV || type === SRV6_L2_SERVICE_TLV) return checkSrv6Service(content)
  const wrong =
    type === 0 ||
    (type === LABEL_INDEX_TLV && size !== LABEL_INDEX_SIZE) ||
    (type === ORIGINATOR_SRGB_TLV && (size < 8 || (size - 2) % 6 !== 0))
  if (wrong) content.fail('bgp.attribute.prefix-sid.tlv', rfc)
}

/** SRv6 services (RFC 9252 §2–3): a reserved octet, sub-TLVs; each SID with its behaviour and sub-sub-TLVs. */
function checkSrv6Service(content: ByteReader): void {
  content.skip(1)
  while (content.remaining > 0) {
    const type = content.u8()
    const sub = content.sub(content.u16(), `sub-tlv-${type}`)
    if (type !== SRV6_SID_INFORMATION) continue
    sub.skip(1 + 16 + 1 + 2 + 1) // reserved, SID, flags, endpoint behaviour, reserved
    while (sub.remaining > 0) {
      const structure = sub.u8() === SRV6_SID_STRUCTURE
      const length = sub.u16()
      if (structure && length !== SRV6_SID_STRUCTURE_SIZE) sub.fail('bgp.attribute.prefix-sid.structure', 'RFC 9252 §3.2.1')
      sub.skip(length)
    }
  }
}

/** Next hop dependent characteristics (draft-ietf-idr-nhc §2): the next hop they speak of, then TLVs of two-octet code and length. */
export const nextHopCharacteristicsShape: AttributeShape = Object.freeze<AttributeShape>({
  type: ATTRIBUTE.nextHopCharacteristics,
  name: 'next-hop-characteristics',
  category: 'optional-transitive',
  malformed: 'attribute-discard',
  flagsConflict: 'attribute-discard',
  rfc: 'draft-ietf-idr-nhc §2',
  check(input) {
    const afi = input.u16()
    input.skip(1)
    const size = input.u8()
    input.skip(size)
    if (afi === 0 || (afi > 2 && afi !== 25) || ![4, 12, 16, 24, 32, 48].includes(size)) {
      input.fail('bgp.attribute.next-hop-characteristics.next-hop', this.rfc)
    }
    while (input.remaining > 0) {
      input.skip(2)
      input.skip(input.u16())
    }
  },
})
