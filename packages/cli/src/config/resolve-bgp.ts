import type { NetworkConfig, SpeakerNodeConfig } from '@heddle/agent'
import {
  IPV4_UNICAST,
  PolicyError,
  addressOf,
  compilePolicy,
  type BfdOptions,
  type DynamicNeighborConfig,
  type FamilyName,
  type NeighborConfig,
  type PathAttributes,
  type PolicyChange,
  type SpeakerConfig,
} from '@heddle/bgp'
import type { StreamAuthentication } from '@heddle/io'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import type {
  AuthenticationSection,
  BgpSection,
  BmpSection,
  NeighborBfdSection,
  NeighborGroupSection,
  NetworkSection,
} from './bgp-document.js'
import { policyFor, readPolicies, type Policies } from './policy-use.js'

export const DEFAULT_HOLD_TIME = 90
export const DEFAULT_RESTART_TIME = 120
export const DEFAULT_FAMILIES: readonly FamilyName[] = ['vpnv4-unicast', 'vpnv6-unicast', 'rtc']

/** The speaker that a section means, with defaults filled in. @param own the node's address @param families of neighbors that name none */
export function resolveBgp(bgp: BgpSection, own: IpAddress, families = DEFAULT_FAMILIES): SpeakerConfig {
  const { as, routerId = String(own), holdTime = DEFAULT_HOLD_TIME, restartTime = DEFAULT_RESTART_TIME, listen = [], groups = {} } = bgp
  const { policies } = readPolicies(bgp)
  const { clusterId, confederation, decision } = bgp
  // The hold time stands with each neighbor, where a reload can change it.
  const neighbors = (bgp.neighbors ?? []).map((section): NeighborConfig => {
    const { address, ...rest } = withGroup(section, groups)
    return { address, holdTime, ...common(rest, policies, families), ...localAddress(rest, addressOf(address), own) }
  })
  const dynamicNeighbors = (bgp.dynamicNeighbors ?? []).map((section): DynamicNeighborConfig => {
    const { prefix, limit, passive: _passive, port: _port, connectRetry: _retry, ...rest } = withGroup(section, groups)
    const { address } = IpPrefix.parse(prefix)
    return {
      prefix,
      ...(limit === undefined ? {} : { limit }),
      holdTime,
      ...common(rest, policies, families),
      ...localAddress(rest, address, own),
    }
  })
  return {
    as,
    routerId,
    listen,
    neighbors,
    gracefulRestart: { ...bgp.gracefulRestart, restartTime },
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(confederation === undefined ? {} : { confederation }),
    ...(decision === undefined ? {} : { decision }),
    ...(dynamicNeighbors.length === 0 ? {} : { dynamicNeighbors }),
    ...(bgp.vrfs === undefined
      ? {}
      : {
          vrfs: bgp.vrfs.map(({ import: importTargets = [], export: exportTargets = [], ...vrf }) => ({
            ...vrf,
            importTargets,
            exportTargets,
          })),
        }),
  }
}

/** What runs beside the sessions. */
export function resolveMonitoring({ rtr = [], bmp = [] }: BgpSection): Pick<SpeakerNodeConfig, 'rtr' | 'bmp'> {
  return {
    rtr: rtr.map(({ address, port = 323 }) => ({ address: IpAddress.parse(address), port })),
    bmp: bmp.map(({ address, port, tables = BMP_TABLES, statistics = 60, queue = 1 << 24 }: BmpSection) => ({
      address: IpAddress.parse(address),
      port,
      tables,
      statistics,
      queue,
    })),
  }
}

/** A neighbor with the keys of its group where it has none of its own. */
export function withGroup<Section extends NeighborGroupSection & { readonly group?: string }>(
  section: Section,
  groups: Readonly<Record<string, NeighborGroupSection>>,
): Omit<Section, 'group'> & NeighborGroupSection {
  const { group, ...rest } = section
  return { ...(group === undefined || !Object.hasOwn(groups, group) ? {} : groups[group]), ...rest }
}

type Common = Omit<NeighborConfig, 'address'>

