import { Struct } from '../struct.js'

/* Structures of next hops, groups and routes: `bpf/layout/next_hop.h`. */

export const MAX_LABELS = 16

export const MAX_MEMBERS = 64

/** Buckets that the flows of a group are spread over. */
export const BUCKETS = 256

export const MAX_HEADERS = 128

/** Entries of a block of the FIB. */
export const BLOCK = 256

export const NEXT_HOP = new Struct('next_hop', {
  action: 'u32',
  target: 'u32',
  has_reason: 'u32',
  encapsulation: 'u32',
  family: 'u32',
  uniform_ttl: 'u32',
  uniform_class: 'u32',
  normal_ecn: 'u32',
  size: 'u32',
  label_count: 'u32',
  stack: 'u32',
  labels: ['u32', MAX_LABELS],
  local: ['u32', 4],
  remote: ['u32', 4],
  vni: 'u32',
  says_default: 'u32',
  has_router_mac: 'u32',
  liveness: 'u32',
  path_mtu: 'u32',
  router_mac: ['u8', 8],
  headers: ['u8', MAX_HEADERS],
})

export const MEMBER = new Struct('member', { next_hop: 'u32', weight: 'u32' })

export const GROUP = new Struct('group', { seed: 'u32', count: 'u32', members: [MEMBER, MAX_MEMBERS], buckets: ['u8', BUCKETS] })

export const ROUTE_ROW = new Struct('route_row', { vrf: 'u32', prefix: 'u32', address: ['u32', 4], group: 'u32', reserved: 'u32' })
