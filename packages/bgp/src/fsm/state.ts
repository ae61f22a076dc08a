import type { OpenSummary } from './event.js'

/** Refuses connections; waits for a start event, or for the idle hold timer. */
export interface Idle {
  readonly name: 'idle'
}

/** Our connection attempt is under way. */
export interface Connect {
  readonly name: 'connect'
  /** The transport is up and the delay-open timer runs: the OPEN is held back. */
  readonly delayingOpen: boolean
}

/** Listens for the peer's connection. */
export interface Active {
  readonly name: 'active'
  /** As in `Connect`. */
  readonly delayingOpen: boolean
}

/** The transport is up, our OPEN is out, the peer's is awaited. */
export interface OpenSent {
  readonly name: 'open-sent'
}

/** Both OPENs are out; a KEEPALIVE or NOTIFICATION is awaited. */
export interface OpenConfirm {
  readonly name: 'open-confirm'
  readonly open: OpenSummary
  /** Seconds, negotiated; 0: neither hold nor keepalive timer runs. */
  readonly holdTime: number
}

/** Routes may be exchanged. */
export interface Established {
  readonly name: 'established'
  readonly open: OpenSummary
  /** As in `OpenConfirm`. */
  readonly holdTime: number
}

/** A state of one connection's machine, with what is valid only there (RFC 4271 §8.2.2). */
export type FsmState = Idle | Connect | Active | OpenSent | OpenConfirm | Established

/** Name of a state (RFC 4271 §8.2.2), as configuration and views have it. */
export type FsmStateName = FsmState['name']
