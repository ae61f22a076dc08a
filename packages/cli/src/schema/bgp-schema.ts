import { SPOKEN_FAMILIES, type GracefulRestartConfig } from '@heddle/bgp'
import type { BgpSection, DynamicNeighborSection, NeighborGroupSection, NeighborSection } from '../config/bgp-document.js'
import { arrayOf, closed, text, type JsonSchema } from './json-schema.js'
import { policiesSchema, policyUseSchema } from './policy-schema.js'
import {
  address,
  as,
  bfdTiming,
  boolean,
  integer,
  label,
  name,
  oneOf,
  path,
  port,
  prefix,
  rd,
  routeTargets,
  routerId,
} from './value-schemas.js'
import type { RowSchema } from './view-schemas.js'

/** A schema for each key, so that what the speaker can do can be configured. */
type SectionSchema<Section> = RowSchema<Required<Section>>

const seconds = (most: number, more: JsonSchema = {}): JsonSchema => ({
  type: 'number',
  minimum: 0,
  maximum: most,
  description: `0–${most} seconds`,
  ...more,
})
const holdTime: JsonSchema = {
  type: 'integer',
  anyOf: [{ const: 0 }, { minimum: 3, maximum: 65_535 }],
  default: 90,
  description: '0 or 3–65535 seconds; with 0 silence ends no session, and a peer that is cut off keeps routes for longer than labels rest',
}
const longLived = integer(0, 16_777_215, { default: 0, description: 'seconds that routes are kept as the last choice (RFC 9494)' })
const restartTime = integer(1, 4_095, { default: 120, description: 'seconds that peers wait for our restart' })

const restartFields: RowSchema<Required<GracefulRestartConfig>> = {
  restartTime,
  forwardingPreserved: boolean(true),
  notification: boolean(false, 'a session that ends by NOTIFICATION restarts too (RFC 8538)'),
  longLived,
}

const secret: Readonly<Record<'key' | 'keyFile' | 'keyEnv', JsonSchema>> = {
  key: { type: 'string', minLength: 1, maxLength: 80, writeOnly: true, description: 'the key itself: text of 1–80 octets' },
  keyFile: { type: 'string', minLength: 1, description: 'a file whose first line is the key, relative to the configuration' },
  keyEnv: { type: 'string', pattern: '^[A-Za-z_][A-Za-z0-9_]*$', description: 'the name of an environment variable that has the key' },
}
const authentication = closed(
  {
    kind: oneOf('tcp-md5', 'tcp-ao'),
    ...secret,
    keys: {
      type: 'array',
      minItems: 1,
      items: closed(
        { sendId: integer(0, 255), receiveId: integer(0, 255), algorithm: oneOf('hmac-sha-1-96', 'aes-128-cmac-96'), ...secret },
        ['sendId', 'receiveId', 'algorithm'],
      ),
    },
  },
  ['kind'],
)

const maxPrefixes = closed(
  {
    limit: integer(1, 4_294_967_295),
    warning: integer(1, 100, { default: 75, description: 'percent of the limit' }),
    warnOnly: boolean(false),
    restart: seconds(86_400),
  },
  ['limit'],
)
const familyList: JsonSchema = {
  type: 'array',
  items: { type: 'string', enum: SPOKEN_FAMILIES },
  minItems: 1,
  uniqueItems: true,
  description: 'default vpnv4-unicast, vpnv6-unicast, rtc, and l2vpn-evpn where a VRF has a VNI',
}

const groupFields: SectionSchema<NeighborGroupSection> = {
  port: { ...port, default: 179, description: 'TCP port of the neighbour' },
  as,
  localAddress: { ...address, description: 'address to connect from; default the address of the node' },
  families: familyList,
  passive: boolean(false, 'never connect, only accept'),
  routeReflectorClient: boolean(false),
  gracefulRestart: {
    ...closed(restartFields, []),
    type: ['boolean', 'object'],
    default: true,
    description: 'keep routes and forwarding over a restart (RFC 4724)',
  },
  holdTime: { ...holdTime, description: '0 or 3–65535 seconds; default that of bgp' },
  connectRetry: seconds(3_600, { default: 10 }),
  advertisementInterval: seconds(3_600, { default: 0 }),
  delayOpen: seconds(3_600, { default: 0 }),
  nextHop: { ...oneOf('auto', 'self', 'unchanged'), default: 'auto' },
  importPolicy: policyUseSchema,
  exportPolicy: policyUseSchema,
  allowAsIn: integer(0, 10, { default: 0 }),
  asOverride: boolean(false),
  privateAs: oneOf('remove', 'replace'),
  enforceFirstAs: boolean(false),
  flowspecValidation: {
    type: 'boolean',
    description:
      "follow rules of FlowSpec only where the unicast routes are their sender's (RFC 8955 §6); default: those of peers in other ASes",
  },
  routeServerClient: boolean(false),
  gracefulShutdown: boolean(false, 'routes both ways become the last choice (RFC 8326)'),
  role: oneOf('provider', 'route-server', 'route-server-client', 'customer', 'peer'),
  roleStrict: boolean(false),
  addPath: oneOf('send', 'receive', 'both'),
  addPathLimit: integer(1, 64, { description: 'no more than so many paths to a destination, the best ones' }),
  multihop: integer(1, 255),
  ttlSecurity: integer(1, 255),
  bfd: {
    ...closed({ ...bfdTiming, hops: oneOf('single', 'multiple') }, []),
    type: ['boolean', 'object'],
    default: false,
    description: 'whether BFD ends the session when the way to the peer breaks (RFC 5882), and how it watches',
  },
  authentication,
  sendHoldTime: integer(0, 65_535, { default: 480 }),
  maxPrefixes: {
    ...closed(Object.fromEntries(SPOKEN_FAMILIES.map((family) => [family, maxPrefixes])), []),
    description: 'limits by family',
  },
  limits: closed({ asPath: integer(1, 16_383, { default: 1_024 }), attributes: integer(64, 65_535, { default: 65_535 }) }, []),
  collisionDetectEstablished: boolean(false),
  vrf: { ...name, description: 'one of bgp.vrfs, which the peer is a customer of (RFC 4364)' },
  siteOfOrigin: { type: 'string', format: 'route-target', description: 'the site of the peer: ADMINISTRATOR:NUMBER' },
  description: text,
}
const neighborAddress: JsonSchema = {
  type: 'string',
  format: 'neighbor-address',
  description: 'an IPv4 or IPv6 address, ADDRESS%DEVICE, or %DEVICE for whoever is at the other end of it',
}
const neighborFields: SectionSchema<NeighborSection> = { address: neighborAddress, group: name, ...groupFields }
const { passive: _passive, port: _port, connectRetry: _retry, ...acceptedFields } = groupFields
const dynamicFields: SectionSchema<DynamicNeighborSection> = {
  prefix,
  limit: integer(1, 10_000, { default: 100 }),
  group: name,
  ...acceptedFields,
}

