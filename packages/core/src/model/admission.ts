import { IpPrefix } from '@heddle/wire'
import type { DataplaneCapabilities } from '../dataplane/dataplane.js'
import { hasFeature } from '../dataplane/feature.js'
import { isRateLimited, rateLimitProblems } from '../dataplane/rate-limit.js'
import { EndpointError, type EndpointRequest } from '../endpoint-service.js'
import { checkVrfs, type EndpointIntent, type IntentProblem, type VrfIntent } from '../intent/intents.js'
import type { LabelSpace } from '../label/label-space.js'
import { endpointName, type EndpointPlace, type EndpointState } from './endpoint-state.js'
import type { VrfState } from './vrf-state.js'

/** What a model has, as far as it decides what more it can take. */
export interface Admitted {
  readonly capabilities: Pick<DataplaneCapabilities, 'encapsulations' | 'limits' | 'features'>
  readonly labels: LabelSpace
  readonly vrfs: ReadonlyMap<string, VrfState>
  readonly endpoints: ReadonlyMap<string, EndpointState>
  /** Whether a running dataplane has a label for the VRF that it can have again. */
  readonly hasLabel: (vrf: string) => boolean
}

/** What is wrong with a list of VRFs, for a model that has these, once some endpoints have left. */
export function vrfProblems(
  vrfs: readonly VrfIntent[],
  { capabilities: { encapsulations, limits }, labels, vrfs: before, endpoints: all, hasLabel }: Admitted,
  leaving: readonly EndpointPlace[] = [],
): readonly IntentProblem[] {
  const endpoints = new Map(all)
  for (const place of leaving) endpoints.delete(endpointName(place))
  const names = new Set(vrfs.map(({ name }) => name))
  const problems = [...checkVrfs(vrfs, encapsulations)]
  for (const { vrf, intent } of endpoints.values()) {
    if (names.has(vrf.name)) continue
    const message = `endpoint ${intent.ifname} of ${intent.netns} is attached to it`
    problems.push({ code: 'intent.vrf.in-use', subject: `vrf ${vrf.name}`, message })
  }
  const subject = `${vrfs.length} vrfs`
  if (vrfs.length > limits.vrfs) problems.push({ code: 'intent.vrf.limit', subject, message: `the dataplane takes ${limits.vrfs}` })
  const wanted = vrfs.length + endpoints.size
  if (wanted > limits.labels) problems.push({ code: 'intent.vrf.limit', subject, message: `the dataplane takes ${limits.labels} labels` })
  const vnis = vrfs.filter(({ vni }) => vni !== undefined).length
  if (vnis > limits.vnis) problems.push({ code: 'intent.vrf.limit', subject, message: `the dataplane takes ${limits.vnis} VNIs` })
  const fresh = [...names].filter((name) => !before.has(name) && !hasLabel(name))
  if (fresh.length > labels.available)
    problems.push({ code: 'intent.vrf.labels-exhausted', subject, message: `${labels.available} labels are left` })
  return problems
}

/** Names of VRFs that an error gives. */
const MOST_NAMED = 8

function others(vrfs: ReadonlyMap<string, unknown>): string {
  const names = [...vrfs.keys()]
  return names.length === 0 ? '' : `; there are: ${names.slice(0, MOST_NAMED).join(', ')}${names.length > MOST_NAMED ? ', …' : ''}`
}

/**
 * The VRF of an endpoint that can be added.
 *
 * @throws EndpointError `endpoint.vrf-unknown`, `endpoint.conflict`, `endpoint.address-in-use`, `endpoint.limit`, `endpoint.invalid`,
 * `endpoint.unsupported`
 */
export function admitEndpoint(intent: EndpointIntent, { capabilities, vrfs, endpoints }: Admitted): VrfState {
  const { limits } = capabilities
  const { vrf: vrfName, netns, ifname, addresses } = intent
  const vrf = vrfs.get(vrfName)
  if (vrf === undefined) throw new EndpointError('endpoint.vrf-unknown', `there is no vrf ${vrfName}${others(vrfs)}`)
  const invalid = addresses.length === 0 ? 'has no address' : problemOf(intent)
  if (invalid !== undefined) throw new EndpointError('endpoint.invalid', `endpoint ${ifname} of ${netns} ${invalid}`)
  const missing = unsupported(intent, capabilities)
  if (missing !== undefined) throw new EndpointError('endpoint.unsupported', `endpoint ${ifname} of ${netns}: ${missing}`)
  if (endpoints.has(endpointName(intent))) throw new EndpointError('endpoint.conflict', `${ifname} of ${netns} is attached already`)
  for (const address of addresses)
    if (vrf.addresses.has(String(IpPrefix.of(address))))
      throw new EndpointError('endpoint.address-in-use', `${address} is in use in vrf ${vrf.name}`)
  if (endpoints.size + 2 > limits.ports)
    throw new EndpointError('endpoint.limit', `the dataplane takes ${limits.ports} ports, one of them to the underlay`)
  if (vrfs.size + endpoints.size + 1 > limits.labels)
    throw new EndpointError('endpoint.limit', `the dataplane takes ${limits.labels} labels`)
  return vrf
}

/** What is wrong with endpoints for a dataplane, whichever VRFs there are; empty when nothing is. */
export function checkEndpoints(
  endpoints: readonly EndpointRequest[],
  capabilities: Pick<DataplaneCapabilities, 'features'>,
): readonly IntentProblem[] {
  return endpoints.flatMap((endpoint) => {
    const message = unsupported(endpoint, capabilities)
    return message === undefined
      ? []
      : [{ code: 'intent.unsupported', subject: `endpoint ${endpoint.ifname} of ${endpoint.netns}`, message }]
  })
}

function unsupported({ link, rateLimits }: EndpointRequest, capabilities: Pick<DataplaneCapabilities, 'features'>): string | undefined {
  if (link === 'ethernet' && !hasFeature(capabilities, 'ethernet'))
    return 'link "ethernet" needs a dataplane with the feature ethernet, which this one does not offer; link "ip" needs none'
  if (isRateLimited(rateLimits) && !hasFeature(capabilities, 'rate-limit'))
    return 'rate limits need a dataplane with the feature rate-limit, which this one does not offer'
  return undefined
}

/** What no dataplane could forward for, if anything. */
function problemOf({ addresses, mtu, gateways = [], rateLimits = {} }: EndpointIntent): string | undefined {
  if (!Number.isInteger(mtu) || mtu < 68 || mtu > 65_535) return `has an MTU of ${mtu}, which is not within 68–65535`
  const [limit] = rateLimitProblems(rateLimits)
  if (limit !== undefined) return `has a rate limit that is none: ${limit}`
  const unusable = addresses.find((address) => address.isUnspecified || address.isLoopback || address.isMulticast || address.isLinkLocal)
  if (unusable !== undefined) return `cannot have the address ${unusable}`
  const strange = gateways.find(
    (gateway, index) =>
      gateway.isUnspecified ||
      gateway.isLoopback ||
      gateway.isMulticast ||
      addresses.some((own) => own.equals(gateway)) ||
      gateways.findIndex(({ family }) => family === gateway.family) < index,
  )
  return strange === undefined ? undefined : `cannot have the gateway ${strange}: one a family, which is no address of its own`
}
