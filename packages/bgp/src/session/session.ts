import type { Clock, Connection, Endpoint, Logger, Random, StreamProtection, Transport } from '@heddle/io'
import { decodeMessage, encodeMessage } from '../decode.js'
import type { FsmConfig } from '../fsm/config.js'
import type { FsmEffect, FsmTimer } from '../fsm/effect.js'
import type { FsmEvent, NotificationSummary } from '../fsm/event.js'
import { INITIAL_FSM, stepFsm } from '../fsm/fsm.js'
import type { FsmState } from '../fsm/state.js'
import type { Fsm } from '../fsm/transition.js'
import { MESSAGE_TYPE, NOTIFICATION, OPEN_ERROR } from '../iana.js'
import { lengthAt } from '../message/header.js'
import { KEEPALIVE } from '../message/keepalive.js'
import type { OpenMessage } from '../message/message.js'
import type { BgpError } from '../validate/bgp-error.js'
import type { NegotiatedSession } from '../capability/negotiated-session.js'
import { Framer } from './framer.js'
import { asSent } from './hard-reset.js'
import { Inbox, type InboxItem } from './inbox.js'
import { SessionStream } from './session-stream.js'
import { SessionTimers } from './timers.js'

/** Why a session ended. */
export type DownCause =
  | { readonly kind: 'notification-sent'; readonly notification: NotificationSummary }
  | { readonly kind: 'notification-received'; readonly notification: NotificationSummary }
  | { readonly kind: 'connection-lost'; readonly message: string }
  | { readonly kind: 'closed' }

/** Whoever owns the session, and what it is told. */
export interface SessionOwner {
  /** The OPEN to send. */
  localOpen(session: Session): OpenMessage
  /** The peer's OPEN has come: `error` refuses it; `dump` gives way to another connection (§6.8). */
  openReceived(session: Session, open: OpenMessage): { negotiated: NegotiatedSession } | { error: NotificationSummary } | 'dump'
  stateChanged(session: Session, from: FsmState['name']): void
  established(session: Session): void
  down(session: Session, cause: DownCause): void
  /** Something is in the inbox. */
  arrived(session: Session): void
  /** An attempt to connect was not answered in time. */
  unanswered(session: Session): void
  /** The connection takes octets again. */
  writable(session: Session): void
  /** A message was sent or received: the octets `from` up to `to` of `bytes`. */
  counted(direction: 'sent' | 'received', bytes: Uint8Array, from: number, to: number): void
}

export interface SessionOptions {
  readonly clock: Clock
  readonly random: Random
  readonly transport: Transport
  readonly logger: Logger
  readonly config: FsmConfig
  /** Where the peer is now, or why that is not known. */
  remote(): Endpoint | string
  readonly localAddress?: Endpoint['address']
  /** What the next stream must have. */
  protection(): StreamProtection | undefined
  readonly owner: SessionOwner
}

/**
 * One connection to a peer and its state machine: carries out what the machine asks for on the injected transport and clock, and feeds it what
 * happens there.
 */
export class Session {
  #fsm: Fsm = INITIAL_FSM
  readonly #timers: SessionTimers
  readonly #events: FsmEvent[] = []
  #running = false
  readonly #stream: SessionStream
  #attempt: AbortController | undefined
  #framer = new Framer()
  #cause: DownCause = { kind: 'closed' }
  /** Messages that arrived in Established and wait for their turn. */
  readonly inbox = new Inbox()
  /** Whether the peer made the connection. */
  incoming = false
  localOpen: OpenMessage | undefined
  remoteOpen: OpenMessage | undefined
  negotiated: NegotiatedSession | undefined
  /** When this connection came up, by the clock. */
  connectedAt = 0
  /** When the session on it did. */
  establishedAt = 0

  constructor(private readonly options: SessionOptions) {
    this.#timers = new SessionTimers(options.clock, options.random, (timer) => this.#expired(timer))
    this.#stream = new SessionStream(options.clock, () => options.owner.writable(this))
  }

  get state(): FsmState {
    return this.#fsm.state
  }

  /** Names of the timers that run. */
  get timers(): readonly FsmTimer[] {
    return this.#timers.running
  }

  get connection(): Connection | undefined {
    return this.#stream.connection
  }

  /** Why the last connection or attempt ended. */
  get cause(): DownCause {
    return this.#cause
  }

  /** The connection has taken all it wants for now; see `SessionOwner.writable`. */
  get blocked(): boolean {
    return this.#stream.blocked
  }

  /** Feeds the machine. Events that arise meanwhile wait for their turn. */
  handle(event: FsmEvent): void {
    this.#events.push(event)
    if (this.#running) return
    this.#running = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next)
    } finally {
      this.#running = false
    }
  }

