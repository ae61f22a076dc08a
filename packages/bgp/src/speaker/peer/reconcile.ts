import type { NeighborConfig, SpeakerConfig, SpeakerDefaults, VrfConfig } from '../config.js'
import type { PeerConfig } from './peer-config.js'

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
  /**
   * Keys of `NeighborConfig` whose value is another one; `confederation`, `vrfs`, `holdTime`, `gracefulRestart` and `clusterId` also where those of the
   * speaker mean something else for this neighbor.
   */
  readonly fields: readonly string[]
}

/** What a desired configuration means for one VRF; what its AS means for sessions of its customers is told of these. */
export interface VrfChange {
  readonly vrf: string
  readonly kind: 'add' | 'remove' | 'change' | 'keep'
  /** Keys of `VrfConfig` whose value is another one. */
  readonly fields: readonly string[]
}

/** Values of a speaker as a whole that can change while it lives, each in a way of its own; see `Speaker.setListen` and those beside it. */
const SETTINGS = ['listen', 'confederation', 'decision', 'dynamicNeighbors'] as const satisfies readonly (keyof SpeakerConfig)[]
const DEFAULTS = ['holdTime', 'gracefulRestart', 'clusterId'] as const satisfies readonly (keyof SpeakerDefaults)[]

/** One of the values of a speaker as a whole that can change while it lives. */
export type SpeakerSetting = (typeof SETTINGS | typeof DEFAULTS)[number]

/** A desired configuration beside the one that is there: what is going to happen, before it does. */
export interface Reconciliation {
  /** Which values of the speaker as a whole are other ones. What they mean for neighbors is among `changes`. */
  readonly settings: readonly SpeakerSetting[]
  /**
   * One entry a neighbor: those that go, then those that are to be there in their order, then dynamic ones for which something changes.
   */
  readonly changes: readonly NeighborChange[]
  /** One entry a VRF: those that go, then those that are to be there. */
  readonly vrfs: readonly VrfChange[]
  /**
   * Does all of it; at once, but for the places to listen at. No neighbor with impact `nothing` notices.
   *
   * @throws SpeakerError `speaker.state` when the configuration has changed since, `speaker.listen`; then nothing of it was done
   */
  apply(): Promise<void>
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
  flowspecValidation: 'refresh',
  routeServerClient: 'refresh',
  gracefulShutdown: 'refresh',
  limits: 'refresh',
} satisfies Partial<Record<keyof NeighborConfig, ChangeImpact>>

const ORDER: readonly ChangeImpact[] = ['nothing', 'refresh', 'reset']

/** What a speaker is for its life. */
const FIXED = ['as', 'routerId'] as const satisfies readonly (keyof SpeakerConfig)[]

/** Keys of two configurations of a neighbor, or of a VRF, that differ. */
export function changedFields<T extends NeighborConfig | VrfConfig>(before: T, after: T): string[] {
  const values = (config: T): Map<string, string> =>
    new Map(Object.entries(config).flatMap(([name, value]) => (value === undefined ? [] : [[name, textOf(value)]])))
  const old = values(before)
  const fresh = values(after)
  return [...new Set([...old.keys(), ...fresh.keys()])].filter((name) => old.get(name) !== fresh.get(name)).sort()
}

/** Equal for equal values: in which order somebody has written keys down means nothing. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

function impactOf(fields: readonly string[], rekeys: boolean): ChangeImpact {
  const of = (name: string): ChangeImpact => (name === 'authentication' && rekeys ? 'nothing' : (IMPACT[name] ?? 'reset'))
  return strongest(fields.map(of))
}

function strongest(impacts: readonly ChangeImpact[]): ChangeImpact {
  return ORDER[Math.max(0, ...impacts.map((impact) => ORDER.indexOf(impact)))]
}

/** Keys of two configurations of a speaker that differ and cannot change while it lives. */
export function changedFixed(before: SpeakerConfig, after: SpeakerConfig): string[] {
  return FIXED.filter((name) => before[name] !== after[name])
}

/** Values of the speaker as a whole that differ. */
export function changedSettings(before: SpeakerConfig, after: SpeakerConfig): SpeakerSetting[] {
  // nothing and an empty list are the same
  const text = (value: unknown): string => textOf(value ?? [])
  return [...SETTINGS, ...DEFAULTS].filter((name) => text(before[name]) !== text(after[name]))
}

/** Whether some of the values that differ are defaults. */
export function hasDefaults(settings: readonly SpeakerSetting[]): boolean {
  return settings.some((name) => DEFAULTS.some((other) => other === name))
}

/** What of a configuration counts for neighbors that say nothing themselves. */
export function defaultsOf({ holdTime, gracefulRestart, clusterId }: SpeakerDefaults): SpeakerDefaults {
  return {
    ...(holdTime === undefined ? {} : { holdTime }),
    ...(gracefulRestart === undefined ? {} : { gracefulRestart }),
    ...(clusterId === undefined ? {} : { clusterId }),
  }
}

/** What another configuration means for a neighbor. @param rekeys its open stream takes another key */
export function changeOf(before: PeerConfig, after: PeerConfig, rekeys: boolean): Pick<NeighborChange, 'impact' | 'fields'> {
  const fields = changedFields(before.neighbor, after.neighbor)
  const impacts = [impactOf(fields, rekeys)]
  const also = (field: string, impact: ChangeImpact): void => {
    impacts.push(impact)
    if (!fields.includes(field)) fields.push(field)
  }
  // how we stand to each other, and by which number it knows us, is said when a session begins (RFC 5065 §4)
  const isMoved = before.relation !== after.relation || before.localAs !== after.localAs
  if (isMoved && !fields.includes('as')) also(after.neighbor.vrf === undefined ? 'confederation' : 'vrfs', 'reset')
  // the confederation's number in a path is a loop
  else if (before.confederation !== after.confederation) also('confederation', 'refresh')
  // what an OPEN has said counts as long as the session
  if (before.fsm.holdTime !== after.fsm.holdTime) also('holdTime', 'reset')
  if (textOf(before.gracefulRestart) !== textOf(after.gracefulRestart)) also('gracefulRestart', 'reset')
  if (before.staleTime !== after.staleTime) also('gracefulRestart', 'nothing')
  // RFC 4456 §8: it stands in what is reflected, and is looked for in what comes
  if (after.relation === 'internal' && !before.clusterId.equals(after.clusterId)) also('clusterId', 'refresh')
  return { impact: strongest(impacts), fields }
}

/** What has to be done to the neighbors that there are. @param canRekey whether the open stream of a neighbor takes the key of this configuration */
export function neighborChanges(
  current: ReadonlyMap<string, PeerConfig>,
  desired: readonly PeerConfig[],
  canRekey: (config: PeerConfig) => boolean,
): NeighborChange[] {
  const wanted = new Set(desired.map(({ name }) => name))
  const gone = [...current.keys()].filter((name) => !wanted.has(name))
  return [
    ...gone.map((neighbor): NeighborChange => ({ neighbor, kind: 'remove', impact: 'reset', fields: [] })),
    ...desired.map((config): NeighborChange => {
      const before = current.get(config.name)
      if (before === undefined) return { neighbor: config.name, kind: 'add', impact: 'reset', fields: [] }
      const { impact, fields } = changeOf(before, config, canRekey(config))
      return { neighbor: config.name, kind: fields.length === 0 ? 'keep' : 'change', impact, fields }
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
