import { mkdir, open, readFile, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { JournaledStore, type Journal } from '../store/journaled-store.js'
import { StoreError, type Store } from '../store/store.js'
import { lockStore, type Unlock } from './store-lock.js'
import { encodeRecord, recover } from './log-record.js'
import { syncFolderOf } from './put-file.js'

/** A log is written anew when it is longer than this, and than `GROWTH` times what it says. Octets. */
const LEAST_COMPACTION = 64 * 1024
const GROWTH = 4

/** How an append log behaves. */
export interface AppendLogOptions {
  /** Octets from which on a log may be written anew; default 65,536. */
  readonly compactFrom?: number
}

/**
 * A store in one file, to which each commit is appended. Whatever a crash leaves of the last write is cut off when it is opened, so that
 * every prefix of the file is a state that once was. The file is written anew, beside the old one and then by rename, when most of it is history.
 *
 * @throws StoreError `store.read` when the file cannot be had, `store.in-use` when another process has it, `store.corrupt` when octets inside it are not what was written
 */
export async function appendLogStore(path: string, options: AppendLogOptions = {}): Promise<Store> {
  let unlock: Unlock | undefined
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    unlock = await lockStore(path)
    await rm(sideFile(path), { force: true })
    const file = await open(path, 'a+', 0o600)
    const { all, length, corruptAt } = recover(await readFile(path))
    if (corruptAt !== undefined) {
      await file.close()
      throw new StoreError(
        'store.corrupt',
        `${path} is damaged at octet ${corruptAt}, before records that are whole; move it away to begin anew`,
      )
    }
    await file.truncate(length)
    await syncFolderOf(path)
    return new JournaledStore(all, new AppendLog(path, file, length, options.compactFrom ?? LEAST_COMPACTION, unlock))
  } catch (cause) {
    await unlock?.()
    if (cause instanceof StoreError) throw cause
    throw new StoreError('store.read', `the store ${path} cannot be opened: ${(cause as Error).message}`, { cause })
  }
}

class AppendLog implements Journal {
  readonly #path: string
  readonly #compactFrom: number
  #file: FileHandle
  /** Octets that are whole records. */
  #length: number
  /** What the file had after it was last written anew, octets. */
  #base: number
  /** Whether octets may stand behind `#length`. */
  #isTorn = false
  /** A flush of the file that must not be closed meanwhile. */
  #flushing: Promise<void> = Promise.resolve()

  readonly #unlock: Unlock

  constructor(path: string, file: FileHandle, length: number, compactFrom: number, unlock: Unlock) {
    this.#unlock = unlock
    this.#path = path
    this.#file = file
    this.#length = length
    this.#base = length
    this.#compactFrom = compactFrom
  }

  async write(changes: ReadonlyMap<string, unknown>, all: ReadonlyMap<string, unknown>): Promise<void> {
    if (this.#length > this.#compactFrom && this.#length > this.#base * GROWTH) {
      await this.#writeAnew(all)
      return
    }
    if (this.#isTorn) await this.#file.truncate(this.#length)
    this.#isTorn = true
    const record = encodeRecord(changes)
    await this.#file.writeFile(record)
    this.#isTorn = false
    this.#length += record.length
  }

  async flush(): Promise<void> {
    const done = this.#file.datasync()
    this.#flushing = done.catch(() => undefined)
    await done
  }

  async close(): Promise<void> {
    await this.#file.close()
    await this.#unlock()
  }

  async #writeAnew(all: ReadonlyMap<string, unknown>): Promise<void> {
    const record = encodeRecord(all)
    const file = await open(sideFile(this.#path), 'ax', 0o600)
    try {
      await file.writeFile(record)
      await file.sync()
      await rename(sideFile(this.#path), this.#path)
      await syncFolderOf(this.#path)
    } catch (error) {
      await file.close()
      await rm(sideFile(this.#path), { force: true })
      throw error
    }
    await this.#flushing
    await this.#file.close()
    this.#file = file
    this.#length = record.length
    this.#base = record.length
    this.#isTorn = false
  }
}

function sideFile(path: string): string {
  return `${path}.new`
}
