import { ENDPOINT_LINKS } from '@heddle/core'
import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { bgpSchema } from './bgp-schema.js'
import { closed, document, type JsonSchema } from './json-schema.js'
import { trafficSchemas } from './traffic-schema.js'
import { IFNAME_PATTERN, PATH_PATTERN, address, host, name, path, prefix, rd, routeTargets, vni } from './value-schemas.js'

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

const link: JsonSchema = {
  type: 'string',
  enum: [...ENDPOINT_LINKS],
  default: 'ip',
  description: 'what the device carries: IP packets, or Ethernet frames',
}

const rateLimit = (what: string): JsonSchema => ({
  ...closed(
    {
      bitsPerSecond: { type: 'integer', minimum: 1, maximum: 1e15, description: '1–10¹⁵ bits of IP packets a second' },
      burstOctets: {
        type: 'integer',
        minimum: 1,
        maximum: 536_870_911,
        description: '1–536870911 octets at once; default what a tenth of a second brings, at least 262144',
      },
    },
    ['bitsPerSecond'],
  ),
  description: what,
})
const rateLimits = closed({ egress: rateLimit('of what the endpoint sends'), ingress: rateLimit('of what is delivered to it') }, [])

/** An endpoint, in the file and over the control socket. */
export const endpointSchema: JsonSchema = closed(
  {
    vrf: name,
    netns: { type: 'string', pattern: PATH_PATTERN, description: 'absolute path of a network namespace, e.g. /run/netns/pod' },
    ifname: { type: 'string', pattern: IFNAME_PATTERN, description: 'a device name of 1–15 characters' },
    addresses: { type: 'array', items: host, minItems: 1, uniqueItems: true },
    routes: { type: 'array', items: prefix, uniqueItems: true, description: 'what the namespace sends to the device' },
    link,
    gateways: { type: 'array', items: address, maxItems: 2, description: 'addresses at which the router answers, one a family' },
    rateLimits,
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
      ['length'],
    ),
  },
  ['prefix'],
)

const cni = closed(
  {
    socket,
    store: { type: 'string', pattern: PATH_PATTERN, description: 'absolute path of the file that keeps what is attached' },
    blocks: { type: 'string', pattern: PATH_PATTERN, description: 'absolute path of a folder that all nodes share' },
    annotation: { type: 'string', minLength: 1, description: 'the key of the pod annotation that names a network' },
    quarantine: {
      type: 'integer',
      minimum: 0,
      maximum: 86_400,
      default: 60,
      description: '0–86400 seconds before an address is given out again',
    },
    metrics: closed({ address, port: { type: 'integer', minimum: 0, maximum: 65_535, description: 'a TCP port' } }, ['port']),
    nodeAddresses: { type: 'array', items: prefix, minItems: 1, maxItems: 2, description: 'a prefix a family for addresses on the node' },
    networks: {
      type: 'array',
      minItems: 1,
      items: closed(
        {
          name,
          vrf: name,
          namespaces: { type: 'array', items: { type: 'string', minLength: 1 }, uniqueItems: true, description: 'of Kubernetes' },
          pools: { type: 'array', items: cniPool },
          nameservers: { type: 'array', items: address },
          link,
          nodeAddress: { type: 'boolean', default: false, description: 'whether its pods can be reached from the node itself' },
          report: { type: 'string', enum: ['address', 'node-address'], default: 'address', description: 'what runtimes are told of' },
        },
        ['name'],
      ),
    },
  },
  ['networks'],
)

/** What the eBPF dataplane has another way for. */
const DISPENSABLE = [
  'tcx',
  'clsact',
  'netkit',
  'redirect-peer',
  'decap-l3',
  'kernel-packet',
  'xdp',
  'vxlan',
  'vxlan-gpe',
] as const satisfies readonly EbpfFeatureName[]
/** Largest table of the eBPF dataplane. */
const MOST = 4_194_304

const size = (least: number, what: string, value: number): JsonSchema => ({
  type: 'integer',
  minimum: least,
  maximum: MOST,
  default: value,
  description: `for ebpf: ${what}`,
})

const speakerKeys = { node: closed({ name, address }, ['name', 'address']), socket, bgp: bgpSchema }

const nodeKeys = {
  ...speakerKeys,
  vrfs: {
    type: 'array',
    items: closed({ name, rd, import: routeTargets, export: routeTargets, vni, staticRoutes, tunnelSources }, ['name', 'rd']),
  },
  endpoints: {
    type: 'array',
    items: endpointSchema,
  },
  dataplane: closed(
    {
      kind: { type: 'string', enum: ['memory', 'tun', 'ebpf'] },
      uplink: { type: 'string', minLength: 1, maxLength: 15, description: 'for ebpf: link that the underlay is on' },
      xdp: {
        type: 'string',
        enum: ['native', 'off'],
        description:
          'for ebpf: packets from tunnel to tunnel by XDP wherever the driver can and leaves tags of VLANs in frames, or never; default where labels are swapped and it does no harm. A node swaps none by itself: a gateway between tunnels (VRF to tunnel) has it by native alone. Many drivers reset the device when it comes and when it goes',
      },
      devices: {
        type: 'string',
        enum: ['veth', 'netkit'],
        description: 'for ebpf: what devices new endpoints get; default netkit where the kernel has it (Linux 6.7), else veth',
      },
      encapsulations: {
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: { type: 'string', enum: ['mpls-udp', 'mpls-udp-joint', 'mpls-gre', 'vxlan'] },
        description: 'for ebpf: what tunnels are sent and taken, the rest is left to the host; default all',
      },
      without: {
        type: 'array',
        uniqueItems: true,
        items: { type: 'string', enum: [...DISPENSABLE] },
        description: 'for ebpf: features of the kernel to do without although it may have them; heddle show dataplane names them',
      },
      routes: size(1, 'most routes', 262_144),
      fibBlocks: {
        type: 'integer',
        minimum: 1024,
        maximum: MOST,
        description: 'for ebpf: memory of the FIB in KiB, default a quarter of the routes and at least 65536',
      },
      flows: size(1024, 'most flows of policies, and of services and pools each', 65_536),
      endpointFlows: {
        type: 'integer',
        minimum: 1,
        maximum: MOST,
        description: 'most flows of policies of an endpoint, default half of those of all',
      },
      ports: size(1, 'most endpoints', 16_384),
      pinDirectory: {
        ...path,
        description: 'for ebpf: an absolute path, a directory for what outlives the agent; default beside the control socket',
      },
      inProcess: { type: 'boolean', default: false, description: 'keep the forwarder inside the process of the agent' },
      underlayMtu: { type: 'integer', minimum: 1_280, maximum: 65_535, description: 'largest packet of the underlay in octets' },
    },
    ['kind'],
  ),
  ...trafficSchemas,
  cni,
}

/** What `heddle node --config` reads. */
export const nodeSchema: JsonSchema = document('node', 'Configuration of heddle node', closed(nodeKeys, ['node', 'bgp']))

/** What `heddle speaker --config` reads. */
export const speakerSchema: JsonSchema = document('speaker', 'Configuration of heddle speaker', closed(speakerKeys, ['node', 'bgp']))
