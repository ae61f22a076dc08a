import type { PeerProtection } from '@heddle/io'
import type {
  ConfederationConfig,
  DynamicNeighborConfig,
  ListenConfig,
  NeighborConfig,
  SpeakerConfig,
  SpeakerDefaults,
  VrfConfig,
} from '../config.js'
import type { DecisionConfig } from '../table/decision.js'
import { defaultsOf, hasDefaults, type NeighborChange, type SpeakerSetting, type VrfChange } from './reconcile.js'

/** Whoever carries out what a reconciliation found. */
export interface NeighborEditor {
  addNeighbor(neighbor: NeighborConfig): void
  removeNeighbor(address: string): void
  updateNeighbor(neighbor: NeighborConfig): void
  setVrfs(vrfs: readonly VrfConfig[]): void
  setListen(places: readonly ListenConfig[], protection?: readonly PeerProtection[]): Promise<void>
  setConfederation(confederation: ConfederationConfig | undefined): void
  setDecision(decision: DecisionConfig): void
  setDefaults(defaults: SpeakerDefaults): void
  setDynamicNeighbors(ranges: readonly DynamicNeighborConfig[]): void
}

/** What was found to be done, once it listens where it is to. */
export interface Findings {
  /** VRFs that there are. */
  readonly current: readonly VrfConfig[]
  readonly desired: SpeakerConfig
  readonly settings: readonly SpeakerSetting[]
  readonly changes: readonly NeighborChange[]
  readonly vrfs: readonly VrfChange[]
}

/** What the steps ask of the neighbors that there are. */
export interface NeighborNames {
  /** A neighbor that came by itself has been named. */
  name(address: string): void
  has(address: string): boolean
}

/** Does what was found, in the order in which each step can be done. */
export function carryOut({ current, desired, settings, changes, vrfs }: Findings, editor: NeighborEditor, names: NeighborNames): void {
  const { vrfs: wanted = [], decision = {}, dynamicNeighbors = [], confederation } = desired
  const isMoving = settings.includes('confederation')
  for (const { neighbor, kind, impact } of changes) {
    // what it is in the old confederation it need not be able to be in the new one
    if (kind === 'remove' || (isMoving && kind === 'change' && impact === 'reset')) editor.removeNeighbor(neighbor)
  }
  // a VRF that goes is there until its neighbors have left it
  const going = current.filter(({ name }) => !wanted.some((other) => other.name === name))
  if (vrfs.some(({ kind }) => kind !== 'keep')) editor.setVrfs([...wanted, ...going])
  if (isMoving) editor.setConfederation(confederation)
  if (hasDefaults(settings)) editor.setDefaults(defaultsOf(desired))
  if (settings.includes('decision')) editor.setDecision(decision)
  for (const { address } of desired.neighbors) names.name(address)
  if (settings.includes('dynamicNeighbors')) editor.setDynamicNeighbors(dynamicNeighbors)
  for (const neighbor of desired.neighbors) {
    if (names.has(neighbor.address)) editor.updateNeighbor(neighbor)
    else editor.addNeighbor(neighbor)
  }
  if (going.length > 0) editor.setVrfs(wanted)
}
