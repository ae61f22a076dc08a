import type { AsPathSegment } from '../attribute/path-attributes.js'

/** What becomes of private AS numbers (RFC 6996 §5): left out, or replaced by ours so that the path keeps its length. */
export type PrivateAsHandling = 'remove' | 'replace'

type Path = readonly AsPathSegment[]

/** AS numbers that one segment holds. */
const SEGMENT_LIMIT = 255

/** Whether an AS number is for private use (RFC 6996 §5). */
export function isPrivateAs(as: number): boolean {
  return (as >= 64_512 && as <= 65_534) || (as >= 4_200_000_000 && as <= 4_294_967_294)
}

export function hasAs(path: Path, as: number): boolean {
  return path.some(({ asns }) => asns.includes(as))
}

/** How often an AS stands in the path. */
export function countAs(path: Path, as: number, confederation: boolean): number {
  let count = 0
  for (const segment of path) {
    if (isConfederation(segment) !== confederation) continue
    for (const other of segment.asns) if (other === as) count++
  }
  return count
}

export function isConfederation({ type }: AsPathSegment): boolean {
  return type === 'confed-sequence' || type === 'confed-set'
}

/** AS numbers in a path, those of sets and confederation segments included: what it costs to keep. */
export function asCount(path: Path): number {
  return path.reduce((count, { asns }) => count + asns.length, 0)
}

/** Confederation segments end at the border (RFC 5065 §4). */
export function withoutConfederation(path: Path): Path {
  return path.some(isConfederation) ? path.filter((segment) => !isConfederation(segment)) : path
}

/** RFC 4271 §5.1.2. */
export function prepended(path: Path, as: number): AsPathSegment[] {
  return inFront(path, as, 'sequence')
}

/** RFC 5065 §4 for a peer in another member AS. */
export function prependedConfederation(path: Path, as: number): AsPathSegment[] {
  return inFront(path, as, 'confed-sequence')
}

function inFront(path: Path, as: number, type: AsPathSegment['type']): AsPathSegment[] {
  const [first, ...rest] = path
  return first?.type === type && first.asns.length < SEGMENT_LIMIT
    ? [{ type, asns: [as, ...first.asns] }, ...rest]
    : [{ type, asns: [as] }, ...path]
}

/** One AS in the place of another. */
export function overridden(path: Path, as: number, by: number): AsPathSegment[] {
  return path.map(({ type, asns }) => ({ type, asns: asns.map((other) => (other === as ? by : other)) }))
}

export function withoutPrivate(path: Path, handling: PrivateAsHandling, localAs: number): AsPathSegment[] {
  return path.flatMap(({ type, asns }): AsPathSegment[] => {
    const kept = handling === 'replace' ? asns.map((as) => (isPrivateAs(as) ? localAs : as)) : asns.filter((as) => !isPrivateAs(as))
    return kept.length === 0 ? [] : [{ type, asns: kept }]
  })
}
