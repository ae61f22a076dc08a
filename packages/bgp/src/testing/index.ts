export { asPath, pathAttributes, unknownAttributes } from './attributes.js'
export { extendedCommunity, ipv6ExtendedCommunity } from './communities.js'
export { bmpMessages } from './bmp.js'
export { mrtRecords } from './mrt.js'
export { bfdDiscriminator, domainPath, linkStateAttribute, prefixSidTlv, tunnel, tunnelSubTlv } from './overlay-attributes.js'
export { anyFamily, capability } from './capabilities.js'
export { bgpMessage, keepaliveMessage, notificationMessage, openMessage, routeRefreshMessage, updateMessage } from './messages.js'
export { mutated } from './mutation.js'
export { flowspec } from './flowspec.js'
export { nextHop, nlri, typedFamily } from './nlri.js'
export { evpnMulticast, linkState, mup, mvpn, srPolicy, vpls } from './overlay-nlri.js'
export {
  asNumber,
  hostAddress,
  ipv4Address,
  ipv4Prefix,
  ipv6Address,
  ipv6Prefix,
  label,
  macAddress,
  routeDistinguisher,
  routeTarget,
} from './values.js'
