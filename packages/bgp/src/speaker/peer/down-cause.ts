import type { DownCause } from '../../session/session.js'

/** Why a session ended, in words. */
export function describeCause(cause: DownCause): string {
  switch (cause.kind) {
    case 'connection-lost':
      return cause.message
    case 'closed':
      return 'closed'
    default: {
      const { code, subcode, shutdown } = cause.notification
      const direction = cause.kind === 'notification-sent' ? 'sent' : 'received'
      return `NOTIFICATION ${code}/${subcode} ${direction}${shutdown === undefined ? '' : `: ${shutdown}`}`
    }
  }
}
