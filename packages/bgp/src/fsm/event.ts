import type { IpAddress } from '@heddle/wire'

/** What the state machine must know of an OPEN (RFC 4271 §4.2). */
export interface OpenSummary {
  readonly as: number
  /** Seconds: 0 or 3–65,535. */
  readonly holdTime: number
  readonly routerId: IpAddress
}

/** What a NOTIFICATION says (RFC 4271 §4.5). */
export interface NotificationSummary {
  readonly code: number
  readonly subcode: number
  /** Octets behind the subcode. Default none. */
  readonly data?: Uint8Array
  /** Shutdown communication (RFC 9003), in the place of `data`. */
  readonly shutdown?: string
}

/** The events of RFC 4271 §8.1, each with its number there; 29 is RFC 9687's. */
export type FsmEvent =
  | { readonly type: 'manual-start' } // 1
  /** With `silent`, the connection is closed without a NOTIFICATION, as a restarting speaker does (RFC 4724 §4.1). */
  | { readonly type: 'manual-stop'; readonly silent?: boolean; readonly shutdown?: string; readonly subcode?: number } // 2
  | { readonly type: 'automatic-start' } // 3
  | { readonly type: 'manual-start-passive' } // 4
  | { readonly type: 'automatic-start-passive' } // 5
  | { readonly type: 'automatic-start-damped' } // 6
  | { readonly type: 'automatic-start-damped-passive' } // 7
  /** `subcode` of Cease says why: RFC 4486 §4. */
  | { readonly type: 'automatic-stop'; readonly subcode: number; readonly data?: Uint8Array } // 8
  | { readonly type: 'connect-retry-timer-expired' } // 9
  | { readonly type: 'hold-timer-expired' } // 10
  | { readonly type: 'keepalive-timer-expired' } // 11
  | { readonly type: 'delay-open-timer-expired' } // 12
  | { readonly type: 'idle-hold-timer-expired' } // 13
  | { readonly type: 'tcp-connection-valid' } // 14
  | { readonly type: 'tcp-request-invalid' } // 15
  | { readonly type: 'tcp-request-acked' } // 16
  | { readonly type: 'tcp-connection-confirmed' } // 17
  | { readonly type: 'tcp-connection-fails' } // 18
  | { readonly type: 'open-received'; readonly open: OpenSummary } // 19
  | { readonly type: 'open-received-delayed'; readonly open: OpenSummary } // 20
  | { readonly type: 'header-error'; readonly notification: NotificationSummary } // 21
  | { readonly type: 'open-error'; readonly notification: NotificationSummary } // 22
  | { readonly type: 'open-collision-dump' } // 23
  | { readonly type: 'notification-version-error' } // 24
  | { readonly type: 'notification-received' } // 25
  | { readonly type: 'keepalive-received' } // 26
  | { readonly type: 'update-received' } // 27
  | { readonly type: 'update-error'; readonly notification: NotificationSummary } // 28
  | { readonly type: 'send-hold-timer-expired' } // 29

/** The number of each event in RFC 4271 §8.1 (29: RFC 9687 §3). */
export const EVENT_NUMBER: Readonly<Record<FsmEvent['type'], number>> = Object.freeze({
  'manual-start': 1,
  'manual-stop': 2,
  'automatic-start': 3,
  'manual-start-passive': 4,
  'automatic-start-passive': 5,
  'automatic-start-damped': 6,
  'automatic-start-damped-passive': 7,
  'automatic-stop': 8,
  'connect-retry-timer-expired': 9,
  'hold-timer-expired': 10,
  'keepalive-timer-expired': 11,
  'delay-open-timer-expired': 12,
  'idle-hold-timer-expired': 13,
  'tcp-connection-valid': 14,
  'tcp-request-invalid': 15,
  'tcp-request-acked': 16,
  'tcp-connection-confirmed': 17,
  'tcp-connection-fails': 18,
  'open-received': 19,
  'open-received-delayed': 20,
  'header-error': 21,
  'open-error': 22,
  'open-collision-dump': 23,
  'notification-version-error': 24,
  'notification-received': 25,
  'keepalive-received': 26,
  'update-received': 27,
  'update-error': 28,
  'send-hold-timer-expired': 29,
})
