import type { Logger } from '@heddle/io'
import { LinuxError, READINESS, type Poller, type Watch } from '@heddle/linux'

/** Batches that one source gives at most a wake; then the others have their turn, and timers and the agent's socket theirs. */
export const TURNS = 4

/** How long a device that is down is left alone, milliseconds. */
export const PAUSE = 250

/** Errors of a read that are over some time: the device was set down, memory ran out. */
const PASSING: ReadonlySet<string> = new Set(['EIO', 'ENETDOWN', 'ENOBUFS', 'ENOMEM', 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH'])

/** Something that packets are read from. */
export interface Source {
  readonly fd: number
  /** Forwards one batch; true when there may be more. */
  turn(): boolean
  /** Hands over what waits after a fault. */
  flush(): void
  /** Called once, when it is there no more. */
  gone(reason: string): void
}

/** What became of the turns that a source had. */
export type Outcome = 'ready' | 'paused' | 'gone'

/** Gives a source its turns. @param isStopped whether nobody listens to it any more */
export function serve(source: Source, logger: Logger, isStopped: () => boolean): Outcome {
  try {
    for (let turns = 0; turns < TURNS && source.turn(); turns++);
    return 'ready'
  } catch (error) {
    if (isStopped()) return 'gone'
    if (!(error instanceof LinuxError)) {
      // A fault in one packet's way must not end the way of all others.
      logger.error('A batch was not forwarded whole', { reason: error instanceof Error ? error.stack : String(error) })
      source.flush()
      return 'ready'
    }
    if (PASSING.has(error.code)) return 'paused'
    source.gone(error.message)
    return 'gone'
  }
}

/** Gives a source its turns whenever it is readable, among everything else that the event loop does. */
export function watch(poller: Poller, source: Source, logger: Logger): Watch {
  let pause: NodeJS.Timeout | undefined
  let closed = false
  const watched = poller.watch(source.fd, READINESS.readable, () => {
    const outcome = serve(source, logger, () => closed)
    if (closed) return
    if (outcome === 'ready') watched.rearm()
    else if (outcome === 'paused') pause = setTimeout(() => watched.rearm(), PAUSE).unref()
    else stop()
  })
  const stop = (): void => {
    closed = true
    clearTimeout(pause)
    watched.close()
  }
  return { rearm: (interest) => watched.rearm(interest), close: stop }
}
