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
const PARTS_MASK = (1 << PARTS_BITS) - 1

/**
 * The same prefixes with those that are near each other together, and equal ones in the order in which they came; undefined where they are so already.
 * Inserted so, they find the trie's words in the cache, where a random order waits for memory at each.
 *
 * @param order gets which of the prefixes each of them was
 */
export function nearTogether({ addresses, lengths, values, before }: Prefixes4, order?: Uint32Array): Prefixes4 | undefined {
  const count = addresses.length
  if (isAscending(addresses)) return undefined
  let differing = 0
  for (let row = 1; row < count; row++) differing |= addresses[row] ^ addresses[0]
  const shift = Math.max(0, 32 - PARTS_BITS - Math.clz32(differing))
  const ends = new Uint32Array(1 << PARTS_BITS)
  if (!countParts(addresses, shift, ends)) return undefined
  let sum = 0
  for (let part = 0; part < ends.length; part++) {
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
    const at = ends[(addresses[row] >>> shift) & PARTS_MASK]++
    near.addresses[at] = addresses[row]
    near.lengths[at] = lengths[row]
    near.values[at] = values[row]
    near.before[at] = before[row]
    if (order !== undefined) order[at] = row
  }
  return near
}

function isAscending(addresses: Uint32Array): boolean {
  for (let row = 1; row < addresses.length; row++) if (addresses[row] < addresses[row - 1]) return false
  return true
}

/** How many addresses each part has; returns whether any comes behind one of a later part. */
function countParts(addresses: Uint32Array, shift: number, counts: Uint32Array): boolean {
  let isApart = false
  let last = 0
  for (let row = 0; row < addresses.length; row++) {
    const part = (addresses[row] >>> shift) & PARTS_MASK
    counts[part]++
    if (part < last) isApart = true
    last = part
  }
  return isApart
}
