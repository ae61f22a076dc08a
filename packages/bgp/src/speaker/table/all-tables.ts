import type { AttributeSets } from '../../rib/attribute-sets.js'
import type { PathOrigin } from '../../rib/best-path.js'
import type { PathSink, RibTable } from '../../rib/rib-table.js'
import type { SpeakerConfig, VrfConfig } from '../config.js'
import { Decision, type DecisionConfig, type NextHopResolver } from './decision.js'
import type { ImportExplanation } from '../query/explain.js'
import type { Done } from '../flush.js'
import type { Scheduler } from '../scheduler.js'
import type { PlacedTable } from './table-observers.js'
import { Tables } from './tables.js'
import type { InternalCustomer } from './vrf-routes.js'
import { Vrfs } from './vrfs.js'

/** What all tables of a speaker share, and whom they tell. */
export interface AllTablesContext {
  readonly config: Pick<SpeakerConfig, 'as' | 'vrfs' | 'decision'>
  readonly scheduler: Scheduler
  readonly sets: AttributeSets
  readonly nextHops: NextHopResolver | undefined
  originOf(peer: number): PathOrigin
  /** Whether a peer is in a VRF. */
  isCustomer(peer: number): boolean
  /** See `VrfsContext.internalCustomer`. */
  internalCustomer(peer: number): InternalCustomer | undefined
  /** See `TablesContext.judgeOf`, for tables of no VRF. */
  judgeOf(table: RibTable): ((destination: number) => void) | undefined
  /** Is told of every path in the tables of a VRF, or of none. */
  sinkOf(vrf: string | undefined): PathSink
  /** A destination was decided; `best`: its best path is another one, or has other attributes. @param vrf where it is */
  changed(table: RibTable, destination: number, best: boolean, vrf: string | undefined): void
  /** A piece of decisions is over. */
  decided(): void
}

/** Tables with the decision that is taken in them. */
export interface DecidedTables {
  readonly tables: Tables
  readonly decision: Decision
}

/** The tables of a speaker: those that PEs share, and those of each VRF, between which routes go over by their route targets. */
export class AllTables {
  readonly #global: DecidedTables
  readonly #vrfs: Vrfs
  #decision: DecisionConfig

  /** @throws SpeakerError `speaker.config` */
  constructor(private readonly context: AllTablesContext) {
    this.#decision = context.config.decision ?? {}
    this.#global = this.#make(undefined, (table, destination) => this.#vrfs.imported(table, destination))
    this.#vrfs = new Vrfs(context.config.vrfs ?? [], {
      sets: context.sets,
      global: this.#global.tables,
      as: context.config.as,
      isCustomer: (peer) => context.isCustomer(peer),
      internalCustomer: (peer) => context.internalCustomer(peer),
      instance: (vrf) => ({
        ...vrf,
        ...this.#make(vrf.name, (table, destination) => this.#vrfs.exported(vrf.name, table, destination)),
      }),
    })
  }

  /** Those of a VRF, or of none. @throws SpeakerError `speaker.config` for a VRF that there is not */
  in(vrf: string | undefined): DecidedTables {
    return vrf === undefined ? this.#global : this.#vrfs.get(vrf)
  }

  /** As `in`. */
  of(vrf: string | undefined): Tables {
    return this.in(vrf).tables
  }

  /** All of them, each with its VRF. */
  *all(): Generator<PlacedTable> {
    for (const table of this.#global.tables.all()) yield { vrf: undefined, table }
    for (const { name, tables } of this.#vrfs.all()) for (const table of tables.all()) yield { vrf: name, table }
  }

  /** The best paths to a destination, the best first. */
  ranked(table: RibTable, destination: number, count: number): number[] {
    const owner = [...this.#vrfs.all()].find(({ tables }) => [...tables.all()].includes(table)) ?? this.#global
    return owner.decision.ranked(table, destination, count)
  }

  /** See `Vrfs.explain`. */
  importsOf(table: RibTable, destination: number): ImportExplanation[] {
    return this.#vrfs.explain(table, destination)
  }

  /** See `Vrfs.use`. */
  useVrfs(vrfs: readonly VrfConfig[]): void {
    this.#vrfs.use(vrfs)
  }

  /** Paths are compared in another way: every destination is decided again. */
  useDecision(config: DecisionConfig): void {
    this.#decision = config
    for (const { decision } of this.#every()) decision.use(config)
    this.redecide()
  }

  /** What decisions depend on has changed: every destination is decided again. */
  redecide(): void {
    for (const { tables } of this.#every()) tables.redecide()
  }

  /** @returns tells whether what is to be decided now has been, and with VRFs also what that led to in others */
  backlog(): Done {
    const look = (): Done => {
      const backlogs = this.#every().map(({ tables }) => tables.backlog())
      return () => backlogs.every((isDecided) => isDecided())
    }
    const first = look()
    let second: Done | undefined
    return () => first() && (second ??= look())()
  }

  #every(): DecidedTables[] {
    return [this.#global, ...this.#vrfs.all()]
  }

  /** @param cross brings what is best now over into other tables */
  #make(vrf: string | undefined, cross: (table: RibTable, destination: number) => void): DecidedTables {
    const { scheduler, sets, nextHops } = this.context
    const decision = new Decision(this.#decision, nextHops, (peer) => this.context.originOf(peer), sets, vrf)
    const tables = new Tables({
      scheduler,
      sets,
      decision,
      sink: this.context.sinkOf(vrf),
      ...(vrf === undefined ? { judgeOf: (table) => this.context.judgeOf(table) } : {}),
      changed: (table, destination, best) => {
        this.context.changed(table, destination, best, vrf)
        if (best) cross(table, destination)
      },
      decided: () => this.context.decided(),
    })
    return { tables, decision }
  }
}
