import type { JsonSchema } from './json-schema.js'

/** Name of a node, VRF or the like: usable as a file name. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'
/** Device name as Linux takes it. */
export const IFNAME_PATTERN = '^(?!\\.{1,2}$)[^\\s/:]{1,15}$'
/** Absolute path without a trailing slash. */
export const PATH_PATTERN = '^(/[^/\\0]+)+$'

const ADMINISTRATOR = 'ASN:NUMBER or IPV4:NUMBER, e.g. 65000:1'

export const name: JsonSchema = { type: 'string', pattern: NAME_PATTERN, description: '1–63 letters, digits, ".", "_" or "-"' }
export const address: JsonSchema = { type: 'string', format: 'ip-address', description: 'an IPv4 or IPv6 address' }
export const host: JsonSchema = { type: 'string', format: 'ip-host', description: 'an IPv4 or IPv6 host address' }
export const prefix: JsonSchema = { type: 'string', format: 'ip-prefix', description: 'an IPv4 or IPv6 prefix without host bits' }
export const routerId: JsonSchema = { type: 'string', format: 'router-id', description: 'an IPv4 address that is not 0.0.0.0' }
export const as: JsonSchema = { type: 'integer', minimum: 1, maximum: 4_294_967_295, description: 'an AS number' }
export const label: JsonSchema = { type: 'integer', minimum: 16, maximum: 1_048_575, description: 'an MPLS label' }
export const vni: JsonSchema = { type: 'integer', minimum: 1, maximum: 16_777_215, description: 'a VNI: 1–16777215' }
export const rd: JsonSchema = { type: 'string', format: 'route-distinguisher', description: `a route distinguisher: ${ADMINISTRATOR}` }
export const routeTargets: JsonSchema = {
  type: 'array',
  items: { type: 'string', format: 'route-target', description: `a route target: ${ADMINISTRATOR}` },
  uniqueItems: true,
}
export const port: JsonSchema = { type: 'integer', minimum: 1, maximum: 65_535 }
export const path: JsonSchema = { type: 'string', pattern: PATH_PATTERN, description: 'an absolute path' }

/** An integer of a range, in words where there is a description. */
export function integer(minimum: number, maximum: number, more: JsonSchema = {}): JsonSchema {
  return { type: 'integer', minimum, maximum, ...more }
}

/** `true` or `false`. */
export function boolean(byDefault: boolean, description?: string): JsonSchema {
  return { type: 'boolean', default: byDefault, ...(description === undefined ? {} : { description }) }
}

/** How soon BFD notices: properties of a section. */
export const bfdTiming: Readonly<Record<'interval' | 'multiplier', JsonSchema>> = {
  interval: integer(10, 60_000, { default: 300, description: '10–60000 milliseconds between packets' }),
  multiplier: integer(1, 255, { default: 3, description: '1–255 packets that may be missing' }),
}

/** One of `values`. */
export function oneOf(...values: readonly string[]): JsonSchema {
  return { type: 'string', enum: values }
}
