import { StoreError, type Store, type StoreChange } from './store.js'

/** Where a store writes what has changed. */
export interface Journal {
  /**
   * Writes changes as a whole: after a crash all are there, or none. `undefined` means that the key is gone.
   *
   * @param all everything that the store holds, the changes among it
   */
  write(changes: ReadonlyMap<string, unknown>, all: ReadonlyMap<string, unknown>): Promise<void>
  close(): Promise<void>
}

/**
 * A store that is read from memory and writes through a journal. Commits that come while one is written are written together: the price of a disk
 * that flushes is paid once for all of them.
 */
export class JournaledStore implements Store {
  readonly #all: Map<string, unknown>
  readonly #journal: Journal
  /** Seen, and not yet known to last. */
  #unsaved = new Map<string, unknown>()
  #writing: Promise<void> | undefined
  #next: Promise<void> | undefined
  #closed: Promise<void> | undefined

  /** @param all what the journal has, of which the store takes possession */
  constructor(all: Map<string, unknown>, journal: Journal) {
    this.#all = all
    this.#journal = journal
  }

  get(key: string): unknown {
    return this.#all.get(key)
  }

  entries(prefix: string): readonly (readonly [string, unknown])[] {
    return [...this.#all].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
  }

  async commit(changes: readonly StoreChange[]): Promise<void> {
    if (this.#closed !== undefined) throw new StoreError('store.closed', 'the store is closed')
    for (const { key, value } of changes) {
      if (value === undefined) this.#all.delete(key)
      else this.#all.set(key, value)
      this.#unsaved.set(key, value)
    }
    await this.#saved()
  }

  async close(): Promise<void> {
    this.#closed ??= this.#end()
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Resolves when a write that began after now is done. */
  async #saved(): Promise<void> {
    this.#next ??= (this.#writing ?? Promise.resolve()).catch(() => undefined).then(async () => this.#write())
    await this.#next
  }

  async #write(): Promise<void> {
    this.#writing = this.#next
    this.#next = undefined
    const changes = this.#unsaved
    this.#unsaved = new Map()
    try {
      await this.#journal.write(changes, this.#all)
    } catch (cause) {
      // They are tried again with the next commit; what changed meanwhile is newer.
      this.#unsaved = new Map([...changes, ...this.#unsaved])
      throw new StoreError('store.write', `the store cannot be written: ${(cause as Error).message}`, { cause })
    }
  }

  async #end(): Promise<void> {
    await (this.#next ?? this.#writing ?? Promise.resolve()).catch(() => undefined)
    await this.#journal.close()
  }
}
