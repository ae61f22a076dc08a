export { asPath, extendedCommunity, pathAttributes, unknownAttributes } from './attributes.js'
export { anyFamily, capability } from './capabilities.js'
export { bgpMessage, keepaliveMessage, notificationMessage, openMessage, routeRefreshMessage, updateMessage } from './messages.js'
export { mutated } from './mutation.js'
export { nextHop, nlri, typedFamily } from './nlri.js'
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
