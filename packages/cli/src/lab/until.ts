import type { Lab } from './lab.js'

/** Milliseconds between two looks. */
const PAUSE = 20

/**
 * Waits until `condition` holds, and looks once more when the deadline has passed: what came in time, but after the look before, is seen.
 *
 * @param deadline milliseconds that are waited at most, of time that the machine had: where a pause takes twice as long as it should, what is looked at has
 *   been kept waiting as well, and half of the pause and of the look before it counts; of a look never more than the quickest one so far took
 * @param start when what is waited for began, of `lab.now()`
 * @returns milliseconds since `start`, or `undefined` when the deadline passed
 */
export async function until(
  lab: Pick<Lab, 'now' | 'sleep'>,
  deadline: number,
  condition: () => Promise<boolean>,
  start = lab.now(),
): Promise<number | undefined> {
  let quickest = Infinity
  for (let waited = 0; ;) {
    const begun = lab.now()
    if (await condition()) return lab.now() - start
    if (waited > deadline) return undefined
    const looked = lab.now()
    await lab.sleep(PAUSE)
    const look = looked - begun
    const pause = lab.now() - looked
    const share = Math.min(1, PAUSE / pause)
    quickest = Math.min(quickest, look)
    waited += Math.min(quickest, look * share) + pause * share
  }
}
