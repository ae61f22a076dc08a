/** IPv4 prefixes as columns. */
export interface Columns4 {
  readonly addresses: Uint32Array
  /** 0–32. */
  readonly lengths: Uint8Array
  /** 0–2^31-2. */
  readonly values: Uint32Array
}

/** IPv4 prefixes and the values that they are to have, with what is known of all of them: `runsOf` finds them in a batch. */
export interface Values4 extends Omit<Columns4, 'addresses'> {
  /** Of row i, the address is word i × `stride`: those of a batch stay where they are. */
  readonly words: Uint32Array
  readonly stride: 1 | 4
  /** How many addresses come behind a greater one. */
  readonly stepsBack: number
  /** So many from the first on do not, at least. */
  readonly ascending: number
  /** How many are of full length. */
  readonly hosts: number
}

/** Some of them, as they are set. */
export interface Prefixes4 extends Columns4 {
  /** The value that each had, −1 for none: it is found out. */
  readonly before: Int32Array
  /** Whether it is known that all of them had the same value, or none, and are to have the same one. */
  areAlike: boolean
}

/**
 * Rows that one call goes through: V8 compiles a loop that it is in for long before it has seen how it ends, and then gives that code up with each call at
 * the end of the loop. Calls as short as these are compiled as wholes.
 */
export const ROWS_AT_ONCE = 512
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
export function partingOf({ words, stride, stepsBack, lengths: { length: count } }: Values4): number | undefined {
  if (stepsBack * ROWS_A_STEP_BACK <= count) return undefined
  let differing = 0
  for (let first = 0; first < count; first += ROWS_AT_ONCE)
    differing |= differingIn(words.subarray(first * stride, (first + ROWS_AT_ONCE) * stride), stride, words[0])
  return Math.max(0, 32 - PARTS_BITS - Math.clz32(differing))
}

/** The bits in which any of the addresses is not as another one. */
function differingIn(words: Uint32Array, stride: number, other: number): number {
  let differing = 0
  for (let at = 0; at < words.length; at += stride) differing |= words[at] ^ other
  return differing
}

/**
 * The same prefixes part by part, those of a part in the order in which they came. Inserted so, they find the trie's words in the cache, where a random order
 * waits for memory at each.
 */
export function parted({ words, stride, lengths, values }: Values4, shift: number): Columns4 {
  const count = lengths.length
  const near = {
    addresses: new Uint32Array(count),
    lengths: new Uint8Array(count),
    values: new Uint32Array(count),
  }
  const next = startsOf(words, stride, shift)
  const mask = PARTS - 1
  for (let row = 0; row < count; row++) {
    const address = words[row * stride]
    const at = next[(address >>> shift) & mask]++
    near.addresses[at] = address
    near.lengths[at] = lengths[row]
    near.values[at] = values[row]
  }
  return near
}

/** Where each part begins. */
function startsOf(words: Uint32Array, stride: number, shift: number): Uint32Array {
  const starts = new Uint32Array(PARTS)
  const mask = PARTS - 1
  for (let at = 0; at < words.length; at += stride) starts[(words[at] >>> shift) & mask]++
  let sum = 0
  for (let part = 0; part < PARTS; part++) {
    sum += starts[part]
    starts[part] = sum - starts[part]
  }
  return starts
}
