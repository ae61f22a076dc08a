import { ByteReader, ByteWriter, ValueError, WireError } from '@heddle/wire'
import type { PathAttributes } from '../../attribute/path-attributes.js'
import type { Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import { decodeNlri, encodeNlri } from '../../nlri/registry.js'
import type { AttributeSets } from '../../rib/attribute-sets.js'
import type { LocalRoute } from '../route.js'
import { SpeakerError } from '../speaker-error.js'
import { FIRST_IMPORT_ID, vpnOf } from './vrf-routes.js'

/** Path identifier of a route; 0 without. */
export function pathIdOf(nlri: Nlri): number {
  return 'pathId' in nlri ? (nlri.pathId ?? 0) : 0
}

/**
 * Interns the attributes of routes that are to be originated, once all of them have been found fit for the wire.
 *
 * @returns a set for each route, with a reference for each
 * @throws SpeakerError `speaker.route`; then no reference is left
 */
export function internLocal(routes: readonly LocalRoute[], sets: AttributeSets): number[] {
  const out: number[] = []
  const checked = new Set<number>()
  try {
    routes.forEach((route, at) => {
      attempt(`routes[${at}]`, () => {
        const { family, nlri, vrf } = route
        if (vrf !== undefined) checkVrfRoute(route)
        checkNlri(nlri, family)
        const attributes = withDefaults(route)
        const address = route.nextHop ?? route.attributes?.nextHop
        const set = sets.intern({ attributes, ...(address === undefined ? {} : { nextHop: { address } }) })
        out.push(set)
        // numbers that are too large are cut off by the wire, so what the set says is compared
        if (!checked.has(set)) checkKept(attributes, sets.get(set).attributes)
        checked.add(set)
      })
    })
  } catch (error) {
    for (const set of out) sets.release(set)
    throw error
  }
  return out
}

const PLAIN = { addPath: false, withdraw: false } as const

/** @throws ValueError when it cannot stand in the family, or stands for more than one route */
function checkNlri(nlri: Nlri, family: Family): void {
  const out = new ByteWriter(64)
  encodeNlri(nlri, out, family, PLAIN)
  // octets are as good as what they mean
  if (nlri.kind === 'raw' && !isOneRoute(out.view(), family)) {
    throw new ValueError('bgp.nlri.raw', `${out.length} octets`, `the octets of one route of ${family.name}`)
  }
}

function isOneRoute(octets: Uint8Array, family: Family): boolean {
  try {
    return decodeNlri(new ByteReader(octets), family, PLAIN).length === 1
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    return false
  }
}

function checkVrfRoute({ family, nlri }: LocalRoute): void {
  if (vpnOf(family) === undefined) throw new ValueError('bgp.vrf.family', family.name, 'ipv4-unicast or ipv6-unicast in a VRF')
  if (pathIdOf(nlri) >= FIRST_IMPORT_ID)
    throw new ValueError('bgp.vrf.path-id', String(pathIdOf(nlri)), `less than ${FIRST_IMPORT_ID} in a VRF`)
}

function withDefaults({ attributes = {} }: LocalRoute): PathAttributes {
  const { nextHop: _own, ...rest } = attributes
  return { ...rest, origin: attributes.origin ?? 'igp', asPath: attributes.asPath ?? [] }
}

function attempt(at: string, run: () => void): void {
  try {
    run()
  } catch (cause) {
    if (!(cause instanceof ValueError)) throw cause
    throw new SpeakerError('speaker.route', at, cause.message, { cause })
  }
}

/** Attributes of which one value may be written in more than one way, or whose order does not matter. */
const LOOSE: ReadonlySet<string> = new Set<keyof PathAttributes>(['extendedCommunities', 'unknown', 'partial'])

function checkKept(given: PathAttributes, kept: PathAttributes): void {
  for (const [name, value] of Object.entries(given) as [keyof PathAttributes, unknown][]) {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue
    if (name === 'attrSet' && given.attrSet?.originAs === kept.attrSet?.originAs) {
      checkKept(given.attrSet?.attributes ?? {}, kept.attrSet?.attributes ?? {})
      continue
    }
    const isKept = kept[name] !== undefined && (LOOSE.has(name) || text(kept[name]) === text(value))
    if (!isKept) throw new ValueError('bgp.attribute.value', `${name} ${text(value)}`, 'a value that the attribute can have')
  }
}

function text(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? item.toString() : item))
}
