import { validatorOf } from '../config/validate.js'
import type { JsonSchema } from '../schema/json-schema.js'
import { ControlError } from './protocol.js'

/** `params`, which has the shape of `schema` when this returns. @throws ControlError `control.params` */
export function checkedParams(params: unknown, schema: JsonSchema): unknown {
  const validate = validatorOf(schema)
  if (validate(params)) return params
  const [error] = validate.errors ?? []
  const { description } = (error?.parentSchema ?? {}) as { description?: string }
  const place = error?.instancePath.slice(1).replaceAll('/', '.') ?? ''
  const found = JSON.stringify(error?.data)
  throw new ControlError(
    'control.params',
    `${place === '' ? 'parameters' : place}: found ${found}; allowed: ${description ?? error?.message ?? 'something else'}`,
  )
}
