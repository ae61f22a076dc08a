import type { InvalidReason } from '../speaker/route.js'
import type { RibTable } from './rib-table.js'

/** Routes that there is room for: as many as fit into the memory that is nearest to the processor. */
const ROOM = 256

/** What a route that is announced has beside its key; see `RibTable.announce`. */
export interface AnnouncedPath {
  readonly set: number
  readonly received: number
  readonly invalid: InvalidReason | undefined
  readonly llgrStale: boolean
}

/**
 * Routes of one peer on their way into a table, in their order. Where they stand there is looked up for all of them at once, so that the processor
 * fetches these places from memory side by side; one route behind the other would wait for each.
 */
export class PeerRoutes {
  /** To be filled before a route is added. */
  readonly key: Uint32Array
  readonly #keys: Uint32Array
  readonly #pathIds = new Uint32Array(ROOM)
  readonly #data = new Uint32Array(ROOM)
  /** Of a route that is announced; of one that is withdrawn: undefined. */
  readonly #paths: (AnnouncedPath | undefined)[] = []
  #count = 0

  constructor(
    readonly table: RibTable,
    private readonly peer: number,
  ) {
    this.key = table.newKey()
    this.#keys = new Uint32Array(ROOM * table.key.stride)
  }

  /** The route of `key`. Takes over the references of `key` and `data`, and gets one of its own to each set. */
  announce(pathId: number, data: number, path: AnnouncedPath): void {
    const { sets } = this.table
    sets.retain(path.set)
    if (path.received !== 0) sets.retain(path.received)
    this.#add(pathId, data, path)
  }

  /** The route of `key`. Takes over the reference of `key`. */
  withdraw(pathId: number): void {
    this.#add(pathId, 0, undefined)
  }

  /** Brings all of them into the table. */
  apply(): void {
    const { table, peer, key } = this
    const count = this.#count
    // before what may throw: no row gives its references away twice
    this.#count = 0
    table.approach(this.#keys, count)
    for (let row = 0; row < count; row++) {
      for (let word = 0, from = row * key.length; word < key.length; word++) key[word] = this.#keys[from + word]
      const pathId = this.#pathIds[row]
      const path = this.#paths[row]
      if (path === undefined) table.withdraw(peer, key, pathId)
      else table.announce(peer, key, pathId, this.#data[row], path.set, path.invalid, path.received, path.llgrStale)
    }
  }

  #add(pathId: number, data: number, path: AnnouncedPath | undefined): void {
    const row = this.#count++
    const { key } = this
    for (let word = 0, from = row * key.length; word < key.length; word++) this.#keys[from + word] = key[word]
    this.#pathIds[row] = pathId
    this.#data[row] = data
    this.#paths[row] = path
    if (this.#count === ROOM) this.apply()
  }
}
