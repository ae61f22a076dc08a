import { ORIGIN_CODE, asPathLength, type PathAttributes } from '@heddle/bgp'
import type { RoutePreference } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'

/** LOCAL_PREF of a path that has none (RFC 4271 §9.1.1 leaves it to us; this is what routers use). */
export const DEFAULT_LOCAL_PREF = 100

/** What else than its attributes decides about a path. */
export interface PathSource {
  /** Whether the peer is in another AS. */
  readonly external: boolean
  /** The peer's BGP identifier; the unspecified address for a path of our own. */
  readonly routerId: IpAddress
}

/** The attributes that decide between routes, ready to be compared. */
export function preferenceOf(attributes: PathAttributes, { external, routerId }: PathSource): RoutePreference {
  const {
    asPath = [],
    localPref = DEFAULT_LOCAL_PREF,
    med = 0,
    origin = 'incomplete',
    clusterList = [],
    originatorId = routerId,
  } = attributes
  const first = asPath.find(({ type }) => type === 'sequence' || type === 'set')
  return {
    localPref,
    asPathLength: asPathLength(asPath),
    origin: ORIGIN_CODE[origin] as RoutePreference['origin'],
    med,
    neighborAs: first?.type === 'sequence' ? first.asns[0] : 0, // RFC 4271 §9.1.2.2 c: a path that begins with a set has no neighbouring AS
    external,
    clusterListLength: clusterList.length,
    originatorId: originatorId.w0,
  }
}

/** Attributes that a peer will judge as `preference` says; those that BGP itself writes on the way (AS_PATH, CLUSTER_LIST) are not among them. */
export function attributesOf({ localPref, origin, med }: RoutePreference): Pick<PathAttributes, 'origin' | 'localPref' | 'med'> {
  return { origin: ORIGINS[origin], localPref, ...(med === 0 ? {} : { med }) }
}

const ORIGINS = ['igp', 'egp', 'incomplete'] as const
