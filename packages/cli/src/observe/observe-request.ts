import { checkedParams } from '../control/params.js'
import { closed, type JsonSchema } from '../schema/json-schema.js'
import { address, boolean, integer, name, oneOf } from '../schema/value-schemas.js'

/** Which live packets `heddle trace` tells of; each condition that is there must hold. */
export interface TraceRequest {
  readonly vrf?: string
  /** Each is an address of one of its ends; a prefix will do. */
  readonly hosts?: readonly string[]
  /** IP protocol number. */
  readonly protocol?: number
  /** Of either end. */
  readonly port?: number
  /** Only those that are dropped. */
  readonly dropped?: boolean
}

/** Whose packets `heddle capture` copies. */
export interface EndpointCaptureRequest {
  /** One of its addresses. */
  readonly address: string
  /** Its VRF; not needed where only one endpoint has the address. */
  readonly vrf?: string
  readonly direction?: 'ingress' | 'egress' | 'both'
  /** Octets of a packet that are copied at most. */
  readonly snapLength?: number
}

const hosts: JsonSchema = {
  type: 'array',
  items: {
    anyOf: [
      { type: 'string', format: 'ip-address' },
      { type: 'string', format: 'ip-prefix' },
    ],
  },
  maxItems: 2,
  description: 'at most two addresses or prefixes',
}

const traceSchema = closed(
  {
    vrf: name,
    hosts,
    protocol: integer(0, 255, { description: 'an IP protocol number' }),
    port: integer(0, 65_535, { description: '0–65535' }),
    dropped: boolean(false),
  },
  [],
)

const captureSchema = closed(
  { address, vrf: name, direction: oneOf('ingress', 'egress', 'both'), snapLength: integer(1, 65_535, { description: '1–65535' }) },
  ['address'],
)

/** Parameters of `trace`. @throws ControlError `control.params` */
export function traceRequest(params: unknown): TraceRequest {
  return checkedParams(params, traceSchema) as TraceRequest
}

/** Parameters of `capture`. @throws ControlError `control.params` */
export function captureRequest(params: unknown): EndpointCaptureRequest {
  return checkedParams(params, captureSchema) as EndpointCaptureRequest
}
