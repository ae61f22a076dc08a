import type { ExportMember } from '../export/export-member.js'
import { PATH, type RibTable } from '../../rib/rib-table.js'
import type { RouteView } from '../route.js'

/**
 * Paths of a table as they are while the iteration goes on.
 *
 * @param only index of the peer whose paths are asked for; `undefined`: all
 * @param postPolicy the attributes are those after import policy, and paths that are not used are left out
 */
export function* receivedRoutes(
  table: RibTable,
  only: number | undefined,
  nameOf: (index: number) => string,
  postPolicy: boolean,
): Generator<RouteView> {
  for (const destination of table.destinations()) {
    for (const path of table.pathsOf(destination)) {
      if (only !== undefined && table.peerOf(path) !== only) continue
      const invalid = table.invalidOf(path)
      if (postPolicy && invalid !== undefined) continue
      yield {
        family: table.family,
        nlri: table.nlriOf(path),
        pathId: table.pathIdOf(path),
        peer: nameOf(table.peerOf(path)),
        set: table.sets.get(postPolicy ? table.setOf(path) : table.receivedOf(path)),
        best: table.best(destination) === path,
        multipath: table.has(path, PATH.multipath),
        stale: table.has(path, PATH.stale),
        ...(invalid === undefined ? {} : { invalid }),
      }
    }
  }
}

/** What a peer was sent of a table, and holds. */
export function* sentRoutes(member: ExportMember | undefined, peer: string): Generator<RouteView> {
  if (member === undefined) return
  const { table, out } = member.group
  const held: [destination: number, pathId: number, set: number, data: number][] = []
  out.held(member.index, (...entry) => held.push(entry))
  for (const [destination, pathId, set, data] of held) {
    yield {
      family: table.family,
      nlri: table.nlri(destination, data, pathId),
      pathId,
      peer,
      set: table.sets.get(set),
      best: true,
      multipath: false,
      stale: false,
    }
  }
}