  /** Takes a connection that the peer made. */
  accept(connection: Connection): void {
    this.incoming = true
    this.#adopt(connection)
    this.handle({ type: 'tcp-connection-confirmed' })
  }

  /**
   * Sends whole messages.
   *
   * @param octets one message or more, one behind the other
   * @returns false when no more should be sent until `writable`
   */
  write(octets: Uint8Array): boolean {
    if (this.connection === undefined) return false
    for (let at = 0, end = 0; at < octets.length; at = end) {
      end = at + lengthAt(octets, at)
      this.options.owner.counted('sent', octets, at, end)
    }
    return this.#stream.write(octets)
  }

  /** Ends the session because of what the peer sent. */
  refuse({ notification }: BgpError): void {
    this.handle({ type: 'update-error', notification: notification ?? { code: NOTIFICATION.update, subcode: 0 } })
  }

  /** The connection is evidently dead, though nothing has said so: it is closed without a word (RFC 4724 §4.2). */
  abandon(message: string): void {
    this.#lost(message)
  }

  /** What is left in the inbox that is not a message: carried out when its turn comes. */
  process(item: Exclude<InboxItem, { readonly kind: 'message' }>): void {
    switch (item.kind) {
      case 'notification':
        return this.#notified(item.bytes)
      case 'error':
        return this.handle({ type: 'header-error', notification: item.error.notification ?? { code: NOTIFICATION.header, subcode: 0 } })
      default:
        return this.#lost(item.message)
    }
  }

  #step(event: FsmEvent): void {
    const from = this.#fsm.state
    const { fsm, effects } = stepFsm(this.#fsm, event, this.options.config)
    this.#fsm = fsm
    for (const effect of effects) this.#carryOut(effect)
    if (fsm.state.name !== from.name) this.options.owner.stateChanged(this, from.name)
  }

  #carryOut(effect: FsmEffect): void {
    switch (effect.type) {
      case 'start-timer':
        return this.#timers.start(effect.timer, effect.seconds, effect.jitter)
      case 'stop-timer':
        return this.#timers.stop(effect.timer)
      case 'connect':
        return this.#connect()
      case 'close':
        return this.#close()
      case 'send-open':
        return this.#sendOpen()
      case 'send-keepalive':
        this.write(encodeMessage(KEEPALIVE))
        return undefined
      case 'send-notification':
        return this.#sendNotification(effect.notification)
      case 'established':
        this.#cause = { kind: 'closed' }
        this.establishedAt = this.options.clock.now()
        return this.options.owner.established(this)
      default:
        this.inbox.clear()
        return this.options.owner.down(this, this.#cause)
    }
  }

  #connect(): void {
    const { transport, localAddress } = this.options
    const remote = this.options.remote()
    if (typeof remote === 'string') return this.#lost(remote)
    const protection = this.options.protection()
    const attempt = new AbortController()
    this.#attempt = attempt
    const wanted = {
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(protection === undefined ? {} : { protection }),
    }
    transport.connect({ remote, ...wanted, signal: attempt.signal }).then(
      (connection) => {
        if (this.#attempt !== attempt) return connection.reset()
        this.#attempt = undefined
        this.incoming = false
        this.#adopt(connection)
        this.handle({ type: 'tcp-request-acked' })
      },
      (error: unknown) => {
        if (this.#attempt !== attempt) return
        this.#attempt = undefined
        this.#lost(messageOf(error))
      },
    )
  }

  #adopt(connection: Connection): void {
    this.#stream.adopt(connection)
    this.connectedAt = this.options.clock.now()
    this.#framer = new Framer()
    this.negotiated = undefined
    this.#cause = { kind: 'closed' }
    void this.#read(connection)
  }

