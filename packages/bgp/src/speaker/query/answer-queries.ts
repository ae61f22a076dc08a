import { familyByName, type Family } from '../../nlri/family.js'
import { LOCAL } from '../../rib/rib-table.js'
import type { FamilyName } from '../config.js'
import { explain, type Explanation } from './explain.js'
import type { ExplainQuery, RoutesQuery } from './queries.js'
import { LOCAL_PEER, type RouteView } from '../route.js'
import { receivedRoutes, sentRoutes } from './route-views.js'
import { importRulesFor } from '../peer/session-rules.js'
import { SpeakerError } from '../speaker-error.js'
import type { SpeakerParts } from '../speaker-parts.js'

/** @throws SpeakerError `speaker.config` for a name that is none */
export function familyNamed(family: Family | FamilyName): Family {
  const found = typeof family === 'string' ? familyByName(family) : family
  if (found === undefined) throw new SpeakerError('speaker.config', 'family', `${JSON.stringify(family)} is not known`)
  return found
}

/** See `Speaker.routes`. */
export function* routesOf(
  { neighbors, tables, index }: SpeakerParts,
  { family: asked, neighbor, vrf, direction = 'in', postPolicy = false }: RoutesQuery,
): Generator<RouteView> {
  const family = familyNamed(asked)
  const peer = neighbor === undefined || neighbor === LOCAL_PEER ? undefined : neighbors.get(neighbor)
  if (direction === 'out') {
    if (peer === undefined) throw new SpeakerError('speaker.neighbor-unknown', 'neighbor', 'routes out are those of one neighbor')
    return yield* sentRoutes(peer.flows?.member(family), peer.name)
  }
  const table = tables.of(vrf ?? peer?.config.neighbor.vrf).of(family)
  const only = neighbor === LOCAL_PEER ? LOCAL : peer?.index
  yield* receivedRoutes(table, only, (at) => index.nameOf(at), postPolicy)
}

/** See `Speaker.explain`. */
export function explanationOf(
  { tables, neighbors, index, identity, context }: SpeakerParts,
  { family, nlri, vrf }: ExplainQuery,
): Explanation {
  const instance = tables.in(vrf)
  const table = instance.tables.of(familyNamed(family))
  const key = table.newKey()
  table.key.fromNlri(nlri, key)
  return explain(
    {
      table,
      decision: instance.decision,
      peers: [...neighbors.all()].filter(({ config }) => config.neighbor.vrf === vrf),
      nameOf: (at) => index.nameOf(at),
      importsOf: (destination) => (vrf === undefined ? tables.importsOf(table, destination) : []),
      rulesOf: (at) => {
        const peer = index.get(at)
        return peer === undefined ? undefined : importRulesFor(peer.config, identity, context.validation())
      },
    },
    table.find(key),
  )
}
