/** A typed array that a column may be. */
type ColumnArray = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array

/** A copy of `column` with room for `capacity` entries, new ones 0. */
export function grown<T extends ColumnArray>(column: T, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity)
  larger.set(column)
  return larger
}

/** Room to have when `needed` entries no longer fit in `capacity`. */
export function capacityFor(needed: number, capacity: number): number {
  let next = Math.max(capacity, 16)
  while (next < needed) next = next < 1 << 16 ? next * 2 : Math.ceil(next * 1.5)
  return next
}

/** Mixes a word into a hash (the multiply-rotate steps that MurmurHash3 made common). */
export function mix(hash: number, word: number): number {
  let value = Math.imul(word, 0xcc9e2d51)
  value = (value << 15) | (value >>> 17)
  const mixed = hash ^ Math.imul(value, 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** Spreads the last entropy over all bits. */
export function finish(hash: number): number {
  let value = hash ^ (hash >>> 16)
  value = Math.imul(value, 0x85ebca6b)
  value ^= value >>> 13
  value = Math.imul(value, 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
