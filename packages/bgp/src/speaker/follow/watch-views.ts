import type { RibTable } from '../../rib/rib-table.js'
import type { Peer } from '../peer/peer.js'
import type { PlacedTable } from '../table/table-observers.js'
import type { UnnumberedEvent, WatchSnapshot, WatchedRoute } from './watch.js'

/** Everything that a watch begins with. */
export function watchSnapshot(tables: Iterable<PlacedTable>, peers: Iterable<Peer>, nameOf: (index: number) => string): WatchSnapshot {
  const routes: WatchedRoute[] = []
  for (const { table, vrf } of tables) {
    for (const destination of table.destinations()) {
      const best = table.best(destination)
      if (best !== 0) routes.push(watched(table, best, vrf, nameOf))
    }
  }
  return { routes, neighbors: new Map([...peers].map(({ name, state }) => [name, state])) }
}

/** What a decision means for those who watch. */
export function watchEvent({ table, vrf }: PlacedTable, destination: number, nameOf: (index: number) => string): UnnumberedEvent {
  const best = table.best(destination)
  if (best !== 0) return { kind: 'route', route: watched(table, best, vrf, nameOf) }
  return { kind: 'gone', ...placeOf(vrf), family: table.family, nlri: table.nlri(destination, 0, 0) }
}

function placeOf(vrf: string | undefined): { readonly vrf?: string } {
  return vrf === undefined ? {} : { vrf }
}

function watched(table: RibTable, path: number, vrf: string | undefined, nameOf: (index: number) => string): WatchedRoute {
  const { attributes, nextHop } = table.sets.get(table.setOf(path))
  const nlri = table.nlri(table.destinationOf(path), table.dataOf(path), 0)
  const peer = nameOf(table.peerOf(path))
  return { ...placeOf(vrf), family: table.family, nlri, peer, attributes, ...(nextHop === undefined ? {} : { nextHop: nextHop.address }) }
}
