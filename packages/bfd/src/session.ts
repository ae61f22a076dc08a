import { BFD_DIAGNOSTICS, type BfdPacket, type BfdState } from '@heddle/wire'

/*
 * A BFD session in asynchronous mode as a pure function (RFC 5880 §6): state and event give the next state and what is to be done. Intervals are
 * microseconds, as on the wire; times are milliseconds of the caller's clock.
 */

/** What a session is told once. */
export interface BfdConfig {
  /** This end's number for the session, 1–4,294,967,295, unlike that of any other session of this router. */
  readonly discriminator: number
  /** Microseconds between packets that this end would like to send at least, when the session is up. */
  readonly desiredMinTx: number
  /** Microseconds between packets that this end can take at least. */
  readonly requiredMinRx: number
  /** Packets that may be missing before the session is taken for down, 1–255. */
  readonly multiplier: number
  /** One hop (RFC 5881), or as many as it takes (RFC 5883): over those, only who names its discriminator ends a session that is up. */
  readonly hops: 'single' | 'multiple'
}

/** A session at a moment. */
export interface BfdSession {
  readonly state: BfdState
  readonly diagnostic: number
  readonly remoteState: BfdState
  /** 0: not known. */
  readonly remoteDiscriminator: number
  /** Microseconds, as the far end said last. */
  readonly remoteMinRx: number
  readonly remoteDesiredMinTx: number
  readonly remoteMultiplier: number
  readonly remoteDemand: boolean
  /** A Poll sequence is under way: this end's intervals changed, and the far end has not said that it knows. */
  readonly polling: boolean
  /** This end's interval that is in force until the far end knows of the longer one (§6.8.3). */
  readonly activeMinTx: number
  /** Likewise: what this end takes at least, in force until the far end knows that it may send more often. */
  readonly activeMinRx: number
}

/** Something that happens to a session. */
export type BfdEvent =
  /** A packet that was taken for this session by its discriminator or its addresses. */
  | { readonly type: 'received'; readonly packet: BfdPacket }
  /** No packet came for the detection time. */
  | { readonly type: 'detection-expired' }
  /** The configuration has other intervals, or another multiplier, than before. */
  | { readonly type: 'reconfigured' }
  | { readonly type: 'admin-down' }
  | { readonly type: 'admin-up' }

/** What is to be done. */
export interface BfdStep {
  readonly session: BfdSession
  /** Send a packet at once: the answer to a Poll. */
  readonly answer: boolean
  /** Start the detection time anew. */
  readonly alive: boolean
}

/** Slowest that an end may be asked to send at while it is not up (§6.8.3), microseconds. */
export const SLOW_INTERVAL = 1_000_000

/** A session that has heard nothing. */
export function newBfdSession(): BfdSession {
  return {
    state: 'down',
    diagnostic: BFD_DIAGNOSTICS.none,
    remoteState: 'down',
    remoteDiscriminator: 0,
    remoteMinRx: 1,
    remoteDesiredMinTx: 0,
    remoteMultiplier: 0,
    remoteDemand: false,
    polling: false,
    activeMinTx: SLOW_INTERVAL,
    activeMinRx: 0,
  }
}

/** The next state, by the events of RFC 5880 §6.8.4, §6.8.6 and §6.8.16. */
export function stepBfd(session: BfdSession, event: BfdEvent, config: BfdConfig): BfdStep {
  switch (event.type) {
    case 'admin-down':
      return quiet({ ...session, state: 'admin-down', diagnostic: BFD_DIAGNOSTICS.administrativelyDown, polling: false })
    case 'admin-up':
      return quiet(session.state === 'admin-down' ? { ...newBfdSession(), diagnostic: BFD_DIAGNOSTICS.none } : session)
    case 'detection-expired':
      return expired(session)
    case 'reconfigured':
      return quiet(reconfigured(session, config))
    case 'received':
      return received(session, event.packet, config)
  }
}

function quiet(session: BfdSession): BfdStep {
  return { session, answer: false, alive: false }
}

/** §6.8.4: whoever is not heard is down, and is asked for by a discriminator of zero until it speaks again (§6.8.1). */
function expired(session: BfdSession): BfdStep {
  const forgotten = { ...session, remoteDiscriminator: 0, polling: false }
  if (session.state !== 'init' && session.state !== 'up') return quiet(forgotten)
  return quiet({ ...forgotten, state: 'down', diagnostic: BFD_DIAGNOSTICS.detectionTimeExpired, activeMinTx: SLOW_INTERVAL })
}

/** §6.8.3: a shorter interval counts at once, a longer one, and a shorter detection time, when the far end has answered the Poll. */
function reconfigured(session: BfdSession, { desiredMinTx, requiredMinRx }: BfdConfig): BfdSession {
  if (session.state !== 'up') return session
  const activeMinTx = Math.min(session.activeMinTx, desiredMinTx)
  return { ...session, polling: true, activeMinTx, activeMinRx: Math.max(session.activeMinRx, requiredMinRx) }
}

