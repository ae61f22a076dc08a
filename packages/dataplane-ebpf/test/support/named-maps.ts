import { ObjectFile, type ObjectFunction } from './object-file.js'

/** How many maps each program of an object file names, and the functions that it calls: the kernel counts both. */
export function namedMaps(object: Uint8Array, programs: readonly string[]): ReadonlyMap<string, number> {
  const file = new ObjectFile(object)
  return new Map(programs.map((name) => [name, mapsFrom(file, name).size]))
}

function mapsFrom(file: ObjectFile, program: string): ReadonlySet<string> {
  const [maps, seen, next] = [new Set<string>(), new Set<string>(), [program]]
  for (let name = next.pop(); name !== undefined; name = next.pop()) {
    if (seen.has(name)) continue
    seen.add(name)
    const of = file.functions.get(name) as ObjectFunction
    for (const instruction of file.instructions(of)) {
      const { called, map } = file.namedBy(instruction, of.section)
      if (called !== undefined) next.push(called)
      if (map !== undefined) maps.add(`${map.section} ${map.value}`)
    }
  }
  return maps
}
