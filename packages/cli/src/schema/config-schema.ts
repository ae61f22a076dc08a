import { SPOKEN_FAMILIES } from '@heddle/bgp'
import { closed, document, type JsonSchema } from './json-schema.js'

/** Name of a node, VRF or the like: usable as a file name. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'
/** Device name as Linux takes it. */
export const IFNAME_PATTERN = '^(?!\\.{1,2}$)[^\\s/:]{1,15}$'
/** Absolute path without a trailing slash. */
export const PATH_PATTERN = '^(/[^/\\0]+)+$'

const ADMINISTRATOR = 'ASN:NUMBER or IPV4:NUMBER, e.g. 65000:1'

const name: JsonSchema = { type: 'string', pattern: NAME_PATTERN, description: '1–63 letters, digits, ".", "_" or "-"' }
const address: JsonSchema = { type: 'string', format: 'ip-address', description: 'an IPv4 or IPv6 address' }
const host: JsonSchema = { type: 'string', format: 'ip-host', description: 'an IPv4 or IPv6 host address' }
const prefix: JsonSchema = { type: 'string', format: 'ip-prefix', description: 'an IPv4 or IPv6 prefix without host bits' }
const as: JsonSchema = { type: 'integer', minimum: 1, maximum: 4_294_967_295, description: 'an AS number' }
const label: JsonSchema = { type: 'integer', minimum: 16, maximum: 1_048_575, description: 'an MPLS label' }
const rd: JsonSchema = { type: 'string', format: 'route-distinguisher', description: `a route distinguisher: ${ADMINISTRATOR}` }
const routeTargets: JsonSchema = {
  type: 'array',
  items: { type: 'string', format: 'route-target', description: `a route target: ${ADMINISTRATOR}` },
  uniqueItems: true,
}

const staticRoutes: JsonSchema = {
  type: 'array',
  items: closed(
    { prefix, via: { type: 'string', format: 'next-hop', description: 'the address of an endpoint of the VRF on this node, or discard' } },
    ['prefix', 'via'],
  ),
}
const tunnelSources: JsonSchema = {
  type: 'array',
  items: prefix,
  uniqueItems: true,
  description: 'underlay prefixes that may send into the VRF besides the next hops of its routes',
}

const neighbor = closed(
  {
    address,
    port: { type: 'integer', minimum: 1, maximum: 65_535, default: 179, description: 'TCP port of the neighbour' },
    as,
    families: {
      type: 'array',
      items: { type: 'string', enum: SPOKEN_FAMILIES },
      minItems: 1,
      uniqueItems: true,
      default: ['vpnv4-unicast', 'vpnv6-unicast', 'rtc'],
    },
    passive: { type: 'boolean', default: false, description: 'never connect, only accept' },
    routeReflectorClient: { type: 'boolean', default: false },
    gracefulRestart: { type: 'boolean', default: true, description: 'keep routes and forwarding over a restart (RFC 4724)' },
    localAddress: { ...address, description: 'address to connect from; default the address of the node' },
  },
  ['address', 'as'],
)

const bgp = closed(
  {
    as,
    routerId: { type: 'string', format: 'router-id', description: 'an IPv4 address that is not 0.0.0.0; default the address of the node' },
    holdTime: { type: 'integer', anyOf: [{ const: 0 }, { minimum: 3, maximum: 65_535 }], default: 90, description: '0 or 3–65535 seconds' },
    restartTime: { type: 'integer', minimum: 1, maximum: 4_095, default: 120, description: 'seconds that peers wait for our restart' },
    listen: {
      type: 'array',
      items: closed({ address, port: { type: 'integer', minimum: 0, maximum: 65_535, default: 179 } }, ['address']),
    },
    neighbors: { type: 'array', items: neighbor },
    networks: {
      type: 'array',
      description: 'VPN routes that the speaker originates',
      items: closed({ rd, prefix, label, nextHop: address, routeTargets }, ['rd', 'prefix', 'label', 'routeTargets']),
    },
  },
  ['as'],
)

/** An endpoint, in the file and over the control socket. */
export const endpointSchema: JsonSchema = closed(
  {
    vrf: name,
    netns: { type: 'string', pattern: PATH_PATTERN, description: 'absolute path of a network namespace, e.g. /run/netns/pod' },
    ifname: { type: 'string', pattern: IFNAME_PATTERN, description: 'a device name of 1–15 characters' },
    addresses: { type: 'array', items: host, minItems: 1, uniqueItems: true },
  },
  ['vrf', 'netns', 'ifname', 'addresses'],
)

const socket: JsonSchema = {
  type: 'string',
  pattern: PATH_PATTERN,
  maxLength: 96,
  description: 'an absolute path of at most 96 characters',
}

const cniPool = closed(
  {
    prefix,
    first: address,
    last: address,
    gateway: address,
    exclude: { type: 'array', items: prefix, uniqueItems: true },
    block: closed(
      {
        length: { type: 'integer', minimum: 0, maximum: 128, description: 'the length of a block, at least that of the pool' },
        indices: { type: 'array', items: { type: 'integer', minimum: 0, maximum: 4_294_967_295 }, minItems: 1, uniqueItems: true },
      },
      ['length', 'indices'],
    ),
  },
  ['prefix'],
)

const cni = closed(
  {
    socket,
    store: { type: 'string', pattern: PATH_PATTERN, description: 'absolute path of the file that keeps what is attached' },
    annotation: { type: 'string', minLength: 1, description: 'the key of the pod annotation that names a network' },
    quarantine: {
      type: 'integer',
      minimum: 0,
      maximum: 86_400,
      default: 60,
      description: '0–86400 seconds before an address is given out again',
    },
    networks: {
      type: 'array',
      minItems: 1,
      items: closed({ name, vrf: name, pools: { type: 'array', items: cniPool }, nameservers: { type: 'array', items: address } }, [
        'name',
      ]),
    },
  },
  ['networks'],
)

const speakerKeys = { node: closed({ name, address }, ['name', 'address']), socket, bgp }

const nodeKeys = {
  ...speakerKeys,
  vrfs: {
    type: 'array',
    items: closed({ name, rd, import: routeTargets, export: routeTargets, staticRoutes, tunnelSources }, ['name', 'rd']),
  },
  endpoints: {
    type: 'array',
    items: endpointSchema,
  },
  dataplane: closed(
    {
      kind: { type: 'string', enum: ['memory', 'tun', 'ebpf'] },
      uplink: { type: 'string', minLength: 1, maxLength: 15, description: 'for ebpf: link that the underlay is on' },
      inProcess: { type: 'boolean', default: false, description: 'keep the forwarder inside the process of the agent' },
      underlayMtu: { type: 'integer', minimum: 1_280, maximum: 65_535, description: 'largest packet of the underlay in octets' },
    },
    ['kind'],
  ),
  cni,
}

/** What `heddle node --config` reads. */
export const nodeSchema: JsonSchema = document('node', 'Configuration of heddle node', closed(nodeKeys, ['node', 'bgp']))

/** What `heddle speaker --config` reads. */
export const speakerSchema: JsonSchema = document('speaker', 'Configuration of heddle speaker', closed(speakerKeys, ['node', 'bgp']))