const network = closed(
  {
    rd,
    prefix,
    label,
    nextHop: address,
    routeTargets,
    localPref: integer(0, 4_294_967_295),
    med: integer(0, 4_294_967_295),
    origin: { ...oneOf('igp', 'egp', 'incomplete'), default: 'igp' },
    communities: arrayOf(text),
    largeCommunities: arrayOf(text),
    extendedCommunities: arrayOf(text),
  },
  ['prefix'],
)

const table = oneOf('adj-in-pre', 'adj-in-post', 'loc-rib', 'adj-out')
const station = closed(
  {
    address,
    port,
    tables: { type: 'array', items: table, minItems: 1, uniqueItems: true, default: ['adj-in-pre', 'adj-in-post', 'loc-rib', 'adj-out'] },
    statistics: integer(0, 86_400, { default: 60, description: '0–86400 seconds between statistics reports; 0: none' }),
    queue: integer(65_536, 1_073_741_824, { default: 16_777_216, description: '65536–1073741824 octets that may wait for the station' }),
  },
  ['address', 'port'],
)
const vrf = closed(
  { name, rd, import: routeTargets, export: routeTargets, label, as: { ...as, description: 'by which customers know us; default bgp.as' } },
  ['name', 'rd', 'label'],
)
const rtrServer = closed({ address, port: { ...port, default: 323 } }, ['address'])
const mrt = closed(
  {
    table: closed({ path, interval: integer(1, 604_800, { default: 7_200, description: '1–604800 seconds between dumps' }) }, ['path']),
    updates: closed({ path }, ['path']),
  },
  [],
)

const bgpFields: SectionSchema<BgpSection> = {
  as,
  routerId: { ...routerId, description: 'an IPv4 address that is not 0.0.0.0; default the address of the node' },
  clusterId: { ...routerId, description: 'an IPv4 address that is not 0.0.0.0; default the router id' },
  holdTime,
  restartTime,
  gracefulRestart: closed(
    {
      forwardingPreserved: boolean(true),
      notification: restartFields.notification,
      longLived,
      selectionDeferral: seconds(86_400, { default: 360 }),
      staleTime: seconds(86_400, { default: 360 }),
    },
    [],
  ),
  confederation: closed({ id: as, members: { type: 'array', items: as, uniqueItems: true } }),
  decision: closed({ alwaysCompareMed: boolean(false), multipath: integer(1, 64, { default: 1 }), multipathRelax: boolean(false) }, []),
  listen: { type: 'array', items: closed({ address, port: integer(0, 65_535, { default: 179 }) }, ['address']) },
  policies: policiesSchema,
  groups: {
    type: 'object',
    propertyNames: name,
    additionalProperties: closed(groupFields, []),
    description: 'what neighbours have in common, by name',
  },
  neighbors: { type: 'array', items: closed(neighborFields, ['address']) },
  dynamicNeighbors: { type: 'array', items: closed(dynamicFields, ['prefix']) },
  networks: { type: 'array', description: 'routes that the speaker originates', items: network },
  rtr: { type: 'array', items: rtrServer, description: 'caches of origin authorizations (RFC 8210), the preferred one first' },
  bmp: { type: 'array', items: station, description: 'stations that are told what is received, chosen and sent (RFC 7854)' },
  mrt,
  vrfs: { type: 'array', items: vrf, description: 'VRFs whose customers are neighbours (RFC 4364)' },
}

/** The section `bgp`. */
export const bgpSchema: JsonSchema = closed(bgpFields, ['as'])
