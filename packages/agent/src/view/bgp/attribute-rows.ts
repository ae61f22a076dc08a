import type { Json, Speaker } from '@heddle/bgp'
import { bgpRouteRows, type BgpRouteQuery } from './route-rows.js'

/** Attributes that several routes share. */
export interface BgpAttributesRow {
  readonly family: string
  readonly nextHop: string | null
  /** Routes that have exactly these. */
  readonly routes: number
  /** One of them. */
  readonly example: string
  readonly attributes: Json
}

/** The attribute sets of the routes that a query finds, each once, those with most routes first; before them `undefined`, as of `bgpRouteRows`. */
export function* bgpAttributesRows(speaker: Speaker, query: BgpRouteQuery): Generator<BgpAttributesRow | undefined> {
  const sets = new Map<string, { row: Omit<BgpAttributesRow, 'routes'>; routes: number }>()
  for (const route of bgpRouteRows(speaker, query)) {
    yield undefined
    if (route === undefined) continue
    const { family, nextHop, attributes, destination, rd } = route
    const key = `${family} ${nextHop} ${JSON.stringify(attributes)}`
    const set = sets.get(key) ?? {
      row: { family, nextHop, example: `${rd === null ? '' : `${rd} `}${destination}`, attributes },
      routes: 0,
    }
    set.routes++
    sets.set(key, set)
  }
  for (const { row, routes } of [...sets.values()].toSorted((a, b) => b.routes - a.routes)) yield { ...row, routes }
}
