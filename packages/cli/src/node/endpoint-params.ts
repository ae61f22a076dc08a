import type { EndpointRequest } from '@heddle/core'
import { ControlError } from '../control/protocol.js'
import type { EndpointSection } from '../config/document.js'
import { resolveEndpoint } from '../config/resolve.js'
import { validatorOf } from '../config/validate.js'
import { endpointSchema } from '../schema/config-schema.js'
import { closed, type JsonSchema } from '../schema/json-schema.js'

const { netns, ifname } = endpointSchema.properties as Readonly<Record<string, JsonSchema>>
const deviceSchema = closed({ netns, ifname })

/** Parameters of `endpoint.add`. @throws ControlError `control.params` */
export function endpointRequest(params: unknown): EndpointRequest {
  return resolveEndpoint(checked(params, endpointSchema) as EndpointSection)
}

/** Parameters of `endpoint.del`. @throws ControlError `control.params` */
export function endpointName(params: unknown): Pick<EndpointRequest, 'netns' | 'ifname'> {
  return checked(params, deviceSchema) as Pick<EndpointRequest, 'netns' | 'ifname'>
}

/** `params`, which has the shape of `schema` when this returns. */
function checked(params: unknown, schema: JsonSchema): unknown {
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
