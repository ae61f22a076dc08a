import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { AddressFamily } from '../workload/family.ts'
import { HEADER, marker, u16, u32 } from '../workload/octets.ts'
import { Intake, LARGE_BLOCK } from './intake.ts'

const [OPEN, NOTIFICATION, KEEPALIVE] = [1, 3, 4]
const AS = 65_000
/** Seconds; short, so that a daemon that is busy with anything else for long is found out. */
export const HOLD_TIME = 9
const READ = 256 << 10
/** Octets handed to the kernel at a time. */
const WRITE = 128 << 10
const RETRY = 50

export interface SessionOptions {
  /** Our address, which is our identifier too. */
  readonly local: string
  readonly remote: string
  readonly port: number
  readonly family: AddressFamily
  /** Octets that are kept together of what comes in. */
  readonly block?: number
}

/** What a session waits for. */
export interface Target {
  readonly announced?: number
  readonly withdrawn?: number
  readonly updates?: number
}

interface Aim {
  readonly wanted: Target
  readonly reached: (at: number) => void
  readonly failed: (error: Error) => void
}

/** Milliseconds on a clock that all processes of this machine share. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** A BGP session that takes in whatever comes and sends what was encoded before; no more of BGP than that. */
export class Session {
  readonly intake: Intake
  /** When the daemon had all that it needs to be Established. */
  establishedAt = 0
  /** Milliseconds between two messages of the daemon, at most. */
  longestSilence = 0
  /** Why the session ended, unless we broke it off. */
  ended: string | undefined
  readonly #options: SessionOptions
  #socket: Socket | undefined
  #keepalives: NodeJS.Timeout | undefined
  #heardAt = 0
  /** UPDATEs go out in pieces that end anywhere: a KEEPALIVE between them would be in the middle of one. */
  #sending = false
  #broken = false
  #closed: Promise<unknown> = Promise.resolve()
  #established: () => void = () => undefined
  #target: Aim | undefined

  constructor(options: SessionOptions) {
    this.#options = options
    this.intake = new Intake(options.block ?? LARGE_BLOCK, (type, message) => this.#onMessage(type, message))
  }

  /** Connects as often as it takes until the session is up. */
  async open(milliseconds: number): Promise<void> {
    for (const end = now() + milliseconds; ;) {
      if (await this.#attempt(Math.max(1, end - now()))) return
      if (now() > end) throw new TypeError(`no session with ${this.#options.remote} in ${milliseconds} ms: ${this.ended ?? 'no answer'}`)
      await new Promise((resolve) => setTimeout(resolve, RETRY))
    }
  }

  /** Resolves with the time at which so many entries had come; counted since the intake forgot. */
  reach(wanted: Target): Promise<number> {
    return new Promise((reached, failed) => {
      this.#target = { wanted, reached, failed }
      this.#check()
    })
  }

  /** Sends octets and resolves with the time of the first and of the last of them. */
  async send(octets: Uint8Array): Promise<{ readonly first: number; readonly last: number }> {
    const socket = this.#socket!
    const first = now()
    this.#sending = true
    try {
      for (let at = 0; at < octets.length; at += WRITE) {
        if (this.ended !== undefined) throw new TypeError(`the session ended: ${this.ended}`)
        if (socket.write(octets.subarray(at, at + WRITE))) continue
        await Promise.race([once(socket, 'drain'), this.#closed])
      }
    } finally {
      this.#sending = false
    }
    return { first, last: now() }
  }

  /** Breaks off without a word, as a peer does that loses its power. Resolves with the time. */
  async break(): Promise<number> {
    clearInterval(this.#keepalives)
    const socket = this.#socket
    if (socket === undefined || socket.closed) return now()
    this.#broken = true
    const at = now()
    socket.resetAndDestroy()
    await this.#closed
    return at
  }

  #attempt(milliseconds: number): Promise<boolean> {
    const { local, remote, port } = this.#options
    this.ended = undefined
    this.#broken = false
    this.intake.forget()
    return new Promise((resolve) => {
      const buffer = new Uint8Array(READ)
      const onread = { buffer, callback: (count: number) => (this.#take(buffer.subarray(0, count)), true) }
      const socket = connect({ host: remote, port, localAddress: local, noDelay: true, onread })
      const timer = setTimeout(() => socket.destroy(), Math.min(milliseconds, HOLD_TIME * 1000))
      this.#socket = socket
      this.#closed = new Promise((closed) => socket.once('close', closed))
      this.#established = () => {
        clearTimeout(timer)
        resolve(true)
      }
      socket.on('connect', () => {
        this.#heardAt = now()
        socket.write(this.#openMessage())
      })
      socket.on('error', (error) => (this.ended ??= error.message))
      socket.on('close', () => {
        clearTimeout(timer)
        clearInterval(this.#keepalives)
        if (!this.#broken) this.ended ??= 'closed'
        this.#target?.failed(new TypeError(`the session ended: ${this.ended ?? 'broken off'}`))
        this.#target = undefined
        resolve(false)
      })
    })
  }

  #take(chunk: Uint8Array): void {
    const at = now()
    this.longestSilence = Math.max(this.longestSilence, at - this.#heardAt)
    this.#heardAt = at
    this.intake.push(chunk)
    this.#check(at)
  }

  #check(at = now()): void {
    const { wanted, reached } = this.#target ?? {}
    const { announced, withdrawn, updates } = this.intake
    if (
      wanted === undefined ||
      announced < (wanted.announced ?? 0) ||
      withdrawn < (wanted.withdrawn ?? 0) ||
      updates < (wanted.updates ?? 0)
    )
      return
    this.#target = undefined
    reached?.(at)
  }

  #onMessage(type: number, message: Uint8Array): void {
    if (type === OPEN) {
      this.establishedAt = now()
      const keepalive = framed(KEEPALIVE, [])
      this.#socket?.write(keepalive)
      clearInterval(this.#keepalives)
      this.#keepalives = setInterval(() => this.#sending || this.#socket?.write(keepalive), (HOLD_TIME * 1000) / 3)
    } else if (type === NOTIFICATION) this.ended = `NOTIFICATION ${message[HEADER]}/${message[HEADER + 1]}`
    else if (type === KEEPALIVE) this.#established()
  }

  #openMessage(): Uint8Array {
    const { local, family } = this.#options
    const capabilities = [1, 4, ...u16(family.afi), 0, family.safi, 2, 0, 65, 4, ...u32(AS)]
    const parameters = [2, capabilities.length, ...capabilities]
    return framed(OPEN, [4, ...u16(AS), ...u16(HOLD_TIME), ...local.split('.').map(Number), parameters.length, ...parameters])
  }
}

function framed(type: number, body: readonly number[]): Uint8Array {
  return new Uint8Array([...marker(), ...u16(HEADER + body.length), type, ...body])
}
