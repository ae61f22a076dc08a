import { ValueError } from '@heddle/wire'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll } from './attribute-codec.js'

/** A domain that a route between EVPN and IP-VPN has gone through. */
export interface Domain {
  /** Four octets of the domain's identifier. */
  readonly globalAdministrator: number
  /** Two octets of the domain's identifier. */
  readonly localAdministrator: number
  /** The SAFI with which the route came into the domain: 1, 70 or 128; 0 for a local one. */
  readonly safi: number
}

/** D-PATH: segments of domains, the last gone through first. */
export type DomainPath = readonly (readonly Domain[])[]

/**
 * D-PATH (draft-ietf-bess-evpn-ipvpn-interworking §4): what AS_PATH is to autonomous systems, to domains of gateways.
 *
 *     +-----------+--------------------------------------------------------------+
 *     | count (1) | domains: global administrator (4), local (2), SAFI (1)       |
 *     +-----------+--------------------------------------------------------------+
 */
export const domainPathCodec = attributeCodec({
  type: ATTRIBUTE.domainPath,
  name: 'd-path',
  property: 'domainPath',
  category: 'optional-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'draft-ietf-bess-evpn-ipvpn-interworking §4',
  decode(input) {
    if (input.remaining === 0) input.fail('bgp.attribute.length', this.rfc)
    return readAll(input, () => {
      const count = input.u8()
      if (count === 0) input.fail('bgp.attribute.d-path.empty-segment', this.rfc)
      const segment = input.sub(count * 7, 'segment')
      return readAll(segment, () => ({ globalAdministrator: segment.u32(), localAdministrator: segment.u16(), safi: segment.u8() }))
    })
  },
  encode(value, out) {
    for (const domains of value) {
      if (domains.length === 0 || domains.length > 255)
        throw new ValueError('bgp.d-path.segment', `${domains.length} domains`, 'a segment of 1–255')
      out.u8(domains.length)
      for (const { globalAdministrator, localAdministrator, safi } of domains) out.u32(globalAdministrator).u16(localAdministrator).u8(safi)
    }
  },
})
