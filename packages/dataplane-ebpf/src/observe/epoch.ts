/** How far apart samples may be while no clock was set, milliseconds: the wall clock tells whole ones, and time passes between the two questions. */
const DOUBT = 2

/**
 * Milliseconds from the monotonic clock of the kernel to the Unix epoch. A sample is too small by what it cannot tell: the largest is the best, and times stay in
 * their order, until the wall clock is set back.
 *
 * @param before what was found before
 */
export function epochOf(sample: number, before = -Infinity): number {
  return sample > before || sample < before - DOUBT ? sample : before
}

/** What both clocks say of it now, for `epochOf`. */
export function sampleEpoch(): number {
  return Date.now() - Number(process.hrtime.bigint()) / 1e6
}

/** When programs saw what they tell of, milliseconds since the Unix epoch. @param time nanoseconds of their clock */
export function timeOf(time: number, epoch: number): number {
  return epoch + time / 1e6
}
