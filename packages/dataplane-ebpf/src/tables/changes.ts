import type { ApplyFailure, ObjectChanges, ObjectKind } from '@heddle/core'
import { LinuxError } from '@heddle/linux'
import { FibFullError } from '../fib/block-memory.js'

/* What all tables do with the changes of a transaction. */

export const NOTHING: ObjectChanges<never> = { set: [], remove: [] }

/** Names what could not be programmed. */
export function failureOf(kind: ObjectKind, key: string, error: unknown): ApplyFailure {
  if (error instanceof FibFullError) return { object: { kind, key }, code: 'dataplane.limit', message: error.message }
  if (!(error instanceof LinuxError)) throw error
  const isFull = ['E2BIG', 'ENOSPC', 'ENOMEM'].includes(error.code)
  return { object: { kind, key }, code: isFull ? 'dataplane.limit' : 'dataplane.kernel', message: error.message }
}

/** Does something for an object; what the kernel refuses of it is told. Returns whether it was done. */
export type Attempt = (kind: ObjectKind, key: number, work: () => void) => boolean

/** The attempt that may not fail. @throws what the work does */
export const orThrow: Attempt = (_kind, _key, work) => {
  work()
  return true
}

/** Attempts of which those that fail are put into `failures`. */
export function attemptsInto(failures: ApplyFailure[]): Attempt {
  return (kind, key, work) => {
    try {
      work()
      return true
    } catch (error) {
      failures.push(failureOf(kind, String(key), error))
      return false
    }
  }
}

/** The attempt of what no object alone is for: what the kernel refuses of it is told of each, once. */
export function attemptFor(failures: ApplyFailure[], kind: ObjectKind, keys: readonly number[]): (work: () => void) => boolean {
  return (work) => {
    try {
      work()
      return true
    } catch (error) {
      const told = new Set(failures.flatMap(({ object }) => (object.kind === kind ? [object.key] : [])))
      for (const key of keys.map(String)) if (!told.has(key)) failures.push(failureOf(kind, key, error))
      return false
    }
  }
}

/** Undoes what is told as a failure; what the kernel refuses of that as well is done when the object is set again. */
export function orLater(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
  }
}

/** The key of most objects. */
export function idOf({ id }: { readonly id: number }): number {
  return id
}

/** What is removed: an object that is set in the same transaction is replaced, and what refers to it stays. */
export function removedIn<T>({ set, remove }: ObjectChanges<T>, keyOf: (object: T) => number): readonly number[] {
  if (remove.length === 0 || set.length === 0) return remove
  const kept = new Set(set.map(keyOf))
  return remove.filter((key) => !kept.has(key))
}
