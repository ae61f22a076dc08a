import type { StreamAuthentication } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import type { OpenMessage } from '../../message/message.js'
import type { NegotiatedSession } from '../../capability/negotiated-session.js'
import type { NotificationSummary } from '../../fsm/event.js'
import type { FsmStateName } from '../../fsm/state.js'
import type { Session } from '../../session/session.js'
import type { BfdState } from '../bfd-source.js'
import type { NeighborConfig } from '../config.js'

/** Messages of one direction since the speaker started. */
export interface MessageCounters {
  open: number
  update: number
  notification: number
  keepalive: number
  routeRefresh: number
}

/** Routes of one family that a peer holds and gave. */
export interface FamilyCounters {
  readonly family: string
  /** Paths in the peer's Adj-RIB-In. */
  readonly received: number
  /** Of these, stale ones (RFC 4724). */
  readonly stale: number
  /** Destinations announced to the peer. */
  readonly sent: number
}

/** A NOTIFICATION that ended a session. */
export interface NotificationView extends NotificationSummary {
  readonly direction: 'sent' | 'received'
}

/** A session that is established: its connection, and what its ends said when it began. */
export interface SessionView {
  readonly localAddress: IpAddress
  readonly localPort: number
  readonly remotePort: number
  readonly sentOpen: OpenMessage
  readonly receivedOpen: OpenMessage
}

/** A neighbor at one moment. */
export interface NeighborView {
  readonly address: string
  readonly as: number
  readonly description?: string
  readonly config: NeighborConfig
  readonly state: FsmStateName
  /** Seconds in Established; 0 otherwise. */
  readonly uptime: number
  /** Times that Established was reached. */
  readonly established: number
  readonly localAddress?: IpAddress
  /** Where the neighbor is; absent for one that is named by its device while nobody has been heard there. */
  readonly remoteAddress?: IpAddress
  /** What BFD with the peer says, once it has said anything. */
  readonly bfd?: BfdState
  /** The connection and the OPENs of the session. Absent unless Established. */
  readonly session?: SessionView
  /** Absent unless Established. */
  readonly negotiated?: NegotiatedSession
  readonly messages: { readonly sent: MessageCounters; readonly received: MessageCounters }
  readonly families: readonly FamilyCounters[]
  readonly lastNotification?: NotificationView
  /** Why the last session or attempt ended, in words. */
  readonly lastError?: string
}

/** What of a session is shown. */
type ShownSession = Pick<Session, 'connection' | 'localOpen' | 'remoteOpen'>

const HIDDEN = '(hidden)'

/** A neighbor's configuration without the keys, which are for the transport alone. */
export function withoutKeys(neighbor: NeighborConfig): NeighborConfig {
  const { authentication, ...rest } = neighbor
  if (authentication === undefined) return neighbor
  const hidden: StreamAuthentication =
    authentication.kind === 'tcp-md5'
      ? { kind: 'tcp-md5', key: HIDDEN }
      : { kind: 'tcp-ao', keys: authentication.keys.map((key) => ({ ...key, key: HIDDEN })) }
  return { ...rest, authentication: hidden }
}

/** A session as it is shown, once it is established. */
export function sessionView(session: ShownSession | undefined): Pick<NeighborView, 'session'> {
  const { connection, localOpen: sentOpen, remoteOpen: receivedOpen } = session ?? {}
  if (connection === undefined || sentOpen === undefined || receivedOpen === undefined) return {}
  const { local, remote } = connection
  return { session: { localAddress: local.address, localPort: local.port, remotePort: remote.port, sentOpen, receivedOpen } }
}
