import type { View } from '../layout/struct.js'
import { CONFIG } from '../layout/structs.js'
import type { KernelMaps } from './kernel-maps.js'

type ConfigField = typeof CONFIG extends { offsetOf(name: infer Name, index?: number): number } ? Name & string : never

/** What programs and their process know of each other, in memory that both read. */
export type ConfigView = View<ConfigField>

export function configOf(maps: KernelMaps): ConfigView {
  return maps.element('config', CONFIG)
}
