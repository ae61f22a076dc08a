import { nearTogether, type Prefixes4 } from './near.js'

/** Prefixes of a part: what they need stays in the second cache. */
export const PREFIXES_IN_PART = 8192

/**
 * Visits many IPv4 prefixes in parts of at most `PREFIXES_IN_PART`: those that are near each other together, equal ones in their order, addresses and shorter prefixes
 * apart. What `before` of a part is made to say is told of the prefixes.
 *
 * @param begin gets all of them, near together, before the first part
 * @param each gets a part, and whether it has addresses
 */
export function inParts4(prefixes: Prefixes4, begin: (near: Prefixes4) => void, each: (part: Prefixes4, areHosts: boolean) => void): void {
  const { before } = prefixes
  const order = new Uint32Array(before.length)
  const near = nearTogether(prefixes, order) ?? prefixes
  begin(near)
  for (let first = 0; first < before.length; first += PREFIXES_IN_PART) {
    const part = slice(near, first)
    const hosts = hostsIn(part.lengths)
    if (hosts === 0 || hosts === part.lengths.length) each(part, hosts > 0)
    else for (const areHosts of [false, true]) ofOneKind(part, areHosts, each)
  }
  if (near === prefixes) return
  for (let at = 0; at < order.length; at++) before[order[at]] = near.before[at]
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

/** How many of IPv4 prefixes are of full length. */
function hostsIn(lengths: Uint8Array): number {
  let hosts = 0
  for (let row = 0; row < lengths.length; row++) if (lengths[row] === 32) hosts++
  return hosts
}

function ofOneKind(
  { addresses, lengths, values, before }: Prefixes4,
  areHosts: boolean,
  each: (part: Prefixes4, areHosts: boolean) => void,
): void {
  const wanted = (_: number, row: number): boolean => (lengths[row] === 32) === areHosts
  const part = {
    addresses: addresses.filter(wanted),
    lengths: lengths.filter(wanted),
    values: values.filter(wanted),
    before: before.filter(wanted),
  }
  each(part, areHosts)
  let next = 0
  for (let row = 0; row < lengths.length; row++) if (wanted(0, row)) before[row] = part.before[next++]
}
