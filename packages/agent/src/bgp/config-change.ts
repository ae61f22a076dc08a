import type { ChangeImpact, NeighborChange, SpeakerSetting, VrfChange } from '@heddle/bgp'
import type { TrafficIntents } from '@heddle/core'
import type { AgentConfig } from '../config.js'

/** What another configuration means for one thing that a speaker or agent has. */
export interface ConfigChange {
  /**
   * A value of the speaker as a whole, a BGP neighbor, a route that is originated, a VRF, an endpoint, what is done with their traffic, or something
   * beside the sessions (a cache, a station, a file of records).
   */
  readonly what:
    | 'speaker'
    | 'neighbor'
    | 'network'
    | 'vrf'
    | 'endpoint'
    | 'policy'
    | 'service'
    | 'nat'
    | 'mirror'
    | 'bfd'
    | 'rtr'
    | 'bmp'
    | 'mrt'
  readonly name: string
  readonly kind: 'add' | 'remove' | 'change' | 'keep'
  /** What it does to the session with a neighbor; `nothing` for everything else. */
  readonly impact: ChangeImpact
  /** Keys of a neighbor that have another value. */
  readonly fields: readonly string[]
}

/** A change of a neighbor as it is shown. */
export function neighborChange({ neighbor, ...rest }: NeighborChange): ConfigChange {
  return { what: 'neighbor', name: neighbor, ...rest }
}

/** A change of the speaker as a whole as it is shown; what it means for neighbors stands with them. */
export function settingChange(setting: SpeakerSetting): ConfigChange {
  return { what: 'speaker', name: setting, kind: 'change', impact: 'nothing', fields: [] }
}

/** A change of a VRF of the speaker as it is shown. */
export function vrfChange({ vrf, ...rest }: VrfChange): ConfigChange {
  return { what: 'vrf', name: vrf, impact: 'nothing', ...rest }
}

/** Changes of things that are compared by a text each. */
export function namedChanges(
  what: ConfigChange['what'],
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): ConfigChange[] {
  const change = (name: string, kind: ConfigChange['kind']): ConfigChange => ({ what, name, kind, impact: 'nothing', fields: [] })
  return [
    ...[...before.keys()].filter((name) => !after.has(name)).map((name) => change(name, 'remove')),
    ...[...after].flatMap(([name, text]): ConfigChange[] => {
      const old = before.get(name)
      if (old === undefined) return [change(name, 'add')]
      return old === text ? [] : [change(name, 'change')]
    }),
  ]
}

/** Changes of what an agent has besides its speaker. */
export function intentChanges(before: Intents, after: Intents): ConfigChange[] {
  const vrfs = ({ vrfs: list }: Intents): Map<string, string> => new Map(list.map((vrf) => [vrf.name, JSON.stringify(vrf)]))
  const endpoints = ({ endpoints: list }: Intents): Map<string, string> =>
    new Map(list.map((endpoint) => [`${endpoint.ifname} in ${endpoint.netns}`, JSON.stringify(endpoint)]))
  return [
    ...namedChanges('vrf', vrfs(before), vrfs(after)),
    ...namedChanges('endpoint', endpoints(before), endpoints(after)),
    ...trafficChanges(before.traffic ?? {}, after.traffic ?? {}),
  ]
}

function trafficChanges(before: TrafficIntents, after: TrafficIntents): ConfigChange[] {
  const named = (list: readonly { readonly name: string }[] = []): Map<string, string> =>
    new Map(list.map((one) => [one.name, JSON.stringify(one)]))
  const nat = ({ nat: list = [] }: TrafficIntents): Map<string, string> =>
    new Map(list.map((one) => [`${one.vrf} in ${one.outside}, IPv${one.address.family}`, JSON.stringify(one)]))
  const bfd = ({ tunnelLiveness }: TrafficIntents): Map<string, string> =>
    new Map(tunnelLiveness === undefined ? [] : [['tunnels', JSON.stringify(tunnelLiveness)]])
  return [
    ...namedChanges('policy', named(before.policies), named(after.policies)),
    ...namedChanges('service', named(before.services), named(after.services)),
    ...namedChanges('nat', nat(before), nat(after)),
    ...namedChanges('mirror', named(before.mirrors), named(after.mirrors)),
    ...namedChanges('bfd', bfd(before), bfd(after)),
  ]
}

type Intents = Pick<AgentConfig, 'vrfs' | 'endpoints' | 'traffic'>
