import { complaints } from '../schema/complaints.js'
import type { JsonSchema } from '../schema/json-schema.js'
import { violations } from '../schema/violations.js'
import { ControlError } from './protocol.js'

/** `params`, which has the shape of `schema` when this returns. @throws ControlError `control.params` */
export function checkedParams(params: unknown, schema: JsonSchema): unknown {
  const [first] = violations(params, schema).flatMap(complaints)
  if (first === undefined) return params
  const { path, found, allowed } = first
  throw new ControlError('control.params', `${path.join('.') || 'parameters'}: found ${found}; allowed: ${allowed}`)
}
