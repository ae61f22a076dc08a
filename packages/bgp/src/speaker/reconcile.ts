import type { NeighborConfig, SpeakerConfig, VrfConfig } from './config.js'

/**
 * What a change does to the session with a neighbor: nothing at all; routes are looked at again in place, without a word or with what is
 * different; or the session ends and begins anew.
 */
export type ChangeImpact = 'nothing' | 'refresh' | 'reset'

/** What a desired configuration means for one neighbor. */
export interface NeighborChange {
  /** The neighbor's address. */
  readonly neighbor: string
  readonly kind: 'add' | 'remove' | 'change' | 'keep'
  readonly impact: ChangeImpact
  /** Keys of `NeighborConfig` whose value is another one. */
  readonly fields: readonly string[]
}

/** What a desired configuration means for one VRF; no session ends for it. */
export interface VrfChange {
  readonly vrf: string
  readonly kind: 'add' | 'remove' | 'change' | 'keep'
  /** Keys of `VrfConfig` whose value is another one. */
  readonly fields: readonly string[]
}

/** A desired configuration beside the one that is there: what is going to happen, before it does. */
export interface Reconciliation {
  /** One entry a neighbor: those that go, then those that are to be there in their order. */
  readonly changes: readonly NeighborChange[]
  /** One entry a VRF: those that go, then those that are to be there. */
  readonly vrfs: readonly VrfChange[]
  /**
   * Does all of it. No neighbor with impact `nothing` notices.
   *
   * @throws SpeakerError `speaker.state` when the configuration has changed since
   */
  apply(): void
}

/** Keys that a running session takes over, with what their change does to it. Every other key needs a new session. */
const IMPACT: Readonly<Partial<Record<string, ChangeImpact>>> = {
  description: 'nothing',
  bfd: 'nothing',
  maxPrefixes: 'nothing',
  importPolicy: 'refresh',
  exportPolicy: 'refresh',
  addPathLimit: 'refresh',
  allowAsIn: 'refresh',
  asOverride: 'refresh',
  privateAs: 'refresh',
  enforceFirstAs: 'refresh',
  routeServerClient: 'refresh',
  gracefulShutdown: 'refresh',
  limits: 'refresh',
} satisfies Partial<Record<keyof NeighborConfig, ChangeImpact>>

const ORDER: readonly ChangeImpact[] = ['nothing', 'refresh', 'reset']

/** What a speaker is for its life. */
const FIXED = [
  'as',
  'routerId',
  'holdTime',
  'clusterId',
  'listen',
  'gracefulRestart',
  'confederation',
  'decision',
  'dynamicNeighbors',
] as const satisfies readonly (keyof SpeakerConfig)[]

/** Keys of two configurations of a neighbor, or of a VRF, that differ. */
export function changedFields<T extends NeighborConfig | VrfConfig>(before: T, after: T): string[] {
  const values = (config: T): Map<string, string> =>
    new Map(Object.entries(config).flatMap(([name, value]) => (value === undefined ? [] : [[name, JSON.stringify(value)]])))
  const old = values(before)
  const fresh = values(after)
  return [...new Set([...old.keys(), ...fresh.keys()])].filter((name) => old.get(name) !== fresh.get(name)).sort()
}

/** The largest impact of the keys that changed. @param rekeys the open stream takes another key */
export function impactOf(fields: readonly string[], rekeys: boolean): ChangeImpact {
  const of = (name: string): ChangeImpact => (name === 'authentication' && rekeys ? 'nothing' : (IMPACT[name] ?? 'reset'))
  return ORDER[Math.max(0, ...fields.map((name) => ORDER.indexOf(of(name))))]
}

/** Keys of two configurations of a speaker that differ and cannot change while it lives. */
export function changedFixed(before: SpeakerConfig, after: SpeakerConfig): string[] {
  return FIXED.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
}

/** What the comparison must know of the neighbors that there are. */
export interface NeighborKnowledge {
  /** An address as the name of its neighbor. */
  nameOf(address: string): string
  /** Whether the neighbor's open stream takes the key of this configuration. */
  canRekey(neighbor: NeighborConfig): boolean
}

/** What has to be done to the neighbors that there are. */
export function neighborChanges(
  current: ReadonlyMap<string, NeighborConfig>,
  desired: readonly NeighborConfig[],
  known: NeighborKnowledge,
): NeighborChange[] {
  const wanted = new Set(desired.map(({ address }) => known.nameOf(address)))
  const gone = [...current.keys()].filter((name) => !wanted.has(name))
  return [
    ...gone.map((neighbor): NeighborChange => ({ neighbor, kind: 'remove', impact: 'reset', fields: [] })),
    ...desired.map((config): NeighborChange => {
      const neighbor = known.nameOf(config.address)
      const before = current.get(neighbor)
      if (before === undefined) return { neighbor, kind: 'add', impact: 'reset', fields: [] }
      const fields = changedFields(before, config)
      return { neighbor, kind: fields.length === 0 ? 'keep' : 'change', impact: impactOf(fields, known.canRekey(config)), fields }
    }),
  ]
}

/** What has to be done to the VRFs that there are. */
export function vrfChanges(current: readonly VrfConfig[], desired: readonly VrfConfig[]): VrfChange[] {
  const wanted = new Set(desired.map(({ name }) => name))
  return [
    ...current.filter(({ name }) => !wanted.has(name)).map(({ name }): VrfChange => ({ vrf: name, kind: 'remove', fields: [] })),
    ...desired.map((config): VrfChange => {
      const before = current.find(({ name }) => name === config.name)
      if (before === undefined) return { vrf: config.name, kind: 'add', fields: [] }
      const fields = changedFields(before, config)
      return { vrf: config.name, kind: fields.length === 0 ? 'keep' : 'change', fields }
    }),
  ]
}
