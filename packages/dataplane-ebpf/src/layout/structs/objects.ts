import { PORT_POLICY } from './policy.js'
import { PREFIX } from './address.js'
import { Struct } from '../struct.js'

/* Structures of VRFs, ports, labels, VNIs and tunnel sources: `bpf/layout/objects.h`. */

export const MAX_ALLOWED_SOURCES = 16

export const MAX_GATEWAYS = 8

export const MAX_NAME = 120

export const MAX_REQUEST = 4000

export const VRF = new Struct('vrf', { root4: 'u32', root6: 'u32', name_length: 'u32', name: ['u8', MAX_NAME] })

export const PORT = new Struct('port', {
  kind: 'u32',
  vrf: 'u32',
  mtu: 'u32',
  carries: 'u32',
  clamps: 'u32',
  says_default: 'u32',
  allowed_count: 'u32',
  gateway_count: 'u32',
  allowed: [PREFIX, MAX_ALLOWED_SOURCES],
  gateways: [PREFIX, MAX_GATEWAYS],
  policies: [PORT_POLICY, 2],
  policy_version: 'u32',
  policy_since: 'u32',
  max_flows: 'u32',
  has_link: 'u32',
  link_mac: ['u8', 8],
  limits: 'u32',
})

export const LABEL = new Struct('label', { action: 'u32', target: 'u32', sources: 'u32', uniform_class: 'u32', says_default: 'u32' })

export const VNI = new Struct('vni', { vrf: 'u32', sources: 'u32', router_mac: ['u8', 8] })

export const SOURCE_SET = new Struct('source_set', { reserved: 'u32' })

export const SOURCE_HOST_KEY = new Struct('source_host_key', { set: 'u32', family: 'u32', address: ['u32', 4] })

export const SOURCE_NET_KEY = new Struct('source_net_key', { length: 'u32', set: 'u32', family: 'u32', address: ['u32', 4] })

export const LOCAL_KEY = new Struct('local_key', { family: 'u32', address: ['u32', 4] })

export const LINK = new Struct('link', {
  ifindex: 'u32',
  peer_ifindex: 'u32',
  peer_mtu: 'u32',
  is_local: 'u32',
  resolves: 'u32',
  reserved: 'u32',
  mac: ['u8', 8],
  peer_mac: ['u8', 8],
  endpoint_mac: ['u8', 8],
})

export const REQUEST = new Struct('request', { length: 'u32', text: ['u8', MAX_REQUEST] })
