import type { ObjectKind } from '@heddle/core'

/** Notes one thing that is wrong with a transaction. */
export type Fail = (kind: ObjectKind, key: number | string, code: string, message: string) => void

/** What the trie of a FIB can hold as a value. */
export const MAX_ID = 0x7ffffffe

/** Notes a value that is no integer from `first` to `last`. */
export function within(fail: Fail, kind: ObjectKind, key: number, what: string, value: number, first: number, last: number): void {
  if (Number.isInteger(value) && value >= first && value <= last) return
  fail(kind, key, 'dataplane.range', `${what} ${value} is not within ${first}–${last}`)
}
