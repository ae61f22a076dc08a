import { arrayOf, closed, type JsonSchema } from './json-schema.js'
import { address, bfdTiming, boolean, host, integer, name, oneOf, port, prefix } from './value-schemas.js'

const prefixes: JsonSchema = { type: 'array', items: prefix, uniqueItems: true }
const endpoints: JsonSchema = { ...prefixes, description: 'endpoints with an address in one of these; all of the VRF when left out' }

const range: JsonSchema = {
  anyOf: [integer(0, 65_535), { type: 'string', pattern: '^[0-9]{1,5}(-[0-9]{1,5})?$' }],
  description: 'a port or a range of ports such as 8000-8080',
}

const rule = closed(
  {
    action: oneOf('allow', 'deny'),
    peers: prefixes,
    locals: prefixes,
    protocol: {
      anyOf: [oneOf('tcp', 'udp', 'sctp', 'icmp', 'icmpv6'), integer(0, 255)],
      description: 'tcp, udp, sctp, icmp, icmpv6 or an IP protocol number',
    },
    ports: arrayOf(range),
    sourcePorts: arrayOf(range),
    icmpTypes: arrayOf(closed({ type: integer(0, 255), code: integer(0, 255) }, ['type'])),
    mirror: { ...name, description: 'one of mirrors' },
  },
  ['action'],
)

const direction = closed({ default: { ...oneOf('allow', 'deny'), default: 'deny' }, rules: arrayOf(rule) }, ['rules'])

const policy = closed({ name, vrf: name, endpoints, ingress: direction, egress: direction }, ['name', 'vrf'])

const backend = closed(
  { address: host, port, weight: integer(0, 0xffff_ffff, { default: 1 }), draining: boolean(false, 'whether it gets no new flows') },
  ['address'],
)

const seconds = (minimum: number, fallback: number, description: string): JsonSchema => ({
  type: 'number',
  minimum,
  maximum: 3_600,
  default: fallback,
  description: `${description}, ${minimum}–3600 seconds`,
})

const health = closed(
  {
    type: oneOf('tcp', 'http'),
    port,
    interval: seconds(0.1, 5, 'from one question to the next'),
    timeout: seconds(0.01, 1, 'how long an answer is waited for'),
    rise: integer(1, 1000, { default: 2, description: 'answers in a row that bring a backend back' }),
    fall: integer(1, 1000, { default: 3, description: 'failures in a row that take it away' }),
    path: { type: 'string', pattern: '^/[!-~]*$', default: '/', description: 'of http: what is asked for, from / on' },
    status: {
      anyOf: [integer(100, 599), { type: 'string', pattern: '^[1-5][0-9]{2}(-[1-5][0-9]{2})?$' }],
      default: '200-399',
      description: 'of http: a status or a range such as 200-399',
    },
  },
  ['type'],
)

const service = closed(
  {
    name,
    vrf: name,
    address: host,
    protocol: oneOf('tcp', 'udp', 'sctp'),
    port,
    backends: arrayOf(backend),
    affinity: integer(1, 0xffff_ffff, { description: 'seconds for which a quiet client comes to the same backend again' }),
    nat: { ...oneOf('destination', 'both'), default: 'destination' },
    health,
    advertise: boolean(true, 'whether others are told a host route to the address'),
  },
  ['name', 'vrf', 'address', 'protocol', 'port', 'backends'],
)

const nat = closed(
  {
    vrf: { ...name, description: 'the VRF that is hidden' },
    outside: { ...name, description: 'the VRF that it is hidden in' },
    address: { ...host, description: 'the address that it is hidden behind' },
    ports: {
      type: 'string',
      pattern: '^[1-9][0-9]{0,4}-[0-9]{1,5}$',
      default: '1024-65535',
      description: 'a range of ports such as 1024-65535',
    },
    destinations: { ...prefixes, description: 'what it sends outside; everything when left out' },
  },
  ['vrf', 'outside', 'address'],
)

const mirror = closed(
  {
    name,
    vrf: { ...name, description: 'the VRF whose endpoints are copied; none for a mirror that only rules name' },
    endpoints,
    direction: { ...oneOf('ingress', 'egress', 'both'), default: 'both' },
    collector: { ...address, description: 'where ERSPAN frames are sent on the underlay' },
    session: integer(0, 1023, { description: 'ERSPAN session, 0–1023' }),
    snapLength: integer(1, 65_535, { description: 'octets of a packet that are copied at most' }),
  },
  ['name', 'collector', 'session'],
)

const bfd = closed(
  {
    tunnels: closed(bfdTiming, []),
  },
  [],
)

/** What is done with the traffic of VRFs, by the keys of the file. */
export const trafficSchemas: Readonly<Record<string, JsonSchema>> = {
  policies: { ...arrayOf(policy), description: 'which connections endpoints may open and be opened to' },
  services: { ...arrayOf(service), description: 'virtual addresses with their backends' },
  nat: { ...arrayOf(nat), description: 'VRFs that are hidden behind an address in another one' },
  mirrors: { ...arrayOf(mirror), description: 'copies of packets for collectors' },
  bfd: { ...bfd, description: 'who is watched by BFD' },
}
