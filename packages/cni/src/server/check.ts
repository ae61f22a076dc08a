import { isSameRateLimit, type EndpointService, type RateLimit, type RateLimits } from '@heddle/core'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { CniRequest } from '../protocol/request.js'
import { addressOf, prefixOf, type CniInterface, type CniIp } from '../protocol/result.js'
import { attachmentKey, endpointOf, type Attachment } from './attachment.js'
import { askedRates } from './bandwidth.js'
import type { NamespaceInspector } from './inspector.js'
import { addressPairs } from './node-addresses.js'

/** The request with an endpoint's own addresses where the runtime was told of those that it has on the node. */
export function withOwnAddresses(request: CheckRequest, attachment: Attachment | undefined): CheckRequest {
  if (attachment?.reportsNodeAddresses !== true) return request
  const own = new Map(addressPairs(attachment).map(({ node, endpoint }) => [`${node}/${node.bits}`, `${endpoint}/${endpoint.bits}`]))
  const ips = request.prevResult.ips.map((ip) => ({ ...ip, address: own.get(ip.address) ?? ip.address }))
  return { ...request, prevResult: { ...request.prevResult, ips } }
}

export type CheckRequest = Extract<CniRequest, { readonly verb: 'CHECK' }>

/** Whether an attachment is what ADD made and said, as the records and the dataplane have it. @throws CniError 103 */
export function checkAttachment(request: CheckRequest, attachment: Attachment | undefined, endpoints: EndpointService): Attachment {
  const { netns, ifname, config } = request
  const key = attachmentKey(config.name, request)
  if (attachment === undefined || attachment.phase !== 'attached') throw differs(`${key} is not attached`)
  if (attachment.netns !== netns) throw differs(`${key} is attached in ${attachment.netns}, not in ${netns}`)
  const wanted = endpointOf(attachment)
  const found = endpoints.find({ netns, ifname })
  if (found === undefined) throw differs(`the endpoint ${ifname} of ${netns} is gone`)
  if (found.state !== 'attached') throw differs(`the endpoint ${ifname} of ${netns} is ${found.state}`, found.error ?? '')
  if (found.vrf !== wanted.vrf) throw differs(`the endpoint ${ifname} of ${netns} is in the VRF ${found.vrf}, not in ${wanted.vrf}`)
  const { link: has = 'ip' } = found
  const { link: asked = 'ip' } = wanted
  if (has !== asked) throw differs(`the endpoint ${ifname} of ${netns} has the link ${has}, not ${asked}`)
  checkRates(request, wanted.rateLimits, found.rateLimits)
  const told = ownIps(request).map((ip) => String(addressOf(ip)))
  for (const address of wanted.addresses.map(String)) {
    if (!found.addresses.some((one) => String(one) === address)) throw differs(`the endpoint ${ifname} of ${netns} has lost ${address}`)
    if (!told.includes(address)) throw differs(`prevResult does not have ${address}, which ADD gave to ${ifname}`)
  }
  if (ownInterface(request) === undefined) throw differs(`prevResult has no interface ${ifname} of ${netns}`)
  return attachment
}

function checkRates({ netns, ifname, config }: CheckRequest, wanted: RateLimits | undefined, found: RateLimits | undefined): void {
  const asked = askedRates(config)
  for (const direction of ['egress', 'ingress'] as const) {
    const limit = wanted?.[direction]
    if (!isSameRateLimit(found?.[direction], limit))
      throw differs(`the endpoint ${ifname} of ${netns} has the ${direction} limit ${rateText(found?.[direction])}, not ${rateText(limit)}`)
    if (asked !== undefined && !isSameRateLimit(asked[direction], limit))
      throw differs(
        `runtimeConfig.bandwidth asks for the ${direction} limit ${rateText(asked[direction])}, and ADD asked for ${rateText(limit)}`,
      )
  }
}

function rateText(limit: RateLimit | undefined): string {
  return limit === undefined ? 'none' : `${limit.bitsPerSecond} bit/s with bursts of ${limit.burstOctets} octets`
}

/** Whether the container has what `prevResult` says; what later plugins of a chain added is no fault. @throws CniError 103 */
export async function checkContainer(request: CheckRequest, { link }: Attachment, inspector: NamespaceInspector): Promise<void> {
  const { netns, ifname, prevResult } = request
  const seen = await inspector.look(netns, ifname)
  if (seen === undefined) throw differs(`there is no interface ${ifname} in ${netns}`)
  if (!seen.up) throw differs(`the interface ${ifname} in ${netns} is down`)
  checkMac(request, link, seen.mac)
  for (const ip of ownIps(request)) {
    const address = String(addressOf(ip))
    if (!seen.addresses.some((one) => one.split('/', 1)[0] === address))
      throw differs(`${ifname} in ${netns} has lost the address ${address}`)
  }
  if (prevResult.routes.length === 0) return
  const routes = await inspector.routes(netns)
  for (const { dst, gw, table } of prevResult.routes) {
    if (table !== undefined && table !== MAIN_TABLE) continue
    const isThere = routes.some((route) => samePrefix(route.dst, dst) && (gw === undefined || route.gateway === gw))
    if (!isThere) throw differs(`${netns} has lost the route to ${dst}${gw === undefined ? '' : ` by ${gw}`}`)
  }
}

/** A plugin that gives a device another address says so in its result; a device without Ethernet has none, whatever was told of it. */
function checkMac(request: CheckRequest, link: Attachment['link'], seen: string | undefined): void {
  const { netns, ifname } = request
  if (seen === undefined && link === 'ethernet') throw differs(`the interface ${ifname} in ${netns} carries no Ethernet`)
  const told = ownInterface(request)?.mac
  if (seen !== undefined && told !== undefined && seen.toLowerCase() !== told.toLowerCase())
    throw differs(`the interface ${ifname} in ${netns} has the MAC ${seen}, not ${told}`)
}

function ownInterface({ ifname, netns, prevResult }: CheckRequest): CniInterface | undefined {
  return prevResult.interfaces.find((one) => one.name === ifname && one.sandbox === netns)
}

const MAIN_TABLE = 254

/** Addresses of the interface that the request is about. */
function ownIps({ ifname, netns, prevResult }: CheckRequest): readonly CniIp[] {
  return prevResult.ips.filter(({ interface: index }) => {
    const owner = index === undefined ? undefined : prevResult.interfaces[index]
    return owner === undefined || (owner.name === ifname && owner.sandbox === netns)
  })
}

function samePrefix(a: string, b: string): boolean {
  return String(prefixOf(a)) === String(prefixOf(b))
}

function differs(message: string, details = ''): CniError {
  return new CniError(CNI_CODES.checkFailed, message, details)
}
