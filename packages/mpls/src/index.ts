export {
  decodeLabelStack,
  encodeLabelStack,
  isBottom,
  LABEL_STACK_ENTRY_SIZE,
  labelOf,
  labelStackDepth,
  type LabelStackEntry,
  labelStackSize,
  labelStackWord,
  labelStackWordAt,
  setLabelStackWordAt,
  trafficClassOf,
  ttlOf,
} from './label-stack.js'
export {
  ENTROPY_LABEL_INDICATOR,
  EXTENSION_LABEL,
  GENERIC_ASSOCIATED_CHANNEL_LABEL,
  IMPLICIT_NULL,
  IPV4_EXPLICIT_NULL,
  IPV6_EXPLICIT_NULL,
  isLabelRange,
  type LabelRange,
  type LabelVerdict,
  labelVerdict,
  MAX_LABEL,
  MIN_UNRESERVED_LABEL,
  OAM_ALERT,
  ROUTER_ALERT,
  type SpecialLabelDrop,
} from './special-label.js'
export { beginsWithJointLabel, JOINT_LABEL, jointLabelWordFor } from './joint-label.js'
export { decrementTtl, PIPE_TTL, poppedTtl, pushedTtl, swappedTtl, TTL_EXPIRED, type TunnelModel } from './ttl.js'
export { CE, ECN_DROP, ECT_0, ECT_1, NOT_ECT, poppedEcn, pushedEcn, type EcnMode } from './ecn.js'
export { outerDscp, poppedDscp, poppedTrafficClass, pushedTrafficClass } from './traffic-class.js'
export { ENTROPY_PORT_FIRST, ENTROPY_PORT_LAST, entropyPort, flowHash, hasFlowPorts, ipv4FlowHash } from './entropy.js'
export { type TunnelEncapsulation, tunnelMtu, tunnelOverhead } from './encapsulation/overhead.js'
export { encapsulate, NO_HEADROOM, TOO_LONG, type TunnelTemplate, type UnderlayOptions } from './encapsulation/tunnel-template.js'
export { isMplsUdpPort, MPLS_UDP_LEGACY_PORT, MPLS_UDP_PORT, mplsOverUdp, type MplsOverUdpOptions } from './encapsulation/mpls-over-udp.js'
export { mplsOverGre, type MplsOverGreOptions } from './encapsulation/mpls-over-gre.js'
export { mplsOverEthernet, type MplsOverEthernetOptions } from './encapsulation/mpls-over-mpls.js'
export { vxlan, type VxlanOptions } from './encapsulation/vxlan.js'
export {
  decodeVxlanHeader,
  encodeVxlanHeader,
  VXLAN_HEADER_SIZE,
  VXLAN_PORT,
  type VxlanHeader,
  vxlanIsValid,
  vxlanVni,
} from './encapsulation/vxlan-header.js'
export {
  decapsulateEthernet,
  decapsulateGre,
  decapsulateIp,
  decapsulateUdp,
  Decapsulation,
  type DecapsulationOptions,
  type DecapsulationVerdict,
} from './encapsulation/decapsulate.js'
export { decodeTunnelPacket, type TunnelPacket } from './encapsulation/tunnel-packet.js'
