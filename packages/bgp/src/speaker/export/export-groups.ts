import type { Logger } from '@heddle/io'
import type { EncodeOptions } from '../../message/options.js'
import { usesPathIds } from '../../message/options.js'
import type { ExportSignature, RouteSource } from '../../policy/export-rules.js'
import type { RibTable } from '../../rib/rib-table.js'
import { ExportGroup } from './export-group.js'
import type { Scheduler } from '../scheduler.js'

/** What all export groups of a speaker share. */
export interface GroupsContext {
  readonly scheduler: Scheduler
  readonly logger: Logger
  sourceOf(peer: number): RouteSource
  /** The best paths to a destination of a table, the best first. */
  ranked(table: RibTable, destination: number, count: number): readonly number[]
  /** A piece of export work is over. */
  worked(): void
}

/** The groups of one table. */
interface TableGroups {
  readonly byKey: Map<string, ExportGroup>
  /** The same: every change of a destination goes through them. */
  all: readonly ExportGroup[]
}

/** The export groups of a speaker: one a family and signature, as long as it has members. */
export class ExportGroups {
  readonly #groups = new Map<RibTable, TableGroups>()
  #packed = 0

  constructor(private readonly context: GroupsContext) {}

  /** UPDATEs that were packed, each once for all peers that it went to. */
  get packed(): number {
    return this.#packed
  }

  /** Groups that have members. */
  *all(): Generator<ExportGroup> {
    for (const { all } of this.#groups.values()) yield* all
  }

  /** The group of peers that are sent the same octets of the table's family. */
  find(table: RibTable, signature: ExportSignature, encode: EncodeOptions): ExportGroup {
    const key = signatureKey(signature, encode, table.family.key)
    let groups = this.#groups.get(table)
    if (groups === undefined) this.#groups.set(table, (groups = { byKey: new Map<string, ExportGroup>(), all: [] }))
    const { byKey } = groups
    this.#tidy(byKey)
    let group = byKey.get(key)
    if (group === undefined) byKey.set(key, (group = this.#create(key, table, signature, encode)))
    groups.all = [...byKey.values()]
    return group
  }

  /** A destination of the table was decided. @param best its best path is another, has changed, or is gone */
  changed(table: RibTable, destination: number, best: boolean): void {
    const all = this.#groups.get(table)?.all
    if (all !== undefined) for (let at = 0; at < all.length; at++) all[at].changed(destination, best)
  }

  #create(key: string, table: RibTable, signature: ExportSignature, encode: EncodeOptions): ExportGroup {
    const { context } = this
    return new ExportGroup(key, table, {
      rules: {
        signature,
        allPaths: usesPathIds(encode, table.family.key),
        sourceOf: (peer) => context.sourceOf(peer),
        ranked: (destination, count) => context.ranked(table, destination, count),
      },
      encode,
      wake: (task) => context.scheduler.wake(task),
      packed: (messages) => (this.#packed += messages),
      worked: () => context.worked(),
      failed: (family, error) => context.logger.warn('routes not announced', { family: family.name, error: error.message }),
    })
  }

  #tidy(groups: Map<string, ExportGroup>): void {
    for (const [key, group] of groups) if (group.size === 0 && group.idle) groups.delete(key)
  }
}

/** Equal for peers that are sent the same octets of a family. */
export function signatureKey(signature: ExportSignature, encode: EncodeOptions, family: number): string {
  const { policy, ...rest } = signature
  const values = Object.entries({
    ...rest,
    policy: policy?.key,
    asn4: encode.asn4,
    extended: encode.extended,
    addPath: usesPathIds(encode, family),
  })
  return JSON.stringify(
    values.sort(([a], [b]) => (a < b ? -1 : 1)),
    (_name, value: unknown) => (value instanceof Set ? [...(value as Set<number>)].sort((a, b) => a - b) : value),
  )
}
