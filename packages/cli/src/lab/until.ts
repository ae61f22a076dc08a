import type { Lab } from './lab.js'

/** Milliseconds between two looks. */
const PAUSE = 20

/**
 * Waits until `condition` holds.
 *
 * @param deadline milliseconds that are waited at most, of time that the machine had: where a pause takes twice as long as it should, what is looked at has
 *   been kept waiting as well, and half of the time since the look before counts
 * @param start when what is waited for began, of `lab.now()`
 * @returns milliseconds since `start`, or `undefined` when the deadline passed
 */
export async function until(
  lab: Pick<Lab, 'now' | 'sleep'>,
  deadline: number,
  condition: () => Promise<boolean>,
  start = lab.now(),
): Promise<number | undefined> {
  let last = lab.now()
  for (let waited = 0; waited <= deadline;) {
    if (await condition()) return lab.now() - start
    const looked = lab.now()
    await lab.sleep(PAUSE)
    const now = lab.now()
    waited += (now - last) * Math.min(1, PAUSE / (now - looked))
    last = now
  }
  return undefined
}
