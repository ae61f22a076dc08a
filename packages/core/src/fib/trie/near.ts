/** IPv4 prefixes as columns. */
export interface Prefixes4 {
  readonly addresses: Uint32Array
  /** 0–32. */
  readonly lengths: Uint8Array
  /** 0–2^31-2. */
  readonly values: Uint32Array
  /** The value that each had, −1 for none: it is found out. */
  readonly before: Int32Array
}

/** What addresses are parted into: each part of a million random routes finds its words of the trie in a second cache. */
const PARTS_BITS = 8
const PARTS = 1 << PARTS_BITS
/** Rows of which one may come behind a greater address: it waits for memory, which costs less than to order them all. */
const ROWS_A_STEP_BACK = 64

/**
 * Parts addresses by their first bits in which any differ: undefined where they mostly ascend, so that those which are near each other are together already.
 *
 * @returns shift by which an address has the number of its part in its last bits
 */
export function partingOf(addresses: Uint32Array): number | undefined {
  let differing = 0
  let stepsBack = 0
  for (let row = 1; row < addresses.length; row++) {
    differing |= addresses[row] ^ addresses[0]
    if (addresses[row] < addresses[row - 1]) stepsBack++
  }
  if (stepsBack * ROWS_A_STEP_BACK <= addresses.length) return undefined
  return Math.max(0, 32 - PARTS_BITS - Math.clz32(differing))
}

/**
 * The same prefixes part by part, those of a part in the order in which they came. Inserted so, they find the trie's words in the cache, where a random order
 * waits for memory at each.
 */
export function parted({ addresses, lengths, values }: Prefixes4, shift: number): Prefixes4 {
  const count = addresses.length
  const near = {
    addresses: new Uint32Array(count),
    lengths: new Uint8Array(count),
    values: new Uint32Array(count),
    before: new Int32Array(count),
  }
  const next = startsOf(addresses, shift)
  const mask = PARTS - 1
  for (let row = 0; row < count; row++) {
    const at = next[(addresses[row] >>> shift) & mask]++
    near.addresses[at] = addresses[row]
    near.lengths[at] = lengths[row]
    near.values[at] = values[row]
  }
  return near
}

/** Tells prefixes what `before` of the same says that are parted. */
export function tellBefore({ addresses, before }: Prefixes4, near: Prefixes4, shift: number): void {
  const next = startsOf(addresses, shift)
  const mask = PARTS - 1
  for (let row = 0; row < before.length; row++) before[row] = near.before[next[(addresses[row] >>> shift) & mask]++]
}

/** Where each part begins. */
function startsOf(addresses: Uint32Array, shift: number): Uint32Array {
  const starts = new Uint32Array(PARTS)
  const mask = PARTS - 1
  for (let row = 0; row < addresses.length; row++) starts[(addresses[row] >>> shift) & mask]++
  let sum = 0
  for (let part = 0; part < PARTS; part++) {
    sum += starts[part]
    starts[part] = sum - starts[part]
  }
  return starts
}
