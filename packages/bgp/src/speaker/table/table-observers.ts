import type { CallbackFailed } from '@heddle/io'
import type { PathSink, RibTable } from '../../rib/rib-table.js'

/** A table, and the VRF that it is in; `undefined`: none. */
export interface PlacedTable {
  readonly table: RibTable
  readonly vrf: string | undefined
}

/** Is told what happens in the tables, as it happens: it may look, and must not change anything. */
export interface TableObserver {
  /** A path came, is another one, or is going. @param vrf of the table; `undefined` for those of no VRF */
  path(table: RibTable, path: number, vrf: string | undefined): void
  /** The best path of a destination is another one, has other attributes, or is gone. @param vrf as above */
  best(table: RibTable, destination: number, vrf: string | undefined): void
}

/** What an observer can look at, until it stops. */
export interface TableAccess {
  /** The tables that there are now. */
  tables(): Iterable<PlacedTable>
  /** The address of the peer that has an index in the tables; `local` for our own routes. */
  nameOf(peer: number): string
  /** The index of a neighbor. @throws SpeakerError `speaker.neighbor-unknown` */
  indexOf(neighbor: string): number
  stop(): void
}

/** Tells any number of observers; while there are none, it costs one comparison. */
export class TableObservers {
  readonly #observers = new Set<TableObserver>()

  constructor(private readonly failed: CallbackFailed) {}

  add(observer: TableObserver): void {
    this.#observers.add(observer)
  }

  delete(observer: TableObserver): void {
    this.#observers.delete(observer)
  }

  /** For tables of a VRF, or of none. @param inner is told behind the observers, and may free the path */
  sinkFor(vrf: string | undefined, inner?: PathSink): PathSink {
    return {
      changed: (table, path) => {
        if (this.#observers.size > 0) this.#tell((observer) => observer.path(table, path, vrf))
        inner?.changed(table, path)
      },
    }
  }

  best(table: RibTable, destination: number, vrf: string | undefined): void {
    if (this.#observers.size > 0) this.#tell((observer) => observer.best(table, destination, vrf))
  }

  #tell(what: (observer: TableObserver) => void): void {
    for (const observer of this.#observers) {
      try {
        what(observer)
      } catch (error) {
        this.failed('observer', error)
      }
    }
  }
}
