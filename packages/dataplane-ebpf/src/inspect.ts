import type { EbpfInspection } from './inspection.js'
import type { NativeObject } from './native/binding.js'
import { call } from './native/call.js'

/** Asks the kernel what it holds. @throws LinuxError */
export function inspect(object: NativeObject): EbpfInspection {
  const byName = (a: { readonly name: string }, b: { readonly name: string }): number => (a.name < b.name ? -1 : 1)
  const maps = call(() => object.maps()).map(({ name, maxEntries, keySize, valueSize, octets }) => ({
    name,
    capacity: maxEntries,
    keyOctets: keySize,
    valueOctets: valueSize,
    octets,
  }))
  return { programs: call(() => object.programs()).sort(byName), maps: maps.sort(byName) }
}
