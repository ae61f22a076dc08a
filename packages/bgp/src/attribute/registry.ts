import { aggregatorCodec } from './aggregator.js'
import { aigpCodec } from './aigp.js'
import { as4AggregatorCodec, as4PathCodec } from './as4.js'
import { asPathCodec } from './as-path.js'
import { atomicAggregateCodec } from './atomic-aggregate.js'
import { attrSetCodec } from './attr-set.js'
import type { AttributeCodec, AttributeShape } from './attribute-codec.js'
import { bfdDiscriminatorCodec } from './bfd-discriminator.js'
import { clusterListCodec } from './cluster-list.js'
import { communitiesCodec } from './communities.js'
import { domainPathCodec } from './domain-path.js'
import { extendedCommunitiesCodec } from './extended-communities.js'
import { ipv6ExtendedCommunitiesCodec } from './ipv6-extended-communities.js'
import { largeCommunitiesCodec } from './large-communities.js'
import { linkStateAttributeCodec } from './link-state.js'
import { localPrefCodec } from './local-pref.js'
import { medCodec } from './med.js'
import { nextHopCodec } from './next-hop.js'
import { originCodec } from './origin.js'
import { originatorIdCodec } from './originator-id.js'
import { otcCodec } from './otc.js'
import { pmsiTunnelCodec } from './pmsi-tunnel.js'
import { prefixSidCodec } from './prefix-sid.js'
import { nextHopCharacteristicsShape } from './next-hop-characteristics.js'
import { tunnelEncapsulationCodec } from './tunnel-encapsulation.js'

/** Every attribute that becomes a value, ordered by type; MP_REACH_NLRI and MP_UNREACH_NLRI belong to the message. */
export const ATTRIBUTE_CODECS: readonly AttributeCodec[] = Object.freeze<AttributeCodec[]>([
  originCodec,
  asPathCodec,
  nextHopCodec,
  medCodec,
  localPrefCodec,
  atomicAggregateCodec,
  aggregatorCodec,
  communitiesCodec,
  originatorIdCodec,
  clusterListCodec,
  extendedCommunitiesCodec,
  as4PathCodec,
  as4AggregatorCodec,
  pmsiTunnelCodec,
  tunnelEncapsulationCodec,
  ipv6ExtendedCommunitiesCodec,
  aigpCodec,
  linkStateAttributeCodec,
  largeCommunitiesCodec,
  otcCodec,
  domainPathCodec,
  bfdDiscriminatorCodec,
  prefixSidCodec,
  attrSetCodec,
])

const SHAPES: readonly AttributeShape[] = [nextHopCharacteristicsShape]

const CODEC_OF = new Map(ATTRIBUTE_CODECS.map((codec) => [codec.type, codec]))
const SHAPE_OF = new Map(SHAPES.map((shape) => [shape.type, shape]))

/** The codec of an attribute type, or `undefined`. */
export function attributeCodecOf(type: number): AttributeCodec | undefined {
  return CODEC_OF.get(type)
}

/** The check of an attribute that is kept as octets, or `undefined`. */
export function attributeShapeOf(type: number): AttributeShape | undefined {
  return SHAPE_OF.get(type)
}
