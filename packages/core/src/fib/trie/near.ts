/** IPv4 prefixes as columns. */
export interface Prefixes4 {
  readonly addresses: Uint32Array
  /** 0–32. */
  readonly lengths: Uint8Array
  /** 0–2^31-2. */
  readonly values: Uint32Array
  /** The value that it had, −1 for none. */
  readonly before: Int32Array
}

/** What addresses are parted into: each part of a million random routes finds its words of the trie in a second cache. */
const PARTS_BITS = 8

/**
 * The same prefixes with those that are near each other together, and equal ones in the order in which they came. Inserted so, they find the trie's words in the
 * cache, where a random order waits for memory at each.
 */
export function nearTogether(prefixes: Prefixes4): Prefixes4 {
  const { addresses } = prefixes
  const count = addresses.length
  let differing = 0
  for (let row = 1; row < count; row++) differing |= addresses[row] ^ addresses[0]
  const shift = Math.max(0, 32 - PARTS_BITS - Math.clz32(differing))
  const mask = (1 << PARTS_BITS) - 1
  const ends = new Uint32Array(1 << PARTS_BITS)
  let isTogether = true
  let last = 0
  for (let row = 0; row < count; row++) {
    const part = (addresses[row] >>> shift) & mask
    ends[part]++
    if (part < last) isTogether = false
    last = part
  }
  if (isTogether) return prefixes
  let sum = 0
  for (let part = 0; part <= mask; part++) {
    sum += ends[part]
    ends[part] = sum - ends[part]
  }
  const near = {
    addresses: new Uint32Array(count),
    lengths: new Uint8Array(count),
    values: new Uint32Array(count),
    before: new Int32Array(count),
  }
  for (let row = 0; row < count; row++) {
    const at = ends[(addresses[row] >>> shift) & mask]++
    near.addresses[at] = addresses[row]
    near.lengths[at] = prefixes.lengths[row]
    near.values[at] = prefixes.values[row]
    near.before[at] = prefixes.before[row]
  }
  return near
}
