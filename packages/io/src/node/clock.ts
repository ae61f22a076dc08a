import type { Clock } from '../clock.js'

/** The longest delay that Node's timers take; a longer one is reached in legs. */
const LONGEST = 0x7fffffff

/** Node's monotonic clock and timers. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  setTimer(delay, fire) {
    let handle: ReturnType<typeof setTimeout>
    const due = performance.now() + Math.max(0, delay)
    const leg = (rest: number): void => {
      handle = rest > LONGEST ? setTimeout(() => leg(due - performance.now()), LONGEST) : setTimeout(fire, rest)
    }
    leg(Math.max(0, delay))
    return { cancel: () => clearTimeout(handle) }
  },
}
