import { NO_GROUP, type ApplyFailure, type RouteBatch } from '@heddle/core'
import type { IpFamily } from '@heddle/wire'
import { FibFullError } from '../fib/block-memory.js'
import type { FamilyFib } from '../fib/family-fib.js'
import type { FibStore } from '../fib/fib-store.js'

/**
 * Writes the rows of a batch, and tells programs where tables have moved to.
 *
 * @param removed VRFs that the same transaction removes: their routes go with them
 */
export function programRoutes(
  store: FibStore,
  routes: RouteBatch,
  removed: ReadonlySet<number>,
  publish: (vrf: number) => void,
): ApplyFailure[] {
  const failures: ApplyFailure[] = []
  const touched = new Set<number>()
  const { count, vrf, family, length, group } = routes
  const address = new Int32Array(routes.address.buffer, routes.address.byteOffset, routes.address.length)
  // Batches come table by table: it is looked for only where another one begins.
  let fib: FamilyFib | undefined
  for (let row = 0; row < count; row++) {
    if (fib === undefined || fib.vrf !== vrf[row] || fib.family !== family[row]) {
      fib = undefined
      if (removed.has(vrf[row])) continue
      fib = store.of(vrf[row], family[row] as IpFamily)
      touched.add(vrf[row])
    }
    const at = row * 4
    try {
      if (group[row] === NO_GROUP) fib.delete(address[at], address[at + 1], address[at + 2], address[at + 3], length[row])
      else fib.set(address[at], address[at + 1], address[at + 2], address[at + 3], length[row], group[row])
    } catch (error) {
      if (!(error instanceof FibFullError)) throw error
      const key = `${vrf[row]} ${routes.prefixAt(row)}`
      failures.push({ object: { kind: 'route', key }, code: 'dataplane.limit', message: error.message })
    }
  }
  for (const id of touched) if (store.isMoved(id)) publish(id)
  return failures
}
