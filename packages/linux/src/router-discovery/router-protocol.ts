import type { Clock, Random, Timer } from '@heddle/io'
import { IpAddress, type Icmpv6Message } from '@heddle/wire'

/** Everyone on the link. */
const ALL_NODES = IpAddress.parse('ff02::1')
/** Every router on the link; a member hears solicitations. */
export const ALL_ROUTERS = IpAddress.parse('ff02::2')

/* RFC 4861 §6.2.1 and §10; the longest time between advertisements is that of other routing daemons, not the 600 s that suit hosts. */
const MAX_INTERVAL = 10_000
const MIN_INTERVAL = MAX_INTERVAL / 3
const MAX_ANSWER_DELAY = 500
const SOLICITATIONS = 3
const SOLICITATION_INTERVAL = 4000

/** We forward for those who know it by routing, and are nobody's default router. */
const ADVERTISEMENT: Icmpv6Message = {
  type: 'router-advertisement',
  hopLimit: 0,
  flags: 0,
  lifetime: 0,
  reachableTime: 0,
  retransTimer: 0,
}

/** A message as it came. */
export interface HeardMessage {
  readonly message: Icmpv6Message
  readonly source: IpAddress
  /** 255 unless it came through a router, which must not be. */
  readonly hopLimit: number
}

/** The world of one link. */
export interface RouterProtocolOptions {
  readonly clock: Clock
  readonly random: Random
  send(message: Icmpv6Message, to: IpAddress): void
  /** Another router than the last one has advertised itself. */
  heard(router: IpAddress): void
}

/**
 * Our side of router discovery on one link (RFC 4861 §6): tells that we are here, again and again and to who asks, and asks who else is. Who advertises
 * itself to us is answered at once, so that both ends know each other as soon as the second of them is there.
 */
export class RouterProtocol {
  readonly #timers = new Set<Timer>()
  #last: IpAddress | undefined
  /** Perhaps amid a message, which could not be sent. */
  #isOver = false

  constructor(private readonly options: RouterProtocolOptions) {}

  start(): void {
    this.#advertise()
    this.#solicit(SOLICITATIONS)
  }

  stop(): void {
    this.#isOver = true
    for (const timer of this.#timers) timer.cancel()
    this.#timers.clear()
  }

  received({ message, source, hopLimit }: HeardMessage): void {
    if (this.#isOver) return
    if (hopLimit !== 255 || !source.isLinkLocal) return // RFC 4861 §6.1
    if (message.type === 'router-solicitation') {
      const delay = (this.options.random.uint32() / 2 ** 32) * MAX_ANSWER_DELAY
      this.#later(delay, () => this.options.send(ADVERTISEMENT, source))
    } else if (message.type === 'router-advertisement') this.#router(source)
  }

  #router(source: IpAddress): void {
    if (this.#last?.equals(source) === true) return
    this.#last = source
    this.options.send(ADVERTISEMENT, source)
    if (!this.#isOver) this.options.heard(source)
  }

  #advertise(): void {
    const { random } = this.options
    this.options.send(ADVERTISEMENT, ALL_NODES)
    this.#later(MIN_INTERVAL + (random.uint32() / 2 ** 32) * (MAX_INTERVAL - MIN_INTERVAL), () => this.#advertise())
  }

  /** @param left how often at most, while nobody is heard */
  #solicit(left: number): void {
    if (left === 0 || this.#last !== undefined || this.#isOver) return
    this.options.send({ type: 'router-solicitation' }, ALL_ROUTERS)
    this.#later(SOLICITATION_INTERVAL, () => this.#solicit(left - 1))
  }

  #later(delay: number, fire: () => void): void {
    if (this.#isOver) return
    const timer = this.options.clock.setTimer(delay, () => {
      this.#timers.delete(timer)
      fire()
    })
    this.#timers.add(timer)
  }
}
