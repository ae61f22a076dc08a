import type { EbpfRouter } from '../../src/ebpf-router.js'
import { SERVICE_KEY } from '../../src/layout/structs/service.js'
import { wordAt } from '../../src/layout/word.js'
import { NUMBERS, placeOf, VERSIONS } from '../../src/tables/versioned-map.js'

/** How programs find objects: by what `numbers` tells, by the search that it spares them, or as it comes. */
export type FoundBy = 'number' | 'search' | 'either'

/** Has programs find objects by one of both ways alone. Returns what has all be as it was, before anything is changed. */
export function findBy({ parts: { maps } }: EbpfRouter, way: FoundBy): () => void {
  const numbers = maps.words('numbers')
  const before = numbers.slice()
  if (way === 'search') numbers.fill(0)
  const removed = way !== 'number' ? [] : Object.keys(VERSIONS).flatMap((map, kind) => elements(map, numbers.subarray(kind * NUMBERS)))
  for (const { map, key } of removed) maps.object.remove(map, key)
  return () => {
    for (const { map, key, number } of removed) maps.object.update(map, key, number)
    numbers.set(before)
  }

  /** Those that have a place among the numbers to themselves. */
  function elements(map: string, known: Uint32Array): { readonly map: string; readonly key: Uint8Array; readonly number: Uint8Array }[] {
    const width = map === 'services' ? SERVICE_KEY.size : 4
    const octets = maps.object.entries(map)
    return Array.from({ length: octets.length / (width + 4) }, (_, index) => {
      const at = index * (width + 4)
      return { map, key: octets.slice(at, at + width), number: octets.slice(at + width, at + width + 4) }
    }).filter(({ key, number }) => known[placeOf(key)] === wordAt(number))
  }
}
