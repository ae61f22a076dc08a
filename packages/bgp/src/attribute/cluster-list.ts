import { IpAddress } from '@heddle/wire'
import { ATTRIBUTE } from '../iana.js'
import { attributeCodec, readAll, requireItems } from './attribute-codec.js'

/** CLUSTER_LIST (RFC 4456 §8): clusters that reflected the route, the last one first. */
export const clusterListCodec = attributeCodec({
  type: ATTRIBUTE.clusterList,
  name: 'cluster-list',
  property: 'clusterList',
  category: 'optional-non-transitive',
  malformed: 'treat-as-withdraw',
  rfc: 'RFC 7606 §7.10',
  internalOnly: true,
  decode(input) {
    requireItems(input, 4, this.rfc)
    return readAll(input, () => IpAddress.v4(input.u32()))
  },
  encode(value, out) {
    for (const cluster of value) out.u32(cluster.w0)
  },
})
