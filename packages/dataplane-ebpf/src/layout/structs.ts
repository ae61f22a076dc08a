import { Struct } from './struct.js'

/* The structures of `bpf/layout.h`, in its order; a test compares the two by the type information of the object file. */

/** Changes with every change of the layouts: pinned maps of another version are not adopted. */
export const LAYOUT_VERSION = 11

export const MAX_ALLOWED_SOURCES = 16
export const MAX_GATEWAYS = 8
export const MAX_LABELS = 16
export const MAX_MEMBERS = 64
export const MAX_NAME = 120
/** Of one policy; see `bpf/rules.h`. */
export const MAX_ATOMS = 4096
/** Of one service; see `bpf/backend.h`. */
export const MAX_BACKENDS = 4096
export const MAX_REQUEST = 4000
/** Buckets that the flows of a group are spread over. */
export const BUCKETS = 256
export const MAX_HEADERS = 128
/** No VRF, no VNI. */
export const NONE = 0xffff_ffff
/** Entries of a block of the FIB. */
export const BLOCK = 256

export const CONFIG = new Struct('config', {
  layout_version: 'u32',
  uplink: 'u32',
  generation: 'u64',
  underlay_mtu: 'u32',
  uplink_mtu: 'u32',
  encapsulations: 'u32',
  policy_version: 'u32',
  avoided: 'u32',
  translates: 'u32',
  nat_version: 'u32',
  epoch: 'u32',
  down: 'u32',
  watch_version: 'u32',
  liveness_version: 'u32',
  keeper_order: 'u32',
  keeper_version: 'u32',
  observes: 'u32',
})

export const VRF = new Struct('vrf', { root4: 'u32', root6: 'u32', name_length: 'u32', name: ['u8', MAX_NAME] })

export const PREFIX = new Struct('prefix', { family: 'u32', length: 'u32', address: ['u32', 4], mask: ['u32', 4] })

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
})

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
  reserved: 'u32',
  router_mac: ['u8', 8],
  headers: ['u8', MAX_HEADERS],
})

export const WATCH = new Struct('watch', {
  family: 'u32',
  is_multihop: 'u32',
  local: ['u32', 4],
  remote: ['u32', 4],
  desired_min_tx: 'u32',
  required_min_rx: 'u32',
  multiplier: 'u32',
})

export const LIVENESS = new Struct('liveness', {
  is_down: 'u32',
  is_known: 'u32',
  downs: 'u32',
  state: 'u32',
  diagnostic: 'u32',
  remote_state: 'u32',
  discriminator: 'u32',
  remote_discriminator: 'u32',
  remote_min_rx: 'u32',
  remote_desired_min_tx: 'u32',
  remote_multiplier: 'u32',
  remote_demand: 'u32',
  polling: 'u32',
  active_min_tx: 'u32',
  active_min_rx: 'u32',
})

export const MEMBER = new Struct('member', { next_hop: 'u32', weight: 'u32' })

export const GROUP = new Struct('group', { seed: 'u32', count: 'u32', members: [MEMBER, MAX_MEMBERS], buckets: ['u8', BUCKETS] })

export const LABEL = new Struct('label', { action: 'u32', target: 'u32', sources: 'u32', uniform_class: 'u32', says_default: 'u32' })

export const VNI = new Struct('vni', { vrf: 'u32', sources: 'u32', router_mac: ['u8', 8] })

export const SOURCE_SET = new Struct('source_set', { count: 'u32' })

export const SOURCE_HOST_KEY = new Struct('source_host_key', { set: 'u32', family: 'u32', address: ['u32', 4] })

export const SOURCE_NET_KEY = new Struct('source_net_key', { length: 'u32', set: 'u32', family: 'u32', address: ['u32', 4] })

export const LOCAL_KEY = new Struct('local_key', { family: 'u32', address: ['u32', 4] })

export const LINK = new Struct('link', {
  ifindex: 'u32',
  peer_ifindex: 'u32',
  peer_mtu: 'u32',
  is_local: 'u32',
  mac: ['u8', 8],
  peer_mac: ['u8', 8],
})

export const OBSERVED_KEY = new Struct('observed_key', { port: 'u32', direction: 'u32' })

export const COPIED = new Struct('copied', {
  port: 'u32',
  direction: 'u32',
  mirror: 'u32',
  reserved: 'u32',
  length: 'u32',
  kept: 'u32',
  time: 'u64',
})

export const MAX_TRACES = 16
export const MAX_TRACE_ENDS = 4
const MAX_TRACED = 128
const MAX_NOTES = 32

export const TRACE_FILTER = new Struct('trace_filter', {
  is_there: 'u32',
  trace: 'u32',
  vrf: 'u32',
  protocol: 'u32',
  port: 'u32',
  dropped: 'u32',
  end_count: 'u32',
  sequence: 'u32',
  ends: [PREFIX, MAX_TRACE_ENDS],
})

export const NOTE = new Struct('note', {
  kind: 'u32',
  result: 'u32',
  first: 'u32',
  second: 'u32',
  label: 'u32',
  family: 'u32',
  address: ['u32', 4],
})

export const TOLD = new Struct('told', { trace: 'u32', sequence: 'u32' })

export const TRACED = new Struct('traced', {
  time: 'u64',
  port: 'u32',
  encapsulation: 'u32',
  family: 'u32',
  source: ['u32', 4],
  vrf: 'u32',
  outcome: 'u32',
  reason: 'u32',
  length: 'u32',
  kept: 'u32',
  is_read: 'u32',
  fitting: 'u32',
  told_count: 'u32',
  noted: 'u32',
  packet: ['u8', MAX_TRACED],
  told: [TOLD, MAX_TRACES],
  notes: [NOTE, MAX_NOTES],
})

export const REQUEST = new Struct('request', { length: 'u32', text: ['u8', MAX_REQUEST] })

export const ROUTE_ROW = new Struct('route_row', { vrf: 'u32', prefix: 'u32', address: ['u32', 4], group: 'u32', reserved: 'u32' })

export const OBJECT_COUNTERS = new Struct('object_counters', { packets: 'u64', octets: 'u64' })

/** Slots of a block of counters. */
export const COUNTS = 1024

export const COUNTED = new Struct('counted', { slot: 'u32', reserved: 'u32', before: [OBJECT_COUNTERS, 3] })

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

/** All of them, for the test. */
export const STRUCTS: readonly Struct[] = [
  CONFIG,
  VRF,
  PREFIX,
  ATOM,
  POLICY,
  PORT_POLICY,
  PORT,
  NEXT_HOP,
  WATCH,
  LIVENESS,
  MEMBER,
  GROUP,
  LABEL,
  VNI,
  SOURCE_SET,
  SOURCE_HOST_KEY,
  SOURCE_NET_KEY,
  LOCAL_KEY,
  LINK,
  OBSERVED_KEY,
  COPIED,
  TRACE_FILTER,
  NOTE,
  TOLD,
  TRACED,
  REQUEST,
  ROUTE_ROW,
  OBJECT_COUNTERS,
  COUNTED,
  FLOW_KEY,
  FLOW,
  FLOW_COUNT,
  SERVICE_KEY,
  SERVICE,
  BACKEND,
  VIRTUAL_KEY,
  NAT_POOL,
  POOL_KEY,
  NAT_FLOW,
  NAT_FRAGMENT,
  AFFINITY_KEY,
  AFFINITY,
] as readonly Struct[]
