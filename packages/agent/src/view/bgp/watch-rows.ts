import { formatNlri, type Speaker, type WatchEvent, type WatchedRoute } from '@heddle/bgp'
import { filterOf, isWanted, bgpRouteRow, rdOf, type BgpRouteQuery, type BgpRouteRow } from './route-rows.js'

/** What a watch prints. `after` is the number of the row's predecessor in this stream, so that a reader can prove that it missed nothing. */
export type BgpWatchRow = { readonly sequence: number; readonly after: number } & (
  | { readonly event: 'snapshot' | 'end-of-snapshot' }
  | { readonly event: 'route'; readonly route: BgpRouteRow }
  | { readonly event: 'gone'; readonly family: string; readonly rd: string | null; readonly destination: string }
  | { readonly event: 'neighbor'; readonly neighbor: string; readonly state: string }
)

/**
 * Best paths and states of neighbors, those that the query lets through: `snapshot`, everything that is there, `end-of-snapshot`, and then each event as it happens. A reader that is
 * too slow gets another snapshot in the place of what it missed.
 */
export async function* bgpWatchRows(
  speaker: Speaker,
  { families, match, peer, vrf }: Omit<BgpRouteQuery, 'table'>,
  signal: AbortSignal,
): AsyncGenerator<BgpWatchRow> {
  const filter = filterOf(match)
  const wanted = (route: WatchedRoute): boolean =>
    isPlace(route) && isFamily(route.family.name) && (peer === undefined || route.peer === peer) && isWanted(viewOf(route), filter)
  // a customer that is asked for says where
  const isPlace = (route: WatchedRoute): boolean => route.vrf === vrf || (vrf === undefined && peer !== undefined)
  const isFamily = (name: string): boolean => families?.some((family) => family === name) ?? true
  const shown = new Set<string>()
  let after = 0
  const numbered = <Row extends object>(sequence: number, row: Row): Row & { sequence: number; after: number } => {
    const out = { sequence, after, ...row }
    after = sequence
    return out
  }
  for await (const event of untilAborted(speaker.watch(), signal)) {
    const { sequence } = event
    if (event.kind === 'snapshot') {
      shown.clear()
      yield numbered(sequence, { event: 'snapshot' as const })
      for (const [neighbor, state] of event.neighbors) yield numbered(sequence, { event: 'neighbor' as const, neighbor, state })
      for (const route of event.routes) {
        if (!wanted(route)) continue
        shown.add(nameOf(route))
        yield numbered(sequence, routeEvent(route))
      }
      yield numbered(sequence, { event: 'end-of-snapshot' as const })
    } else if (event.kind === 'neighbor') {
      yield numbered(sequence, { event: 'neighbor' as const, neighbor: event.neighbor, state: event.state })
    } else if (event.kind === 'route' && wanted(event.route)) {
      shown.add(nameOf(event.route))
      yield numbered(sequence, routeEvent(event.route))
    } else {
      // a route that no longer is what was asked for is gone for who asked
      const gone = event.kind === 'route' ? event.route : event
      if (shown.delete(nameOf(gone))) yield numbered(sequence, goneEvent(gone))
    }
  }
}

function nameOf({ vrf = '', family, nlri }: Pick<WatchedRoute, 'vrf' | 'family' | 'nlri'>): string {
  return `${vrf} ${family.name} ${rdOf(nlri)} ${formatNlri(nlri)}`
}

function routeEvent(route: WatchedRoute): { event: 'route'; route: BgpRouteRow } {
  return { event: 'route', route: bgpRouteRow(viewOf(route)) }
}

function goneEvent({ family, nlri }: Pick<WatchedRoute, 'family' | 'nlri'>): {
  event: 'gone'
  family: string
  rd: string | null
  destination: string
} {
  return { event: 'gone', family: family.name, rd: rdOf(nlri), destination: formatNlri(nlri) }
}

function viewOf({ family, nlri, peer, attributes, nextHop }: WatchedRoute): Parameters<typeof bgpRouteRow>[0] {
  const set = { attributes, ...(nextHop === undefined ? {} : { nextHop: { address: nextHop } }) }
  return { family, nlri, peer, set, pathId: 0, best: true, multipath: false, stale: false }
}

/** An iteration that ends at once when the signal does, whatever it waits for. */
async function* untilAborted(events: AsyncIterable<WatchEvent>, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  const iterator = events[Symbol.asyncIterator]()
  const end = (): void => void iterator.return?.()
  signal.addEventListener('abort', end, { once: true })
  try {
    while (!signal.aborted) {
      const { done = false, value } = await iterator.next()
      if (done) return
      yield value as WatchEvent
    }
  } finally {
    signal.removeEventListener('abort', end)
    await iterator.return?.()
  }
}
