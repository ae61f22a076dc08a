import { AS_TRANS, MESSAGE_TYPE } from '../iana.js'
import { IpAddress } from '@heddle/wire'
import { decodeMessage } from '../decode.js'
import type { FsmStateName } from '../fsm/state.js'
import type { NeighborView } from '../speaker/peer/neighbor-view.js'
import type { Speaker } from '../speaker/speaker.js'
import { encodeMrt } from './codec.js'
import { MRT_STATE } from './iana.js'
import type { MrtSession } from './record.js'

const STATE: Readonly<Record<FsmStateName, number>> = {
  idle: MRT_STATE.idle,
  connect: MRT_STATE.connect,
  active: MRT_STATE.active,
  'open-sent': MRT_STATE.openSent,
  'open-confirm': MRT_STATE.openConfirm,
  established: MRT_STATE.established,
}

/** What messages are written with. */
export interface MrtUpdatesOptions {
  /** AS number of the speaker. */
  readonly as: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * Writes each message that peers send and each change of a session's state as MRT records (BGP4MP_ET, RFC 6396 §3, §4.4, RFC 8050 §3), from now on
 * until it is ended.
 *
 * @param write gets each record; it must not throw
 * @returns ends it
 */
export function mrtUpdates(speaker: Speaker, { as, now }: MrtUpdatesOptions, write: (record: Uint8Array) => void): () => void {
  const states = new Map<string, FsmStateName>()
  const traces = new Map<string, () => void>()
  const views = new Map<string, NeighborView>()
  const at = (): { timestamp: number; microseconds: number } => {
    const time = now()
    return { timestamp: Math.floor(time / 1000), microseconds: Math.floor((time % 1000) * 1000) }
  }
  const message = (name: string, pdu: Uint8Array): void => {
    const view = views.get(name)
    if (view === undefined) return
    // OPENs have four octets in a capability and AS_TRANS before it, whatever the session agrees on
    const as4 = view.negotiated?.asn4 ?? true
    write(encodeMrt({ kind: 'message', ...at(), ...sessionOf(view, as, as4), local: false, addPath: hasPathIds(view, pdu), pdu }))
  }
  const follow = (view: NeighborView): void => {
    const { address, state } = view
    views.set(address, view)
    if (!traces.has(address) && speaker.neighbors().some((one) => one.address === address)) {
      traces.set(
        address,
        speaker.trace(address, ({ direction, message: pdu }) => direction === 'received' && message(address, pdu)),
      )
    }
    const before = states.get(address) ?? 'idle'
    states.set(address, state)
    if (before === state) return
    write(encodeMrt({ kind: 'state-change', ...at(), ...sessionOf(view, as, true), oldState: STATE[before], newState: STATE[state] }))
  }
  for (const view of speaker.neighbors()) {
    states.set(view.address, view.state)
    follow(view)
  }
  const neighbor = (view: NeighborView): void => {
    follow(view)
    if (speaker.neighbors().some(({ address }) => address === view.address)) return
    traces.get(view.address)?.()
    for (const map of [traces, views, states]) map.delete(view.address)
  }
  speaker.events.on('neighbor', neighbor)
  return () => {
    speaker.events.off('neighbor', neighbor)
    for (const end of traces.values()) end()
  }
}

function sessionOf({ remoteAddress, as: theirs, localAddress }: NeighborView, as: number, as4: boolean): MrtSession {
  const peerAddress = remoteAddress ?? IpAddress.parse('::')
  const own = localAddress?.unmapped()
  const unspecified = peerAddress.family === 4 ? IpAddress.v4(0) : IpAddress.parse('::')
  const narrow = (value: number): number => (as4 || value <= 0xffff ? value : AS_TRANS)
  return {
    peerAs: narrow(theirs),
    localAs: narrow(as),
    interfaceIndex: 0,
    peerAddress,
    localAddress: own?.family === peerAddress.family ? own : unspecified,
    as4,
  }
}

/** Whether the NLRI of a message have path identifiers, which the record says for all of it (RFC 8050 §3). */
function hasPathIds({ negotiated }: NeighborView, pdu: Uint8Array): boolean {
  const addPath = negotiated?.addPath.receive
  if (addPath === undefined || addPath.size === 0 || pdu[18] !== MESSAGE_TYPE.update) return false
  const result = decodeMessage(pdu, { addPath, peerType: 'ibgp' })
  if (!result.ok || result.message.type !== 'update') return false
  return [...result.message.announced, ...result.message.withdrawn].some(({ family }) => addPath.has(family.key))
}
