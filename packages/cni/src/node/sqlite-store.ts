import type { DatabaseSync } from 'node:sqlite'
import { JournaledStore, type Journal } from '../store/journaled-store.js'
import { StoreError, type Store } from '../store/store.js'

/**
 * A store in an SQLite database, which other programs may read while it is open. Needs `node:sqlite` (Node 22.13 and newer).
 *
 * @throws StoreError `store.unavailable` where the Node has no SQLite, `store.read` when the database cannot be had
 */
export async function sqliteStore(path: string): Promise<Store> {
  const { DatabaseSync } = await import('node:sqlite').catch((cause: unknown) => {
    throw new StoreError('store.unavailable', `Node ${process.versions.node} has no node:sqlite`, { cause })
  })
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path)
    // A commit that has returned must outlive a crash of the machine: FULL flushes the log of each one.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    database.exec('CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID')
    const rows = database.prepare('SELECT key, value FROM entry').all() as { key: string; value: string }[]
    return new JournaledStore(new Map(rows.map(({ key, value }) => [key, JSON.parse(value) as unknown])), new SqliteJournal(database))
  } catch (cause) {
    database?.close()
    throw new StoreError('store.read', `the store ${path} cannot be opened: ${(cause as Error).message}`, { cause })
  }
}

class SqliteJournal implements Journal {
  readonly #database: DatabaseSync

  constructor(database: DatabaseSync) {
    this.#database = database
  }

  async write(changes: ReadonlyMap<string, unknown>): Promise<void> {
    const database = this.#database
    const put = database.prepare('INSERT INTO entry VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
    const drop = database.prepare('DELETE FROM entry WHERE key = ?')
    database.exec('BEGIN IMMEDIATE')
    try {
      for (const [key, value] of changes) {
        if (value === undefined) drop.run(key)
        else put.run(key, JSON.stringify(value))
      }
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }

  async close(): Promise<void> {
    this.#database.close()
  }
}
