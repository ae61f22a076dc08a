import type { CallbackFailed, Clock, Transport } from '@heddle/io'
import type { IpAddress } from '@heddle/wire'
import { typeAt } from '../../message/header.js'
import type { DownCause } from '../../session/session.js'
import { describeCause } from './down-cause.js'
import { count, newCounters } from './message-counters.js'
import type { MessageTrace } from './message-trace.js'
import type { NeighborView, NotificationView } from './neighbor-view.js'
import type { PeerConfig } from './peer-config.js'
import { SignatureWatch } from './signature-watch.js'

const KEY_NAMES = { 'tcp-md5': 'TCP MD5', 'tcp-ao': 'TCP-AO' } as const

/** What has happened with a peer, for who asks: its messages, its sessions, and why there is none. */
export class PeerHistory {
  readonly sent = newCounters()
  readonly received = newCounters()
  /** Times that a session was established. */
  established = 0
  readonly #traces = new Set<MessageTrace>()
  readonly #signatures: SignatureWatch
  #since = 0
  #lastNotification: NotificationView | undefined
  #lastError: string | undefined

  constructor(
    private readonly clock: Clock,
    transport: Transport,
    private readonly failedTrace: CallbackFailed,
  ) {
    this.#signatures = new SignatureWatch(clock, transport)
  }

  /** A session is looked for from here on. */
  looksFor({ neighbor, fsm }: PeerConfig): void {
    if (neighbor.authentication === undefined) this.#signatures.stop()
    else this.#signatures.start(fsm.connectRetryTime)
  }

  /** No session is looked for any more. */
  stop(): void {
    this.#signatures.stop()
  }

  /** A session is established. */
  up(): void {
    this.established++
    this.#since = this.clock.now()
    this.#lastError = undefined
    this.#signatures.stop()
  }

  /** A session that it was looked for, or was there, is over. */
  ended(cause: DownCause): void {
    if (cause.kind !== 'closed') this.#lastError = describeCause(cause)
  }

  /** Keeps the NOTIFICATION that ended a session, if one did. */
  noticed(cause: DownCause): void {
    if (cause.kind === 'notification-sent') this.#lastNotification = { direction: 'sent', ...cause.notification }
    if (cause.kind === 'notification-received') this.#lastNotification = { direction: 'received', ...cause.notification }
  }

  /** Something else than a session failed. */
  failed(error: unknown): void {
    this.#lastError = error instanceof Error ? error.message : String(error)
  }

  /** An attempt to connect was not answered in time. */
  unanswered({ port, fsm, neighbor, protection }: PeerConfig, address: IpAddress | undefined): void {
    const key =
      neighbor.authentication === undefined ? '' : `; its key for ${KEY_NAMES[neighbor.authentication.kind]} may be another, or it has none`
    const far =
      protection?.minimumHopLimit === undefined
        ? ''
        : `; it may be further away than ${neighbor.ttlSecurity === 1 ? 'one hop' : `${neighbor.ttlSecurity} hops`}`
    this.#lastError = `no answer from ${address} port ${port} within ${fsm.connectRetryTime} s${key}${far}`
  }

  /** A message was sent or received: the octets `from` up to `to` of `bytes`. */
  counted(neighbor: string, direction: 'sent' | 'received', bytes: Uint8Array, from: number, to: number): void {
    count(this[direction], typeAt(bytes, from))
    if (this.#traces.size === 0) return
    for (const trace of this.#traces) {
      try {
        trace({ neighbor, direction, at: this.clock.now(), message: bytes.slice(from, to) })
      } catch (error) {
        this.failedTrace(`trace of ${neighbor}`, error)
      }
    }
  }

  /** Has `trace` told each message both ways, until the returned function is called. */
  trace(trace: MessageTrace): () => void {
    this.#traces.add(trace)
    return () => this.#traces.delete(trace)
  }

  /** @param isUp whether a session is established now */
  view(isUp: boolean): Pick<NeighborView, 'uptime' | 'established' | 'messages' | 'lastNotification' | 'lastError'> {
    const { words } = this.#signatures
    const lastError = words === undefined ? this.#lastError : `${this.#lastError ?? 'nobody has come with a key that fits'}; ${words}`
    return {
      uptime: isUp ? (this.clock.now() - this.#since) / 1000 : 0,
      established: this.established,
      messages: { sent: { ...this.sent }, received: { ...this.received } },
      ...(this.#lastNotification === undefined ? {} : { lastNotification: this.#lastNotification }),
      ...(lastError === undefined ? {} : { lastError }),
    }
  }
}
