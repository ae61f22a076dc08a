import { NO_GROUP, type ApplyFailure, type RouteBatch } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import { FibFullError } from '../fib/block-memory.js'
import type { FibStore } from '../fib/fib-store.js'
import type { Key } from '../fib/family-fib.js'

/**
 * Writes the rows of a batch, and tells programs where tables have moved to.
 *
 * @param removed VRFs that the same transaction removes: their routes go with them
 */
export function programRoutes(
  fib: FibStore,
  routes: RouteBatch,
  removed: ReadonlySet<number>,
  publish: (vrf: number) => void,
): ApplyFailure[] {
  const failures: ApplyFailure[] = []
  const touched = new Set<number>()
  const { count, vrf, family, address, length, group } = routes
  for (let row = 0; row < count; row++) {
    if (removed.has(vrf[row])) continue
    const at = row * 4
    const words: Key = [address[at], address[at + 1], address[at + 2], address[at + 3]]
    touched.add(vrf[row])
    if (group[row] === NO_GROUP) {
      fib.delete(vrf[row], family[row] as IpFamily, words, length[row])
      continue
    }
    try {
      fib.set(vrf[row], family[row] as IpFamily, words, length[row], group[row])
    } catch (error) {
      if (!(error instanceof FibFullError)) throw error
      const key = `${vrf[row]} ${routes.prefixAt(row)}`
      failures.push({ object: { kind: 'route', key }, code: 'dataplane.limit', message: error.message })
    }
  }
  for (const id of touched) if (fib.isMoved(id)) publish(id)
  return failures
}
