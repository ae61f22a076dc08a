import type { PluginLab } from './plugin-lab.js'

/** How binding a check is: what the specification demands, what it or the reference library recommends, what runtimes rely on. */
export type CheckLevel = 'MUST' | 'SHOULD' | 'de facto'

/** One rule of the specification as something that can be run. */
export interface PluginCheck {
  /** Stable, such as `add.twice`. */
  readonly id: string
  readonly level: CheckLevel
  /** What a plugin does that passes. */
  readonly title: string
  /** Where it is written. */
  readonly source: string
  /** Version of the specification from which on it holds; default 0.3.1. */
  readonly since?: '0.4.0' | '1.0.0' | '1.1.0'
  /** Resolves when the plugin does it. @throws ConformanceFailure otherwise */
  run(lab: PluginLab): Promise<void>
}

/** What a plugin did instead. */
export class ConformanceFailure extends Error {
  override readonly name = 'ConformanceFailure'
}

/** @throws ConformanceFailure with `found` unless `holds` */
export function must(holds: boolean, found: string): asserts holds {
  if (!holds) throw new ConformanceFailure(found)
}
