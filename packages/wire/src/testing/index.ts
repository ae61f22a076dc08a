export { checkCodec, CodecCheckError, type CheckedCodec } from './check-codec.js'
export {
  arpPacket,
  ethernetHeader,
  greHeader,
  icmpv4Message,
  icmpv6Message,
  ipv4Header,
  ipv6Extensions,
  ipv6Header,
  tcpHeader,
  udpHeader,
} from './headers.js'
export { ipPacket } from './packets.js'
export { ipAddress, ipPrefix, ipv4Address, ipv6Address, macAddress, routeDistinguisher, routeTarget } from './values.js'
