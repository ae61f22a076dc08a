import { IpAddress, type IpFamily, type IpPrefix } from '@heddle/wire'

/** An address as one number, to count with. */
export function numberOf(address: IpAddress): bigint {
  if (address.family === 4) return BigInt(address.w0)
  return (BigInt(address.w0) << 96n) | (BigInt(address.w1) << 64n) | (BigInt(address.w2) << 32n) | BigInt(address.w3)
}

export function addressFrom(value: bigint, family: IpFamily): IpAddress {
  const word = (shift: bigint): number => Number((value >> shift) & 0xffff_ffffn)
  return family === 4 ? IpAddress.v4(word(0n)) : IpAddress.v6(word(96n), word(64n), word(32n), word(0n))
}

/** First and last address of a prefix. */
export function boundsOf(prefix: IpPrefix): Interval {
  const first = numberOf(prefix.address)
  return { first, last: first + (1n << BigInt(prefix.address.bits - prefix.length)) - 1n }
}

/** Addresses from `first` to `last`, both included. */
export interface Interval {
  readonly first: bigint
  readonly last: bigint
}

/** What is left of intervals when one is taken out. */
export function without(intervals: readonly Interval[], { first, last }: Interval): Interval[] {
  return intervals.flatMap((interval) => {
    if (last < interval.first || first > interval.last) return [interval]
    const left = { first: interval.first, last: first - 1n }
    const right = { first: last + 1n, last: interval.last }
    return [left, right].filter((part) => part.first <= part.last)
  })
}

/** What lies in both. */
export function within(intervals: readonly Interval[], { first, last }: Interval): Interval[] {
  return intervals
    .map((interval) => ({ first: interval.first > first ? interval.first : first, last: interval.last < last ? interval.last : last }))
    .filter((part) => part.first <= part.last)
}
