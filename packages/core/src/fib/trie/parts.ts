import { parted, partingOf, ROWS_AT_ONCE, type Columns4, type Prefixes4, type Values4 } from './near.js'

/** Prefixes of a part: what they need stays in the second cache. */
const PREFIXES_IN_PART = 8192

/** What those of a part had: one part at a time. */
const befores = new Int32Array(PREFIXES_IN_PART)
/** Their addresses, where they do not lie by themselves. */
const gathered = new Uint32Array(PREFIXES_IN_PART)

/**
 * Visits many IPv4 prefixes in parts of at most `PREFIXES_IN_PART`: those that are near each other together, equal ones in their order.
 *
 * @param each gets a part, whose `before` it finds out; it is another part's behind the call
 */
export function inParts4(prefixes: Values4, each: (part: Prefixes4) => void): void {
  const shift = partingOf(prefixes)
  const near = shift === undefined ? undefined : parted(prefixes, shift)
  for (let first = 0; first < prefixes.lengths.length; first += PREFIXES_IN_PART) {
    const end = Math.min(first + PREFIXES_IN_PART, prefixes.lengths.length)
    const addresses = near?.addresses.subarray(first, end) ?? addressesOf(prefixes, first, end)
    each(partOf(addresses, near ?? prefixes, first))
  }
}

/** All of them as one part, with a `before` of its own; the rest may be the caller's. */
export function wholePart4({ words, stride, lengths, values }: Values4): Prefixes4 {
  const addresses = stride === 1 ? words : new Uint32Array(lengths.length).map((_, row) => words[row * stride])
  return { addresses, lengths, values, before: new Int32Array(lengths.length), areAlike: false }
}

function partOf(addresses: Uint32Array, { lengths, values }: Pick<Columns4, 'lengths' | 'values'>, first: number): Prefixes4 {
  const end = first + addresses.length
  return {
    addresses,
    lengths: lengths.subarray(first, end),
    values: values.subarray(first, end),
    before: befores.subarray(0, addresses.length),
    areAlike: false,
  }
}

/** Addresses of some rows, `PREFIXES_IN_PART` at most. */
function addressesOf({ words, stride }: Values4, first: number, end: number): Uint32Array {
  if (stride === 1) return words.subarray(first, end)
  for (let row = first; row < end; row += ROWS_AT_ONCE) gather(words, stride, row, Math.min(row + ROWS_AT_ONCE, end), row - first)
  return gathered.subarray(0, end - first)
}

function gather(words: Uint32Array, stride: number, first: number, end: number, at: number): void {
  const addresses = gathered
  for (let row = first; row < end; row++) addresses[at + row - first] = words[row * stride]
}
