/** A change of one key; without a value the key goes. Values are what JSON can say, and are not changed once they are given. */
export interface StoreChange {
  readonly key: string
  readonly value?: unknown
}

/**
 * What a commit outlives when it resolves: the end of the process, or also a crash of the machine. The first outlives that, too, a moment later, and
 * at once with anything that is committed behind it for the second.
 */
export type Durability = 'process' | 'machine'

/**
 * Where a plugin keeps what must outlive its process: few and small values under keys, with one writer.
 *
 * What is committed together is there together or not at all after a crash, and never without what was committed before.
 */
export interface Store extends AsyncDisposable {
  /** The value of a key; `undefined` when there is none. */
  get(key: string): unknown
  /** Keys that begin with `prefix`, with their values, in the order of the keys. */
  entries(prefix: string): readonly (readonly [key: string, value: unknown])[]
  /**
   * Changes are seen at once, and last when this resolves. When it rejects, they are still seen, so that whoever committed them takes them back by
   * committing the opposite; the next commit that succeeds makes everything last that is seen then.
   *
   * @param durability default `machine`
   * @throws StoreError `store.write`, `store.closed`
   */
  commit(changes: readonly StoreChange[], durability?: Durability): Promise<void>
  /** Resolves when what was committed lasts. Idempotent. */
  close(): Promise<void>
}

/** What can go wrong with a store. */
export type StoreErrorCode = 'store.read' | 'store.in-use' | 'store.write' | 'store.corrupt' | 'store.closed' | 'store.unavailable'

/** Why a store cannot be opened or written. */
export class StoreError extends Error {
  override readonly name = 'StoreError'

  constructor(
    readonly code: StoreErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(`${message} (${code})`, options)
  }
}
