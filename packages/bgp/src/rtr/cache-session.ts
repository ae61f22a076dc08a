import type { Connection } from '@heddle/io'
import { joined } from '../joined.js'
import { decodeRtr, encodeRtr, rtrLength } from './codec.js'
import type { OriginAuthorization } from './authorizations.js'
import { RTR_HEADER_SIZE, type RtrPdu } from './pdu.js'

/** How far a client is with a cache: its data are those of `serial` in `session`. */
export interface RtrPosition {
  readonly session: number
  readonly serial: number
}

/** Seconds (RFC 8210 §6). */
export interface RtrIntervals {
  readonly refresh: number
  readonly retry: number
  readonly expire: number
}

/** What a cache has told completely. */
export interface RtrUpdate {
  /** The data are all there is, not a difference. */
  readonly isWhole: boolean
  readonly announced: readonly OriginAuthorization[]
  readonly withdrawn: readonly OriginAuthorization[]
  readonly position: RtrPosition
  readonly intervals: RtrIntervals
}

/** What a session tells its owner. */
export interface CacheSessionOwner {
  updated(update: RtrUpdate): void
  /** The cache has no data yet, or none that goes on from ours; what we have of it stays until it expires. */
  empty(): void
}

/** Intervals of version 0, and of caches that send others than RFC 8210 §6 allows. */
const DEFAULT_INTERVALS: RtrIntervals = { refresh: 3600, retry: 600, expire: 7200 }
/** A longer PDU is a stream out of step: an error report has two messages of its own in it, and still is short. */
const LONGEST = 1 << 16
const ERROR = { corrupt: 0, noData: 2, invalidRequest: 3, unsupportedVersion: 4 } as const

/** Why a session with a cache ended. */
export class RtrSessionError extends Error {
  override readonly name = 'RtrSessionError'

  constructor(
    message: string,
    /** The cache speaks an older version only (RFC 8210 §7). */
    readonly downgrade = false,
  ) {
    super(message)
  }
}

/** One connection to a cache (RFC 8210 §8): a query, its answer, and whatever the cache notifies of. */
export class CacheSession {
  #rest: Uint8Array = new Uint8Array()
  #position: RtrPosition | undefined
  /** What has come of an answer that is not complete. */
  #answer:
    | { readonly isWhole: boolean; readonly session: number; announced: OriginAuthorization[]; withdrawn: OriginAuthorization[] }
    | undefined
  #isAsking: 'all' | 'difference' | undefined

  /** @param position where the client is with this very cache; `undefined` asks for all */
  constructor(
    private readonly connection: Connection,
    private readonly version: number,
    position: RtrPosition | undefined,
    private readonly owner: CacheSessionOwner,
  ) {
    this.#position = position
  }

  /** Asks, and reads until the connection ends. @throws RtrSessionError; TransportError */
  async run(): Promise<void> {
    this.ask()
    for await (const chunk of this.connection.chunks) this.#push(chunk)
    throw new RtrSessionError('the cache closed the connection')
  }

  /** Asks for what is new; again no earlier than when the last answer is complete. */
  ask(): void {
    if (this.#isAsking !== undefined) return
    const position = this.#position
    this.#isAsking = position === undefined ? 'all' : 'difference'
    this.#send(
      position === undefined
        ? { type: 'reset-query', version: this.version }
        : { type: 'serial-query', version: this.version, ...position },
    )
  }

  #push(chunk: Uint8Array): void {
    let bytes = joined(this.#rest, chunk)
    for (let length = rtrLength(bytes); length !== undefined; length = rtrLength(bytes)) {
      if (length < RTR_HEADER_SIZE || length > LONGEST)
        throw this.#refused(ERROR.corrupt, bytes.subarray(0, RTR_HEADER_SIZE), `a length of ${length}`)
      if (bytes.length < length) break
      const pdu = bytes.subarray(0, length)
      const result = decodeRtr(pdu)
      if (!result.ok) throw this.#refused(ERROR.corrupt, pdu, result.error.code)
      if (result.pdu.version !== this.version) this.#otherVersion(result.pdu, pdu)
      else this.#take(result.pdu, pdu)
      bytes = bytes.subarray(length)
    }
    this.#rest = bytes.slice()
  }

