import { StoreError, type Durability, type Store, type StoreChange } from './store.js'

/** Where a store writes what has changed. */
export interface Journal {
  /**
   * Writes changes as a whole: after the end of the process all are there, or none. `undefined` means that the key is gone.
   *
   * @param all everything that the store holds, the changes among it
   */
  write(changes: ReadonlyMap<string, unknown>, all: ReadonlyMap<string, unknown>): Promise<void>
  /** Resolves when what was written before outlives a crash of the machine; absent where `write` does that. */
  flush?(): Promise<void>
  close(): Promise<void>
}

/** Milliseconds until what outlives the process only is flushed, together with what came meanwhile. */
const FLUSH_DELAY = 50

/**
 * A store that is read from memory and writes through a journal. Commits that come while one is written are written together, and those that come
 * while one is flushed are flushed together: the price of a disk that flushes is paid once for all of them.
 */
export class JournaledStore implements Store {
  readonly #all: Map<string, unknown>
  readonly #journal: Journal
  readonly #writes: Shared
  readonly #flushes: Shared
  /** Seen, and not yet written. */
  #unsaved = new Map<string, unknown>()
  #closed: Promise<void> | undefined
  #flushing: ReturnType<typeof setTimeout> | undefined

  /** @param all what the journal has, of which the store takes possession */
  constructor(all: Map<string, unknown>, journal: Journal) {
    this.#all = all
    this.#journal = journal
    this.#writes = new Shared(async () => this.#write())
    this.#flushes = new Shared(async () => this.#flush())
  }

  get(key: string): unknown {
    return this.#all.get(key)
  }

  entries(prefix: string): readonly (readonly [string, unknown])[] {
    return [...this.#all].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
  }

  async commit(changes: readonly StoreChange[], durability: Durability = 'machine'): Promise<void> {
    if (this.#closed !== undefined) throw new StoreError('store.closed', 'the store is closed')
    for (const { key, value } of changes) {
      if (value === undefined) this.#all.delete(key)
      else this.#all.set(key, value)
      this.#unsaved.set(key, value)
    }
    await this.#writes.run()
    if (durability === 'machine') await this.#flushes.run()
    else this.#flushSoon()
  }

  async close(): Promise<void> {
    this.#closed ??= this.#end()
    await this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #write(): Promise<void> {
    const changes = this.#unsaved
    this.#unsaved = new Map()
    if (changes.size === 0) return
    try {
      await this.#journal.write(changes, this.#all)
    } catch (cause) {
      // They are tried again with the next commit; what changed meanwhile is newer.
      this.#unsaved = new Map([...changes, ...this.#unsaved])
      throw notWritten(cause)
    }
  }

  async #flush(): Promise<void> {
    try {
      await this.#journal.flush?.()
    } catch (cause) {
      // The system may have forgotten what it could not write: all of it is written again with the next commit.
      this.#unsaved = new Map([...this.#all, ...this.#unsaved])
      throw notWritten(cause)
    }
  }

  /** What cannot be flushed is written again with the next commit, which says so when that fails, too. */
  #flushSoon(): void {
    if (this.#journal.flush === undefined || this.#closed !== undefined) return
    this.#flushing ??= setTimeout(() => {
      this.#flushing = undefined
      void this.#flushes.run().catch(() => undefined)
    }, FLUSH_DELAY)
  }

  async #end(): Promise<void> {
    clearTimeout(this.#flushing)
    await this.#writes.idle()
    await this.#flushes.run().catch(() => undefined)
    await this.#journal.close()
  }
}

function notWritten(cause: unknown): StoreError {
  return new StoreError('store.write', `the store cannot be written: ${(cause as Error).message}`, { cause })
}

/** Work that callers share: each waits for one that began after it called. */
class Shared {
  readonly #work: () => Promise<void>
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  async run(): Promise<void> {
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(async () => {
        this.#running = this.#next ?? this.#running
        this.#next = undefined
        await this.#work()
      })
    await this.#next
  }

  async idle(): Promise<void> {
    await (this.#next ?? this.#running).catch(() => undefined)
  }
}
