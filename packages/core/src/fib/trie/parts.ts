import { parted, partingOf, tellBefore, type Prefixes4 } from './near.js'

/** Prefixes of a part: what they need stays in the second cache. */
export const PREFIXES_IN_PART = 8192
/** A prefix that is new; see `NO_MATCH`. */
const NEW = -1

/**
 * Visits many IPv4 prefixes in parts of at most `PREFIXES_IN_PART`: those that are near each other together, equal ones in their order. What `before` of a
 * part is made to say is told of the prefixes.
 *
 * @param each gets a part; returns how many of it are new
 */
export function inParts4(prefixes: Prefixes4, each: (part: Prefixes4) => number): void {
  const shift = partingOf(prefixes.addresses)
  const near = shift === undefined ? prefixes : parted(prefixes, shift)
  const count = prefixes.before.length
  let added = 0
  for (let first = 0; first < count; first += PREFIXES_IN_PART) added += each(slice(near, first))
  if (shift === undefined) return
  if (added === count) prefixes.before.fill(NEW)
  else tellBefore(prefixes, near, shift)
}

function slice({ addresses, lengths, values, before }: Prefixes4, first: number): Prefixes4 {
  const end = first + PREFIXES_IN_PART
  return {
    addresses: addresses.subarray(first, end),
    lengths: lengths.subarray(first, end),
    values: values.subarray(first, end),
    before: before.subarray(first, end),
  }
}
