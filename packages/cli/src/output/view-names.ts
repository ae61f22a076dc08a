import type { BgpTable, ViewName } from '@heddle/agent'
import type { FamilyName } from '@heddle/bgp'
import type { Encapsulation } from '@heddle/core'

// Names without what they name, so that a command line is read without loading a speaker.

const NAMES: Readonly<Record<ViewName, true>> = {
  neighbors: true,
  vrfs: true,
  routes: true,
  labels: true,
  tunnels: true,
  drops: true,
  endpoints: true,
  services: true,
  bfd: true,
  dataplane: true,
  bpf: true,
}

/** What `heddle show` can show. */
export const VIEW_NAMES = Object.keys(NAMES) as readonly ViewName[]

const ENCAPSULATIONS: Readonly<Record<Encapsulation, true>> = {
  'mpls-udp': true,
  'mpls-udp-joint': true,
  'mpls-gre': true,
  mpls: true,
  vxlan: true,
}

/** By which a packet may come from the underlay. */
export const ENCAPSULATION_NAMES = Object.keys(ENCAPSULATIONS) as readonly Encapsulation[]

const TABLES: Readonly<Record<BgpTable, true>> = { 'adj-in': true, 'loc-rib': true, 'adj-out': true }

/** Tables that `heddle show bgp routes` can show. */
export const BGP_TABLE_NAMES = Object.keys(TABLES) as readonly BgpTable[]

const FAMILIES: Readonly<Record<FamilyName, true>> = {
  'ipv4-unicast': true,
  'ipv6-unicast': true,
  'ipv4-multicast': true,
  'ipv6-multicast': true,
  'ipv4-labeled-unicast': true,
  'ipv6-labeled-unicast': true,
  'vpnv4-unicast': true,
  'vpnv6-unicast': true,
  rtc: true,
  'l2vpn-evpn': true,
  'l2vpn-vpls': true,
  'ipv4-flowspec': true,
  'ipv6-flowspec': true,
  'vpnv4-flowspec': true,
  'vpnv6-flowspec': true,
  'l2vpn-flowspec': true,
  'vpnv4-multicast': true,
  'vpnv6-multicast': true,
  'ipv4-mcast-vpn': true,
  'ipv6-mcast-vpn': true,
  'ipv4-sr-policy': true,
  'ipv6-sr-policy': true,
  'ipv4-mup': true,
  'ipv6-mup': true,
  'bgp-ls': true,
  'bgp-ls-vpn': true,
}

/** Families that a speaker exchanges. */
export const FAMILY_NAMES = Object.keys(FAMILIES) as readonly FamilyName[]
