import { BGP_TABLES, type BgpRouteQuery } from '@heddle/agent'
import { PolicyError, SPOKEN_FAMILIES, compilePolicy } from '@heddle/bgp'
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

/** Parameters of `bgp`. @throws ControlError `control.params`; PolicyError for conditions that cannot be */
export function bgpRequest(params: unknown): BgpRequest {
  const request = checkedParams(params, schema) as BgpRequest
  const { match } = request
  try {
    if (match !== undefined) compilePolicy({ terms: [{ match, verdict: 'accept' }] })
  } catch (cause) {
    if (!(cause instanceof PolicyError)) throw cause
    // nobody has asked for a policy
    const { code, subject, message } = cause
    throw new PolicyError(code, subject.replace('terms[0].', ''), message.slice(subject.length + 2, -` (${code})`.length), { cause })
  }
  return request
}
