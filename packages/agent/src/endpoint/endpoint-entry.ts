import { isSameRateLimit, type EndpointRequest, type EndpointView } from '@heddle/core'
import type { MacAddress } from '@heddle/wire'
import { Serial } from '../serial.js'

/** Who wants an endpoint: the configuration, a call of the service, or an agent before this one. */
export type EndpointOrigin = 'configured' | 'requested' | 'adopted'

/** An endpoint with what became of it. */
export class EndpointEntry {
  /** Work on this endpoint, one after the other. */
  readonly serial = new Serial()
  state: EndpointView['state'] = 'pending'
  error: string | undefined
  mtu: number
  /** Of the device that was made last. */
  mac: MacAddress | undefined
  /** Absent while the model could not take the endpoint. */
  label: number | undefined
  port: number | undefined
  removed = false

  constructor(
    readonly request: EndpointRequest,
    public origin: EndpointOrigin,
    mtu: number,
  ) {
    this.mtu = mtu
  }

  get name(): string {
    return endpointName(this.request)
  }

  view(): EndpointView {
    const { request, label = 0, mtu, mac, state, error } = this
    return {
      ...request,
      label,
      mtu,
      state,
      ...(mac === undefined ? {} : { mac }),
      ...(error === undefined ? {} : { error }),
    }
  }
}

export function endpointName({ netns, ifname }: Pick<EndpointRequest, 'netns' | 'ifname'>): string {
  return `${netns} ${ifname}`
}

/** Whether two requests ask for the same; the order of addresses, routes and gateways does not matter. */
export function sameRequest(a: EndpointRequest, b: EndpointRequest): boolean {
  const sorted = (values: readonly unknown[] | undefined): string => values?.map(String).toSorted().join(' ') ?? 'everything'
  const text = ({ vrf, addresses, routes, link = 'ip', gateways = [] }: EndpointRequest): string =>
    [vrf, link, sorted(addresses), sorted(routes), sorted(gateways)].join(', ')
  const hasSameLimits = (['egress', 'ingress'] as const).every((direction) =>
    isSameRateLimit(a.rateLimits?.[direction], b.rateLimits?.[direction]),
  )
  return endpointName(a) === endpointName(b) && text(a) === text(b) && hasSameLimits
}
