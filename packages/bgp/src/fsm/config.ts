/** Session attributes of RFC 4271 §8.1.1 and §10. All times are seconds. */
export interface FsmConfig {
  /** Between attempts to connect; suggested 120. */
  readonly connectRetryTime: number
  /** What our OPEN proposes: 0 or 3–65,535; suggested 90. */
  readonly holdTime: number
  /** Hold time until the peer's OPEN is there; suggested 240. */
  readonly largeHoldTime: number
  /** Hold the OPEN back after the transport is up, so that the peer may go first. */
  readonly delayOpen: boolean
  readonly delayOpenTime: number
  /** In Idle after a failure, before the next start; doubles with each failure in a row (DampPeerOscillations). */
  readonly idleHoldTime: number
  /** What it doubles up to. */
  readonly idleHoldLimit: number
  /** PassiveTcpEstablishment: wait for the peer's connection. */
  readonly passive: boolean
  /** Report an error even before our OPEN is out. */
  readonly sendNotificationWithoutOpen: boolean
  /** RFC 9687: how long nothing may leave before the session is given up; 0 turns it off. */
  readonly sendHoldTime: number
}

/** The RFC's suggestions, with a short idle hold. */
export const DEFAULT_FSM_CONFIG: FsmConfig = Object.freeze({
  connectRetryTime: 120,
  holdTime: 90,
  largeHoldTime: 240,
  delayOpen: false,
  delayOpenTime: 3,
  idleHoldTime: 1,
  idleHoldLimit: 8,
  passive: false,
  sendNotificationWithoutOpen: false,
  sendHoldTime: 480,
})