function common(section: NeighborGroupSection, policies: Policies, byDefault: readonly FamilyName[]): Common {
  const { as = 0, families = byDefault, importPolicy, exportPolicy, authentication, bfd, localAddress: _local, ...rest } = section
  return {
    ...rest,
    as,
    families,
    ...(importPolicy === undefined ? {} : { importPolicy: policyFor(importPolicy, policies) }),
    ...(exportPolicy === undefined ? {} : { exportPolicy: policyFor(exportPolicy, policies) }),
    ...(authentication === undefined ? {} : { authentication: authenticationOf(authentication) }),
    ...(bfd === undefined ? {} : { bfd: typeof bfd === 'boolean' ? bfd : bfdOf(bfd) }),
  }
}

function bfdOf({ interval, multiplier, hops }: NeighborBfdSection): BfdOptions {
  return {
    ...(interval === undefined ? {} : { desiredMinTx: interval * 1000, requiredMinRx: interval * 1000 }),
    ...(multiplier === undefined ? {} : { multiplier }),
    ...(hops === undefined ? {} : { hops }),
  }
}

/** Where the families agree: nothing to connect from is better than what cannot be. On a link of its own the node has an address of that link. */
function localAddress(section: NeighborGroupSection, peer: IpAddress | undefined, own: IpAddress): Pick<NeighborConfig, 'localAddress'> {
  if (section.localAddress === undefined && (peer === undefined || (peer.family === 6 && peer.isLinkLocal))) return {}
  const local = section.localAddress === undefined ? own : IpAddress.parse(section.localAddress)
  return local.family === (peer?.family ?? 6) ? { localAddress: String(local) } : {}
}

/** Keys stand in place since `withSecrets`. */
function authenticationOf({ kind, key = '', keys = [] }: AuthenticationSection): StreamAuthentication {
  return kind === 'tcp-md5' ? { kind, key } : { kind, keys: keys.map((one) => ({ ...one, key: one.key ?? '' })) }
}

/** A route that is originated as it stands. */
export function resolveNetwork(section: NetworkSection, own: IpAddress): NetworkConfig {
  const { rd, prefix, label, nextHop, routeTargets = [] } = section
  const attributes = networkAttributes(section)
  return {
    ...(rd === undefined ? {} : { rd: RouteDistinguisher.parse(rd) }),
    prefix: IpPrefix.parse(prefix),
    ...(label === undefined ? {} : { label }),
    nextHop: nextHop === undefined ? own : IpAddress.parse(nextHop),
    routeTargets: routeTargets.map((text) => RouteTarget.parse(text)),
    ...('fault' in attributes ? {} : { attributes }),
  }
}

const BMP_TABLES = ['adj-in-pre', 'adj-in-post', 'loc-rib', 'adj-out'] as const
const COMMUNITIES = [
  ['communities', 'community'],
  ['largeCommunities', 'largeCommunity'],
  ['extendedCommunities', 'extendedCommunity'],
] as const satisfies readonly (readonly [keyof NetworkSection, keyof PolicyChange])[]

/** The attributes that a network's keys mean, read as a policy reads them; or the key that cannot be read. */
export function networkAttributes(section: NetworkSection): PathAttributes | { readonly key: string; readonly fault: string } {
  const { localPref, med, origin = 'igp' } = section
  let attributes: PathAttributes = { origin, ...(localPref === undefined ? {} : { localPref }), ...(med === undefined ? {} : { med }) }
  for (const [key, kind] of COMMUNITIES) {
    const values = section[key]
    if (values === undefined) continue
    try {
      attributes = withCommunities(attributes, { [kind]: { set: values } })
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error
      return { key, fault: error.message.slice(error.subject.length + 2) }
    }
  }
  return attributes
}

function withCommunities(attributes: PathAttributes, change: PolicyChange): PathAttributes {
  const policy = compilePolicy({ terms: [{ change, verdict: 'accept' }] })
  const nlri = { kind: 'unicast', prefix: IpPrefix.parse('0.0.0.0/0') } as const
  return policy.apply({ family: IPV4_UNICAST, nlri, set: { attributes }, peer: 'local', source: 'local' }).set.attributes
}
