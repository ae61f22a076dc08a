import { Struct } from '../struct.js'

/* Structures of services and NAT pools: `bpf/layout/service.h`. */

/** Of one service; see `bpf/backend.h`. */
export const MAX_BACKENDS = 4096

export const SERVICE_KEY = new Struct('service_key', {
  vrf: 'u32',
  family: 'u32',
  address: ['u32', 4],
  protocol: 'u32',
  port: 'u32',
})

export const SERVICE = new Struct('service', {
  affinity: 'u64',
  id: 'u32',
  seed: 'u32',
  hides: 'u32',
  says_default: 'u32',
  backend: 'u32',
  backend_count: 'u32',
  is_even: 'u32',
  reserved: 'u32',
})

export const BACKEND = new Struct('backend', { address: ['u32', 4], port: 'u32', weight: 'u32', state: 'u32', reserved: 'u32' })

export const VIRTUAL_KEY = new Struct('virtual_key', { vrf: 'u32', family: 'u32', address: ['u32', 4] })

export const NAT_POOL = new Struct('nat_pool', {
  vrf: 'u32',
  outside: 'u32',
  family: 'u32',
  address: ['u32', 4],
  first: 'u32',
  last: 'u32',
})

export const POOL_KEY = new Struct('pool_key', { vrf: 'u32', outside: 'u32', family: 'u32' })

export const NAT_FLOW = new Struct('nat_flow', {
  seen: 'u64',
  told: 'u64',
  lifetime: 'u32',
  state: 'u32',
  source: ['u32', 4],
  destination: ['u32', 4],
  ports: 'u32',
  service: 'u32',
  peer_zone: 'u32',
  client: ['u32', 4],
  client_port: 'u32',
})

export const NAT_FRAGMENT = new Struct('nat_fragment', {
  seen: 'u64',
  version: 'u32',
  state: 'u32',
  source: ['u32', 4],
  destination: ['u32', 4],
  client: ['u32', 4],
  service: 'u32',
  reserved: 'u32',
})

export const AFFINITY_KEY = new Struct('affinity_key', { service: 'u32', family: 'u32', client: ['u32', 4] })

export const AFFINITY = new Struct('affinity', { seen: 'u64', lifetime: 'u64', address: ['u32', 4], port: 'u32', reserved: 'u32' })
