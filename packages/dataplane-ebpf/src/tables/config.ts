import { DataplaneError } from '@heddle/core'
import type { View } from '../layout/struct.js'
import { CONFIG, HAS_VNIS, LAYOUT_VERSION } from '../layout/structs/config.js'
import type { NativeObject } from '../native/binding.js'
import { call } from '../native/call.js'
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

/** Tells programs whether there are VNIs. */
export function tellVnis(config: ConfigView, areThere: boolean): void {
  const others = config.get('encapsulations') & ~HAS_VNIS
  config.set('encapsulations', areThere ? others | HAS_VNIS : others)
}

export function configOf(maps: KernelMaps): ConfigView {
  return maps.element('config', CONFIG)
}

/**
 * Tables that another process has made may be those of another release, which has other things where this one would write. Writes nothing.
 *
 * @throws DataplaneError `dataplane.device`
 */
export function checkLayout(object: NativeObject): void {
  const size = call(() => object.maps()).find(({ name }) => name === 'config')?.valueSize
  // The version is where it is in every release.
  const [version] = new Uint32Array(call(() => object.memory('config')))
  if (version === LAYOUT_VERSION && size === CONFIG.size) return
  const found = `layout ${version}, of ${size} octets of configuration`
  throw new DataplaneError('dataplane.device', `the tables are of ${found}; this release is of layout ${LAYOUT_VERSION}, of ${CONFIG.size}`)
}