function received(session: BfdSession, packet: BfdPacket, config: BfdConfig): BfdStep {
  if (packet.yourDiscriminator === 0 && packet.state !== 'down' && packet.state !== 'admin-down') return quiet(session)
  if (packet.yourDiscriminator !== 0 && packet.yourDiscriminator !== config.discriminator) return quiet(session)
  const isAnybodys = packet.yourDiscriminator === 0 && config.hops === 'multiple'
  if (isAnybodys && (session.state === 'up' || packet.state === 'admin-down')) return quiet(session)
  const heard: BfdSession = {
    ...session,
    remoteDiscriminator: packet.myDiscriminator,
    remoteState: packet.state,
    remoteDemand: packet.demand,
    ...(isAnybodys ? boundedTimes(packet, config) : timesOf(packet)),
    ...(packet.final ? { polling: false, activeMinTx: wantedMinTx(session, config), activeMinRx: config.requiredMinRx } : {}),
  }
  if (session.state === 'admin-down') return quiet(heard)
  const alive = !isAnybodys || session.state !== 'init'
  return { session: changed(heard, nextState(session.state, packet.state), config), answer: packet.poll, alive }
}

type RemoteTimes = Pick<BfdSession, 'remoteMinRx' | 'remoteDesiredMinTx' | 'remoteMultiplier'>

function timesOf({ requiredMinRxInterval, desiredMinTxInterval, detectMultiplier }: BfdPacket): RemoteTimes {
  return { remoteMinRx: requiredMinRxInterval, remoteDesiredMinTx: desiredMinTxInterval, remoteMultiplier: detectMultiplier }
}

/*
 * Over several hops anybody can send a packet by the far end's address; one who hears nothing of what goes there does not know the discriminator. A packet
 * that names none may begin a session, and no more: it ends none that is up, though §6.8.6 has it so. A far end that began anew is missed instead, as one
 * that died, and is believed when the detection time has passed. Nor does it silence this end, or have it wait longer than this end would have others wait:
 * said to both ends by somebody else, either would keep the path down for good. One hop away is who is on the link (RFC 5881 §5), and could have the address.
 */
function boundedTimes(
  { requiredMinRxInterval, desiredMinTxInterval, detectMultiplier }: BfdPacket,
  { multiplier }: BfdConfig,
): RemoteTimes {
  return {
    remoteMinRx: Math.min(requiredMinRxInterval || SLOW_INTERVAL, SLOW_INTERVAL),
    remoteDesiredMinTx: Math.min(desiredMinTxInterval, SLOW_INTERVAL),
    remoteMultiplier: Math.min(detectMultiplier, multiplier),
  }
}

/** The table of §6.8.6, as drawn in §6.2. */
function nextState(state: BfdState, remote: BfdState): BfdState {
  if (remote === 'admin-down') return 'down'
  switch (state) {
    case 'down':
      return remote === 'down' ? 'init' : remote === 'init' ? 'up' : 'down'
    case 'init':
      return remote === 'init' || remote === 'up' ? 'up' : 'init'
    case 'up':
      return remote === 'down' ? 'down' : 'up'
    case 'admin-down':
      return 'admin-down'
  }
}

function changed(session: BfdSession, state: BfdState, config: BfdConfig): BfdSession {
  if (state === session.state) return session
  const diagnostic = state === 'down' ? BFD_DIAGNOSTICS.neighborSignaledDown : BFD_DIAGNOSTICS.none
  // The interval of a session that came up takes effect at once when it is shorter; the far end learns it by a Poll (§6.8.3).
  if (state === 'up') {
    const activeMinTx = Math.min(session.activeMinTx, config.desiredMinTx)
    return { ...session, state, diagnostic, polling: config.desiredMinTx !== SLOW_INTERVAL, activeMinTx, activeMinRx: config.requiredMinRx }
  }
  return { ...session, state, diagnostic, polling: false, activeMinTx: SLOW_INTERVAL }
}

function wantedMinTx({ state }: BfdSession, { desiredMinTx }: BfdConfig): number {
  return state === 'up' ? desiredMinTx : Math.max(SLOW_INTERVAL, desiredMinTx)
}

/** The packet that a session sends. @param final whether it answers a Poll, and is none itself */
export function bfdPacket(session: BfdSession, config: BfdConfig, final = false): BfdPacket {
  return {
    diagnostic: session.diagnostic,
    state: session.state,
    poll: session.polling && !final,
    final,
    controlPlaneIndependent: true,
    demand: false,
    detectMultiplier: config.multiplier,
    myDiscriminator: config.discriminator,
    yourDiscriminator: session.remoteDiscriminator,
    desiredMinTxInterval: wantedMinTx(session, config),
    requiredMinRxInterval: config.requiredMinRx,
    requiredMinEchoRxInterval: 0,
  }
}

/** Milliseconds until the detection time is over, counted from the last packet (§6.8.4); 0 when nothing was heard. */
export function detectionTime(session: BfdSession, config: BfdConfig): number {
  return (session.remoteMultiplier * Math.max(config.requiredMinRx, session.activeMinRx, session.remoteDesiredMinTx)) / 1000
}

/**
 * Milliseconds to the next packet (§6.8.7); undefined when none may be sent.
 *
 * @param share 0–1, drawn anew for each packet: the interval is shortened by up to a quarter, so that ends do not send in step
 */
export function transmitInterval(session: BfdSession, config: BfdConfig, share: number): number | undefined {
  if (session.remoteMinRx === 0) return undefined
  if (session.remoteDemand && session.state === 'up' && session.remoteState === 'up' && !session.polling) return undefined
  const interval = Math.max(session.activeMinTx, session.remoteMinRx) / 1000
  // With a multiplier of 1, one packet must come within the detection time: between 75 % and 90 %.
  const [most, least] = config.multiplier === 1 ? [0.9, 0.75] : [1, 0.75]
  return interval * (most - share * (most - least))
}
