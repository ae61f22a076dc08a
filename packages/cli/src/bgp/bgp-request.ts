import { BGP_TABLES, type BgpRouteQuery } from '@heddle/agent'
import { SPOKEN_FAMILIES } from '@heddle/bgp'
import { checkedParams } from '../control/params.js'
import { closed, text } from '../schema/json-schema.js'
import { matchSchema } from '../schema/policy-schema.js'
import { oneOf } from '../schema/value-schemas.js'

/** What `heddle show bgp` can ask for. */
export const BGP_VIEWS = ['neighbors', 'routes', 'attributes', 'policies', 'explain', 'metrics', 'statistics', 'watch', 'trace'] as const
/** One of `BGP_VIEWS`. */
export type BgpViewName = (typeof BGP_VIEWS)[number]

/** A request for one of the views of a speaker. */
export interface BgpRequest extends BgpRouteQuery {
  readonly what: BgpViewName
}

const schema = closed(
  {
    what: { ...oneOf(...BGP_VIEWS), description: BGP_VIEWS.join(', ') },
    families: { type: 'array', items: { ...oneOf(...SPOKEN_FAMILIES), description: SPOKEN_FAMILIES.join(', ') } },
    table: { ...oneOf(...BGP_TABLES), description: BGP_TABLES.join(', ') },
    peer: text,
    vrf: text,
    match: matchSchema,
  },
  ['what'],
)

/** Parameters of `bgp`. @throws ControlError `control.params` */
export function bgpRequest(params: unknown): BgpRequest {
  return checkedParams(params, schema) as BgpRequest
}
