import { ByteWriter, IpAddress } from '@heddle/wire'
import type { AttributeSet } from '../attribute/attribute-set.js'
import { encodeAttributes, writeAttribute } from '../attribute/encode.js'
import { ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'
import { encodeNextHop } from '../next-hop/codec.js'
import { IPV4_UNICAST, familyByName, type Family } from '../nlri/family.js'
import type { Nlri } from '../nlri/nlri.js'
import { encodeNlri } from '../nlri/registry.js'
import type { FamilyName } from '../speaker/config.js'
import { LOCAL_PEER, type RouteView } from '../speaker/route.js'
import type { Speaker } from '../speaker/speaker.js'
import { encodeMrt } from './codec.js'
import type { MrtPeer, MrtRibEntry } from './record.js'
import { hasOwnSubtype } from './table-dump-v2.js'

/** What a table is called, and when it was written. */
export interface MrtTableOptions {
  /** BGP identifier of the speaker. */
  readonly collectorId: IpAddress
  /** AS number of the speaker, under which its own routes stand. */
  readonly as: number
  /** Default: none. */
  readonly viewName?: string
  /** Seconds since 1970. */
  readonly timestamp: number
  /** Default: those that some neighbor speaks. */
  readonly families?: readonly FamilyName[]
}

/**
 * The routes of a speaker as peers sent them and as it originates them, as MRT records (TABLE_DUMP_V2, RFC 6396 §4.3, RFC 8050): first the peers, our
 * own routes under the first of them, which has no address; then one record a destination. Records are made as they are asked for, from the tables as
 * they are then.
 */
export function* mrtTable(
  speaker: Speaker,
  { collectorId, as, viewName = '', timestamp, families }: MrtTableOptions,
): Generator<Uint8Array> {
  const neighbors = speaker.neighbors().filter(({ config }) => config.vrf === undefined)
  const nobody = IpAddress.v4(0)
  const peers: MrtPeer[] = [
    { routerId: collectorId, address: nobody, as, as4: true },
    ...neighbors.map(({ remoteAddress, as: theirs, negotiated }) => ({
      routerId: negotiated?.remoteRouterId ?? nobody,
      address: remoteAddress ?? IpAddress.parse('::'),
      as: theirs,
      as4: true,
    })),
  ]
  yield encodeMrt({ kind: 'peer-index-table', timestamp, collectorId, viewName, peers })
  const places = new Map([LOCAL_PEER, ...neighbors.map(({ address }) => address)].map((name, at) => [name, at]))
  let sequence = 0
  for (const name of families ?? new Set(neighbors.flatMap(({ config }) => config.families))) {
    const family = familyByName(name)
    if (family === undefined) continue
    for (const { nlri, routes } of byDestination(speaker, family)) {
      const known = routes.filter(({ peer }) => places.has(peer))
      if (known.length === 0) continue
      const addPath = known.some(({ pathId }) => pathId !== 0)
      const entries = known.map(({ peer, pathId, set }): MrtRibEntry => {
        const attributes = encodedSet(set, family)
        return { peerIndex: places.get(peer) ?? 0, originated: timestamp, ...(addPath ? { pathId } : {}), attributes }
      })
      yield encodeMrt({ kind: 'rib', timestamp, generic: !hasOwnSubtype(family), addPath, sequence: sequence++, family, nlri, entries })
    }
  }
}

/** Routes whose destinations, labels included, are the same octets. */
function* byDestination(speaker: Speaker, family: Family): Generator<{ readonly nlri: Uint8Array; readonly routes: readonly RouteView[] }> {
  let nlri: Uint8Array = new Uint8Array()
  let routes: RouteView[] = []
  for (const route of speaker.routes({ family })) {
    const own = encodedNlri(route.nlri, family)
    const isSame = own.length === nlri.length && own.every((octet, at) => octet === nlri[at])
    if (!isSame && routes.length > 0) yield { nlri, routes }
    if (!isSame) [nlri, routes] = [own, []]
    routes.push(route)
  }
  if (routes.length > 0) yield { nlri, routes }
}

function encodedNlri(nlri: Nlri, family: Family): Uint8Array {
  const out = new ByteWriter(32)
  encodeNlri(nlri, out, family, { addPath: false, withdraw: false })
  return out.finish()
}

/** Attributes with four-octet AS numbers, and MP_REACH_NLRI in its short form (RFC 6396 §4.3.4). */
function encodedSet({ attributes, nextHop, rawNextHop }: AttributeSet, family: Family): Uint8Array {
  const out = new ByteWriter(64)
  const address = nextHop?.address ?? (rawNextHop === undefined ? IpAddress.v4(0) : undefined)
  if (family.key === IPV4_UNICAST.key && address?.family === 4) {
    encodeAttributes({ ...attributes, nextHop: address }, out)
    return out.finish()
  }
  encodeAttributes(attributes, out)
  const value = new ByteWriter(48)
  const close = value.reserveU8()
  if (rawNextHop !== undefined) value.octets(rawNextHop)
  else encodeNextHop(nextHop ?? { address: unspecified(family) }, value, family)
  close()
  writeAttribute(out, ATTRIBUTE_FLAG.optional, ATTRIBUTE.mpReachNlri, value.view())
  return out.finish()
}

/** Routes of our own that have our address in each session as next hop have none in the table. */
function unspecified({ afi }: Family): IpAddress {
  return afi === 2 ? IpAddress.parse('::') : IpAddress.v4(0)
}
