import type { SavedBfdSession } from '@heddle/bfd'
import type { LivenessObject } from '@heddle/core'
import { BFD_STATES } from '@heddle/wire'
import { addressOf, wordsOf } from '../layout/prefix.js'
import { View } from '../layout/struct.js'
import { LIVENESS, WATCH, WATCH_FLAGS } from '../layout/structs/liveness.js'

/** A path that is watched as its value in the map. */
export function encodeWatch({ local, remote, hops, desiredMinTx, requiredMinRx, multiplier, vouchesFor }: LivenessObject): Uint8Array {
  return new View(WATCH)
    .set('family', local.family)
    .set('flags', (hops === 'multiple' ? WATCH_FLAGS.multihop : 0) | (vouchesFor === 'tunnels' ? WATCH_FLAGS.uplink : 0))
    .setAddress('local', local)
    .setAddress('remote', remote)
    .set('desired_min_tx', desiredMinTx)
    .set('required_min_rx', requiredMinRx)
    .set('multiplier', multiplier).bytes
}

export function decodeWatch(id: number, bytes: Uint8Array): LivenessObject {
  const view = new View(WATCH, bytes)
  const [family, flags] = [view.get('family'), view.get('flags')]
  return {
    id,
    local: addressOf(family, wordsOf(view, 'local')),
    remote: addressOf(family, wordsOf(view, 'remote')),
    hops: (flags & WATCH_FLAGS.multihop) === 0 ? 'single' : 'multiple',
    desiredMinTx: view.get('desired_min_tx'),
    requiredMinRx: view.get('required_min_rx'),
    multiplier: view.get('multiplier'),
    ...((flags & WATCH_FLAGS.uplink) !== 0 && { vouchesFor: 'tunnels' }),
  }
}

/** What is known of a path: `up`, `down`, or that its far end does not want to be watched; undefined before anything was. */
export type Known = 'up' | 'down' | 'admin-down' | undefined

const KNOWN = [undefined, 'up', 'down', 'admin-down'] as const satisfies readonly Known[]

/** What came of watching a path. */
export interface Outcome {
  readonly known: Known
  /** Times that it went down: more than one look may show. */
  readonly downs: number
}

/** A session with what came of it, as its value in the map. */
export function encodeLiveness({ discriminator, session }: SavedBfdSession, { known, downs }: Outcome): Uint8Array {
  return new View(LIVENESS)
    .set('is_down', known === 'down' ? 1 : 0)
    .set('is_known', KNOWN.indexOf(known))
    .set('downs', downs)
    .set('state', BFD_STATES.indexOf(session.state))
    .set('diagnostic', session.diagnostic)
    .set('remote_state', BFD_STATES.indexOf(session.remoteState))
    .set('discriminator', discriminator)
    .set('remote_discriminator', session.remoteDiscriminator)
    .set('remote_min_rx', session.remoteMinRx)
    .set('remote_desired_min_tx', session.remoteDesiredMinTx)
    .set('remote_multiplier', session.remoteMultiplier)
    .set('remote_demand', session.remoteDemand ? 1 : 0)
    .set('polling', session.polling ? 1 : 0)
    .set('active_min_tx', session.activeMinTx)
    .set('active_min_rx', session.activeMinRx).bytes
}

/** @see encodeLiveness */
export function decodeLiveness(id: number, bytes: Uint8Array): Outcome & { readonly saved: SavedBfdSession } {
  const view = new View(LIVENESS, bytes)
  const session = {
    state: BFD_STATES[view.get('state')],
    diagnostic: view.get('diagnostic'),
    remoteState: BFD_STATES[view.get('remote_state')],
    remoteDiscriminator: view.get('remote_discriminator'),
    remoteMinRx: view.get('remote_min_rx'),
    remoteDesiredMinTx: view.get('remote_desired_min_tx'),
    remoteMultiplier: view.get('remote_multiplier'),
    remoteDemand: view.get('remote_demand') === 1,
    polling: view.get('polling') === 1,
    activeMinTx: view.get('active_min_tx'),
    activeMinRx: view.get('active_min_rx'),
  }
  return { saved: { id, discriminator: view.get('discriminator'), session }, known: KNOWN[view.get('is_known')], downs: view.get('downs') }
}
