import type { IpAddress, RouteDistinguisher } from '@heddle/wire'
import { familyKey, routeTargetOf, type DecodeOptions, type PathAttributes, type UpdateMessage } from '@heddle/bgp'

/** One line of the corpus. */
export interface Row {
  readonly id: string
  /** File and frame, or repository and line. */
  readonly source: string
  readonly hex: string
  readonly expectation: 'valid' | 'malformed' | 'unknown'
  readonly notes: string
  readonly type: string
  readonly families: readonly string[]
  readonly asn4: boolean | null
  readonly addpath: readonly string[] | null
  readonly origin: string
  readonly oracles: { readonly tshark: string | null; readonly exabgp: string | null }
}

export function bytesOf({ hex }: { readonly hex: string }): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

/** What the row says of its session. Attributes of an AS's inside are allowed: the corpus does not say which peer it was. */
export function optionsOf({ asn4, addpath }: Pick<Row, 'asn4' | 'addpath'>): DecodeOptions {
  const keys = (addpath ?? []).filter((text) => text !== '*').map((text) => familyKey(...(text.split('/').map(Number) as [number, number])))
  return { asn4: asn4 ?? true, addPath: addpath?.includes('*') === true ? 'all' : new Set(keys), peerType: 'ibgp', extended: true }
}

/** VPN routes of an UPDATE as sorted text: `+` or `-`, path identifier, RD, prefix, labels (none on a withdrawal, where they mean nothing). */
export function vpnRoutes({ announced, withdrawn }: UpdateMessage): string[] {
  const text = (sign: string, groups: UpdateMessage['withdrawn']): string[] =>
    groups.flatMap(({ nlri }) =>
      nlri.flatMap((route) =>
        route.kind === 'vpn' ? [vpnRoute(sign, route.pathId, rdText(route.rd), route.prefix.toString(), route.labels)] : [],
      ),
    )
  return [...text('+', announced), ...text('-', withdrawn)].sort()
}

export function vpnRoute(sign: string, pathId: number | undefined, rd: string, prefix: string, labels: readonly number[]): string {
  return [sign, pathId ?? '·', rd, prefix, sign === '+' ? labels.join('/') : ''].join(' ').trimEnd()
}

/** As other tools print it: without our mark of a four-octet AS number, and as hex where the type is not assigned. */
function rdText(rd: RouteDistinguisher): string {
  return rd
    .toString()
    .replace('L:', ':')
    .replace(/^\d+\?/, '0x')
}

/** Route targets as text, in their order. */
export function routeTargets({ extendedCommunities = [] }: PathAttributes): string[] {
  return extendedCommunities.flatMap((community) =>
    community.kind === 'route-target' ? [community.target.toString().replace('L:', ':')] : [],
  )
}

/** Route target memberships of full length as sorted text: origin AS, route target. */
export function memberships({ announced, withdrawn }: UpdateMessage): string[] {
  return [...announced, ...withdrawn]
    .flatMap(({ nlri }) =>
      nlri.flatMap((entry) => {
        const target = entry.kind === 'rtc' ? routeTargetOf(entry) : undefined
        return entry.kind === 'rtc' && target !== undefined ? [`${entry.originAs} ${target.toString().replace('L:', ':')}`] : []
      }),
    )
    .sort()
}

const ORIGINS = { igp: 0, egp: 1, incomplete: 2 } as const

/** Attributes of an UPDATE, one line each value, sorted. */
export function attributes({ attributes: all, announced }: UpdateMessage): string[] {
  const { origin, med, localPref, originatorId, clusterList = [], communities = [], largeCommunities = [], nextHop } = all
  const hops = announced.flatMap(({ multiprotocol, nextHop: hop }) => (multiprotocol ? [hop?.address, hop?.linkLocal] : []))
  const line = (name: string, value: string | number | IpAddress | undefined): string[] => (value === undefined ? [] : [`${name} ${value}`])
  return [
    ...line('origin', origin === undefined ? undefined : ORIGINS[origin]),
    ...line('med', med),
    ...line('local-pref', localPref),
    ...line('originator', originatorId),
    ...clusterList.flatMap((id) => line('cluster', id)),
    ...line('next-hop', nextHop),
    ...hops.flatMap((hop) => line('mp-next-hop', hop)),
    ...communities.flatMap((word) => line('community', `${word >>> 16}:${word & 0xffff}`)),
    ...largeCommunities.flatMap(({ globalAdministrator, localData1, localData2 }) =>
      line('large-community', `${globalAdministrator}:${localData1}:${localData2}`),
    ),
  ].sort()
}
