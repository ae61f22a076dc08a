import type { Lab } from './lab.js'

/** Milliseconds between two looks. */
const PAUSE = 20
/** What two looks are at most apart where the machine has time for them, milliseconds. */
const TURN = 2 * PAUSE

/**
 * Waits until `condition` holds.
 *
 * @param deadline milliseconds of a machine that has time. A look that comes late counts as one that does not: what is looked at has been kept waiting, too.
 * @param start when what is waited for began, of `lab.now()`
 * @returns milliseconds since `start`, or `undefined` when the deadline passed
 */
export async function until(
  lab: Pick<Lab, 'now' | 'sleep'>,
  deadline: number,
  condition: () => Promise<boolean>,
  start = lab.now(),
): Promise<number | undefined> {
  let last = start
  for (let waited = 0; waited <= deadline;) {
    if (await condition()) return lab.now() - start
    await lab.sleep(PAUSE)
    const now = lab.now()
    waited += Math.min(now - last, TURN)
    last = now
  }
  return undefined
}