  /** A cache answers in the version that it has; one below ours is taken (RFC 8210 §7), but not in the middle. */
  #otherVersion(pdu: RtrPdu, bytes: Uint8Array): void {
    if (pdu.type === 'serial-notify') return
    const isOlder = pdu.version < this.version
    if (pdu.type === 'error-report') throw new RtrSessionError(`the cache: ${pdu.text} (error ${pdu.code})`, isOlder)
    if (isOlder && this.#answer === undefined) throw new RtrSessionError(`the cache speaks version ${pdu.version}`, true)
    throw this.#refused(ERROR.corrupt, bytes, `version ${pdu.version}`)
  }

  #take(pdu: RtrPdu, bytes: Uint8Array): void {
    switch (pdu.type) {
      case 'serial-notify':
        return this.ask()
      case 'cache-reset':
        this.#position = undefined
        this.#isAsking = undefined
        return this.ask()
      case 'cache-response': {
        const isWhole = this.#isAsking === 'all'
        if (this.#isAsking === undefined) throw this.#refused(ERROR.invalidRequest, bytes, 'an answer that was not asked for')
        // another session has other data (RFC 8210 §5.1)
        if (!isWhole && this.#position?.session !== pdu.session) {
          this.#position = undefined
          throw this.#refused(ERROR.corrupt, bytes, 'an answer of another session')
        }
        this.#answer = { isWhole, session: pdu.session, announced: [], withdrawn: [] }
        return
      }
      case 'ipv4-prefix':
      case 'ipv6-prefix': {
        if (this.#answer === undefined) throw this.#refused(ERROR.corrupt, bytes, 'data outside an answer')
        const { prefix, maxLength, as, announce } = pdu
        this.#answer[announce ? 'announced' : 'withdrawn'].push({ prefix, maxLength, as })
        return
      }
      case 'end-of-data':
        return this.#complete(pdu, bytes)
      case 'error-report':
        if (pdu.code !== ERROR.noData)
          throw new RtrSessionError(`the cache: ${pdu.text} (error ${pdu.code})`, pdu.code === ERROR.unsupportedVersion)
        this.#isAsking = undefined
        this.#answer = undefined
        this.#position = undefined
        return this.owner.empty()
      default:
        return // keys and providers are for others
    }
  }

  #complete(pdu: Extract<RtrPdu, { readonly type: 'end-of-data' }>, bytes: Uint8Array): void {
    const answer = this.#answer
    if (answer === undefined || answer.session !== pdu.session) throw this.#refused(ERROR.corrupt, bytes, 'an end of another answer')
    this.#answer = undefined
    this.#isAsking = undefined
    const position = { session: pdu.session, serial: pdu.serial }
    this.#position = position
    const { isWhole, announced, withdrawn } = answer
    this.owner.updated({ isWhole, announced, withdrawn, position, intervals: withinBounds(pdu.intervals) })
  }

  /** The last words, and the error to end with. */
  #refused(code: number, pdu: Uint8Array, text: string): RtrSessionError {
    this.#send({ type: 'error-report', version: this.version, code, pdu: pdu.slice(), text })
    return new RtrSessionError(`the cache sent ${text}`)
  }

  #send(pdu: RtrPdu): void {
    this.connection.write(encodeRtr(pdu))
  }
}

/** What RFC 8210 §6 allows; in the place of anything else its default. */
function withinBounds(intervals: RtrIntervals | undefined): RtrIntervals {
  const { refresh, retry, expire } = intervals ?? DEFAULT_INTERVALS
  const within = (value: number, least: number, most: number, otherwise: number): number =>
    value >= least && value <= most ? value : otherwise
  return {
    refresh: within(refresh, 1, 86_400, DEFAULT_INTERVALS.refresh),
    retry: within(retry, 1, 7_200, DEFAULT_INTERVALS.retry),
    expire: within(expire, 600, 172_800, DEFAULT_INTERVALS.expire),
  }
}
