import type { EndpointRequest } from '@heddle/core'
import { checkedParams } from '../control/params.js'
import type { EndpointSection } from '../config/document.js'
import { resolveEndpoint } from '../config/resolve.js'
import { endpointSchema } from '../schema/config-schema.js'
import { closed, type JsonSchema } from '../schema/json-schema.js'

const { netns, ifname } = endpointSchema.properties as Readonly<Record<string, JsonSchema>>
const deviceSchema = closed({ netns, ifname })

/** Parameters of `endpoint.add`. @throws ControlError `control.params` */
export function endpointRequest(params: unknown): EndpointRequest {
  return resolveEndpoint(checkedParams(params, endpointSchema) as EndpointSection)
}

/** Parameters of `endpoint.del`. @throws ControlError `control.params` */
export function endpointName(params: unknown): Pick<EndpointRequest, 'netns' | 'ifname'> {
  return checkedParams(params, deviceSchema) as Pick<EndpointRequest, 'netns' | 'ifname'>
}