  async #read(connection: Connection): Promise<void> {
    let message = 'closed by the peer'
    try {
      for await (const chunk of connection.chunks) {
        if (this.connection !== connection) return
        this.#received(chunk)
        if (this.inbox.full) await this.inbox.drained()
      }
    } catch (error) {
      message = messageOf(error)
    }
    if (this.connection !== connection) return
    if (this.inbox.empty) return this.#lost(message)
    this.inbox.push({ kind: 'end', message })
    this.options.owner.arrived(this)
    return undefined
  }

  #received(chunk: Uint8Array): void {
    const { state } = this.#fsm
    if ((state.name === 'established' || state.name === 'open-confirm') && state.holdTime > 0) {
      this.#timers.start('hold', state.holdTime, false) // octets prove that the peer lives, however late their message is processed
    }
    this.#framer.pushSpans(chunk, {
      span: (bytes, from, to, type) => this.#message(bytes, from, to, type),
      error: (error) => {
        if (this.inbox.empty) this.process({ kind: 'error', error })
        else this.inbox.push({ kind: 'error', error })
      },
    })
    if (!this.inbox.empty) this.options.owner.arrived(this)
  }

  #message(bytes: Uint8Array, from: number, to: number, type: number): void {
    if (this.connection === undefined) return
    this.options.owner.counted('received', bytes, from, to)
    if (type === MESSAGE_TYPE.keepalive) return this.handle({ type: 'keepalive-received' })
    if (type === MESSAGE_TYPE.open) return this.#open(bytes.subarray(from, to))
    if (this.#fsm.state.name === 'established') {
      if (type === MESSAGE_TYPE.notification) this.inbox.push({ kind: 'notification', bytes: bytes.subarray(from, to) })
      else this.inbox.pushMessage(bytes, from, to)
      return
    }
    if (type === MESSAGE_TYPE.notification) return this.#notified(bytes.subarray(from, to))
    return this.handle({ type: 'update-received' }) // an UPDATE or ROUTE-REFRESH out of place
  }

  #open(bytes: Uint8Array): void {
    const result = decodeMessage(bytes)
    if (!result.ok) {
      const fallback = { code: NOTIFICATION.open, subcode: OPEN_ERROR.unspecific }
      return this.handle({ type: 'open-error', notification: result.error.notification ?? fallback })
    }
    const open = result.message as OpenMessage
    const { state } = this.#fsm
    const delayed = (state.name === 'connect' || state.name === 'active') && state.delayingOpen
    if (state.name !== 'open-sent' && !delayed) return this.handle({ type: 'open-received', open })
    if (delayed) this.localOpen = this.options.owner.localOpen(this)
    this.remoteOpen = open
    const verdict = this.options.owner.openReceived(this, open)
    if (verdict === 'dump') return this.handle({ type: 'open-collision-dump' })
    if ('error' in verdict) return this.handle({ type: 'open-error', notification: verdict.error })
    this.negotiated = verdict.negotiated
    if (verdict.negotiated.extendedMessage) this.#framer.allowExtended()
    return this.handle({ type: delayed ? 'open-received-delayed' : 'open-received', open })
  }

  #notified(bytes: Uint8Array): void {
    const result = decodeMessage(bytes)
    if (!result.ok || result.message.type !== 'notification') return this.handle({ type: 'notification-received' })
    const { code, subcode, data, shutdown } = result.message
    const notification = { code, subcode, data, ...(shutdown === undefined ? {} : { shutdown }) }
    this.#cause = { kind: 'notification-received', notification }
    const version = code === NOTIFICATION.open && subcode === OPEN_ERROR.unsupportedVersion
    this.handle({ type: version ? 'notification-version-error' : 'notification-received' })
  }

  #sendOpen(): void {
    this.localOpen = this.options.owner.localOpen(this)
    this.write(encodeMessage(this.localOpen))
  }

  #sendNotification(notification: NotificationSummary): void {
    this.#cause = { kind: 'notification-sent', notification }
    const { code, subcode, data = new Uint8Array(), shutdown } = asSent(notification, this.negotiated)
    this.write(encodeMessage({ type: 'notification', code, subcode, data, ...(shutdown === undefined ? {} : { shutdown }) }))
  }

  #lost(message: string): void {
    this.#cause = { kind: 'connection-lost', message }
    this.handle({ type: 'tcp-connection-fails' })
  }

  #close(): void {
    this.#attempt?.abort()
    this.#attempt = undefined
    this.inbox.clear()
    this.#stream.close()
  }

  #expired(timer: FsmTimer): void {
    switch (timer) {
      case 'connect-retry':
        if (this.#attempt !== undefined) this.options.owner.unanswered(this)
        return this.handle({ type: 'connect-retry-timer-expired' })
      case 'hold':
        return this.handle({ type: 'hold-timer-expired' })
      case 'keepalive':
        return this.handle({ type: 'keepalive-timer-expired' })
      case 'delay-open':
        return this.handle({ type: 'delay-open-timer-expired' })
      case 'idle-hold':
        return this.handle({ type: 'idle-hold-timer-expired' })
      default:
        return this.#checkSending()
    }
  }

  /** Whether anything has left since the last look (RFC 9687 §3.2). */
  #checkSending(): void {
    const { state } = this.#fsm
    if (state.name !== 'established') return
    if (this.#stream.stands()) return this.handle({ type: 'send-hold-timer-expired' })
    this.#timers.start('send-hold', Math.max(this.options.config.sendHoldTime, 2 * state.holdTime), false)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
