/** EtherTypes (IANA "ETHER TYPES"; RFC 9542 §B). */
export const ETHER_TYPE_IPV4 = 0x0800
/** ARP (RFC 826). */
export const ETHER_TYPE_ARP = 0x0806
/** Transparent Ethernet bridging: an Ethernet frame inside GRE (RFC 1701). */
export const ETHER_TYPE_TRANSPARENT_ETHERNET = 0x6558
/** Customer VLAN tag (IEEE 802.1Q). */
export const ETHER_TYPE_VLAN = 0x8100
/** IPv6 (RFC 2464 §3). */
export const ETHER_TYPE_IPV6 = 0x86dd
/** RFC 5332 §3. */
export const ETHER_TYPE_MPLS = 0x8847
/** MPLS with an upstream-assigned label (RFC 5332 §3). */
export const ETHER_TYPE_MPLS_UPSTREAM = 0x8848
/** Service VLAN tag (IEEE 802.1ad). */
export const ETHER_TYPE_SERVICE_VLAN = 0x88a8

/** IP protocol numbers and IPv6 next headers (IANA "Assigned Internet Protocol Numbers"). */
export const IP_PROTOCOL_HOP_BY_HOP = 0
/** ICMP for IPv4 (RFC 792). */
export const IP_PROTOCOL_ICMP = 1
/** IPv4 in IP (RFC 2003). */
export const IP_PROTOCOL_IPV4 = 4
/** TCP (RFC 9293). */
export const IP_PROTOCOL_TCP = 6
/** UDP (RFC 768). */
export const IP_PROTOCOL_UDP = 17
/** IPv6 in IP (RFC 2473). */
export const IP_PROTOCOL_IPV6 = 41
/** Routing header (RFC 8200 §4.4). */
export const IP_PROTOCOL_ROUTING = 43
/** Fragment header (RFC 8200 §4.5). */
export const IP_PROTOCOL_FRAGMENT = 44
/** GRE (RFC 2784). */
export const IP_PROTOCOL_GRE = 47
/** Encapsulating security payload (RFC 4303). */
export const IP_PROTOCOL_ESP = 50
/** Authentication header (RFC 4302). */
export const IP_PROTOCOL_AUTHENTICATION = 51
/** ICMP for IPv6 (RFC 4443). */
export const IP_PROTOCOL_ICMPV6 = 58
/** Nothing follows (RFC 8200 §4.7). */
export const IP_PROTOCOL_NO_NEXT_HEADER = 59
/** Destination options header (RFC 8200 §4.6). */
export const IP_PROTOCOL_DESTINATION_OPTIONS = 60
/** MPLS directly in IP (RFC 4023 §3). */
export const IP_PROTOCOL_MPLS = 137
