import type { AdjRibOut } from '../rib/adj-rib-out.js'
import { PATH, type RibTable } from '../rib/rib-table.js'
import type { RouteView } from './route.js'

/**
 * Paths of a table as they are while the iteration goes on.
 *
 * @param only index of the peer whose paths are asked for; `undefined`: all
 */
export function* receivedRoutes(table: RibTable, only: number | undefined, nameOf: (index: number) => string): Generator<RouteView> {
  for (const destination of table.destinations()) {
    for (const path of table.pathsOf(destination)) {
      if (only !== undefined && table.peerOf(path) !== only) continue
      const invalid = table.invalidOf(path)
      yield {
        family: table.family,
        nlri: table.nlriOf(path),
        pathId: table.pathIdOf(path),
        peer: nameOf(table.peerOf(path)),
        set: table.sets.get(table.setOf(path)),
        best: table.best(destination) === path,
        stale: table.has(path, PATH.stale),
        ...(invalid === undefined ? {} : { invalid }),
      }
    }
  }
}

/** What a peer was sent of a table, and holds. */
export function* sentRoutes(table: RibTable, out: AdjRibOut | undefined, peer: string): Generator<RouteView> {
  for (const destination of out?.destinations() ?? []) {
    yield {
      family: table.family,
      nlri: table.nlri(destination, out?.dataOf(destination) ?? 0, 0),
      pathId: 0,
      peer,
      set: table.sets.get(out?.setOf(destination) ?? 0),
      best: true,
      stale: false,
    }
  }
}
