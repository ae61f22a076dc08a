import type { ObjectChanges } from '../dataplane/transaction.js'
import { canonicalText } from './canonical.js'

/** Objects of one kind: what is wanted, what is programmed, and which keys may differ. */
export class ObjectSet<T> {
  readonly wanted = new Map<number, T>()
  readonly programmed = new Map<number, T>()
  readonly #dirty = new Set<number>()
  /** Keys that were refused since they were done: what the dataplane holds of them may be neither what was programmed nor what was wanted. */
  readonly #refused = new Set<number>()

  /** @param same whether two objects say the same; they may come from a dump */
  constructor(readonly same: (a: T, b: T) => boolean = sameText) {}

  get isDirty(): boolean {
    return this.#dirty.size > 0
  }

  want(key: number, object: T): void {
    this.wanted.set(key, object)
    this.#dirty.add(key)
  }

  drop(key: number): void {
    if (this.wanted.delete(key)) this.#dirty.add(key)
  }

  /** Takes over what a running dataplane holds. */
  adopt(key: number, object: T): void {
    this.programmed.set(key, object)
    this.#dirty.add(key)
  }

  /** The dataplane was replaced by one that holds `objects`. */
  replace(objects: readonly (readonly [key: number, object: T])[]): void {
    for (const key of [...this.programmed.keys(), ...this.wanted.keys()]) this.#dirty.add(key)
    this.programmed.clear()
    this.#refused.clear()
    for (const [key, object] of objects) this.adopt(key, object)
  }

  /** What has to be done; with `keep`, nothing is removed. The keys count as done until `failed` or `refused` says otherwise. */
  diff({ keep }: { readonly keep: boolean }): ObjectChanges<T> {
    const set: T[] = []
    const remove: number[] = []
    for (const key of this.#dirty) {
      const programmed = this.programmed.get(key)
      const isRefused = this.#refused.has(key)
      const isKept = keep && !this.wanted.has(key)
      // What is kept for now and was refused is set as it was.
      const object = isKept && isRefused ? programmed : this.wanted.get(key)
      if (object !== undefined) {
        if (isRefused || programmed === undefined || !this.same(programmed, object)) set.push(object)
        else this.programmed.set(key, object) // says the same, and is found to do so at a glance from now on
      } else if (!keep && (isRefused || programmed !== undefined)) remove.push(key)
      if (!isKept || (programmed === undefined && !isRefused)) this.#dirty.delete(key)
    }
    return { set, remove }
  }

  /** The removal of everything that is programmed; what is wanted stays to be done. */
  clearing(): ObjectChanges<T> {
    return { set: [], remove: [...this.programmed.keys()] }
  }

  done(key: number, object: T | undefined): void {
    this.#refused.delete(key)
    if (object === undefined) this.programmed.delete(key)
    else this.programmed.set(key, object)
  }

  /** The dataplane did not take it: it is tried again with the next diff. */
  failed(key: number): void {
    this.#dirty.add(key)
  }

  /** The dataplane could not do all that it takes, or all that follows from it: whatever is wanted by then, it is told with the next diff. */
  refused(key: number): void {
    this.#dirty.add(key)
    this.#refused.add(key)
  }

  isProgrammed(key: number): boolean {
    const wanted = this.wanted.get(key)
    const programmed = this.programmed.get(key)
    if (wanted === undefined || programmed === undefined || this.#refused.has(key)) return false
    return wanted === programmed || this.same(wanted, programmed)
  }
}

function sameText(a: unknown, b: unknown): boolean {
  return canonicalText(a) === canonicalText(b)
}
