import { parted, partingOf, type Columns4, type Prefixes4, type Values4 } from './near.js'

/** Prefixes of a part: what they need stays in the second cache. */
const PREFIXES_IN_PART = 8192

/** What those of a part had: one part at a time. */
const befores = new Int32Array(PREFIXES_IN_PART)

/**
 * Visits many IPv4 prefixes in parts of at most `PREFIXES_IN_PART`: those that are near each other together, equal ones in their order.
 *
 * @param each gets a part, whose `before` it finds out; it is another part's behind the call
 */
export function inParts4(prefixes: Values4, each: (part: Prefixes4) => void): void {
  const shift = partingOf(prefixes)
  const near = shift === undefined ? prefixes : parted(prefixes, shift)
  for (let first = 0; first < near.addresses.length; first += PREFIXES_IN_PART) each(slice(near, first))
}

function slice({ addresses, lengths, values }: Columns4, first: number): Prefixes4 {
  const end = first + PREFIXES_IN_PART
  const some = addresses.subarray(first, end)
  return {
    addresses: some,
    lengths: lengths.subarray(first, end),
    values: values.subarray(first, end),
    before: befores.subarray(0, some.length),
  }
}
