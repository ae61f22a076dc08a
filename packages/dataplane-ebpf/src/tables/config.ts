import type { View } from '../layout/struct.js'
import { CONFIG } from '../layout/structs/config.js'
import type { KernelMaps } from './kernel-maps.js'

type ConfigField = typeof CONFIG extends { offsetOf(name: infer Name, index?: number): number } ? Name & string : never

/** What programs and their process know of each other, in memory that both read. */
export type ConfigView = View<ConfigField>

/** Bits of what is observed; see `bpf/layout/config.h`. */
const OBSERVED = { ports: 1, traces: 2 } as const

/** Tells programs whether somebody observes. */
export function observe(config: ConfigView, what: keyof typeof OBSERVED, isWanted: boolean): void {
  const others = config.get('observes') & ~OBSERVED[what]
  config.set('observes', isWanted ? others | OBSERVED[what] : others)
}

export function configOf(maps: KernelMaps): ConfigView {
  return maps.element('config', CONFIG)
}
