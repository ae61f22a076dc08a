import { familyOf, type Family } from '../../nlri/family.js'
import type { AttributeSets } from '../../rib/attribute-sets.js'
import { RibTable, type PathSink } from '../../rib/rib-table.js'
import type { Decision } from './decision.js'
import type { Done } from '../flush.js'
import type { Scheduler, Task } from '../scheduler.js'

/** Destinations that are decided before others get their turn. */
const DECIDE_PIECE = 1024

/** What tables share, and whom they tell. */
export interface TablesContext {
  readonly scheduler: Scheduler
  readonly sets: AttributeSets
  readonly decision: Decision
  /** Is told of every path. */
  readonly sink?: PathSink
  /** What has to be done with each destination of a table before it is decided. */
  judgeOf?(table: RibTable): ((destination: number) => void) | undefined
  /** A destination was decided; `best`: its best path is another one, or has other attributes. */
  changed(table: RibTable, destination: number, best: boolean): void
  /** A piece of decisions is over. */
  decided(): void
}

/** The tables of all families, each made when it is first asked for, and the decisions that they wait for. */
export class Tables {
  readonly #tables = new Map<number, RibTable>()
  readonly #tasks = new Map<RibTable, Task>()

  constructor(private readonly context: TablesContext) {}

  all(): Iterable<RibTable> {
    return this.#tables.values()
  }

  of({ afi, safi, key }: Family): RibTable {
    const known = this.#tables.get(key)
    if (known !== undefined) return known
    const table = new RibTable(familyOf(afi, safi), this.context.sets, this.context.sink)
    this.#tables.set(key, table)
    this.#tasks.set(table, { work: 'decide', run: () => this.#decide(table) })
    return table
  }

  /** Destinations of the table may be dirty. */
  touched(table: RibTable): void {
    const task = this.#tasks.get(table)
    if (table.dirty > 0 && task !== undefined) this.context.scheduler.wake(task)
  }

  /** What decisions depend on has changed: every destination is decided again. */
  redecide(): void {
    for (const table of this.all()) {
      table.redecide()
      this.touched(table)
    }
  }

  /** @returns tells whether what is dirty now has been decided */
  backlog(): Done {
    const backlogs = [...this.all()].map((table) => table.backlog())
    return () => backlogs.every((isDecided) => isDecided())
  }

  #decide(table: RibTable): boolean {
    const judge = this.context.judgeOf?.(table)
    table.decide(
      DECIDE_PIECE,
      (_, destination) => {
        judge?.(destination)
        return this.context.decision.choose(table, destination)
      },
      (destination, best) => this.context.changed(table, destination, best),
    )
    this.context.decided()
    return table.dirty > 0
  }
}
