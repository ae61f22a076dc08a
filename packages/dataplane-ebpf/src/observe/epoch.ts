/** Milliseconds from the monotonic clock of the kernel to the Unix epoch. */
const EPOCH = Date.now() - Number(process.hrtime.bigint()) / 1e6

/** When programs saw what they tell of, milliseconds since the Unix epoch. @param time nanoseconds of their clock */
export function timeOf(time: number): number {
  return EPOCH + time / 1e6
}
