import type { Clock } from '../clock.js'

/** The longest delay that Node's timers take; a longer one is reached in legs. */
const LONGEST = 0x7fffffff

/** Node's monotonic clock and timers. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  setTimer(delay, fire) {
    if (delay <= 0) {
      // behind what has arrived, and without the millisecond that Node's shortest timer waits
      const soon = setImmediate(fire)
      return { cancel: () => clearImmediate(soon) }
    }
    let handle: ReturnType<typeof setTimeout>
    const due = performance.now() + delay
    const leg = (rest: number): void => {
      handle = rest > LONGEST ? setTimeout(() => leg(due - performance.now()), LONGEST) : setTimeout(fire, rest)
    }
    leg(delay)
    return { cancel: () => clearTimeout(handle) }
  },
}
