import { PREFIX } from './address.js'
import { Struct } from '../struct.js'

/* Structures of policies and of the flows that they allowed: `bpf/layout/policy.h`. */

/** Of one policy; see `bpf/rules.h`. */
export const MAX_ATOMS = 4096

export const ATOM = new Struct('atom', {
  kind: 'u32',
  first: 'u32',
  second: 'u32',
  conditions: 'u32',
  prefix: [PREFIX, 1],
  mirror: 'u32',
  reserved: 'u32',
})

export const POLICY = new Struct('policy', { port: 'u32', direction: 'u32', allows: 'u32', atom: 'u32', atom_count: 'u32' })

export const PORT_POLICY = new Struct('port_policy', { is_there: 'u32', allows: 'u32', atom: 'u32', atom_count: 'u32' })

export const FLOW_KEY = new Struct('flow_key', {
  zone: 'u32',
  protocol: 'u32',
  family: 'u32',
  low: ['u32', 4],
  high: ['u32', 4],
  ports: 'u32',
})

export const FLOW = new Struct('flow', {
  seen: 'u64',
  lifetime: 'u32',
  state: 'u32',
  version: 'u32',
  kind: 'u32',
  icmp_type: 'u32',
  icmp_code: 'u32',
  mirror: 'u32',
  reserved: 'u32',
})

export const FLOW_COUNT = new Struct('flow_count', { count: 'u32', recount: 'u32' })
