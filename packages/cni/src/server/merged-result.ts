import { IpAddress } from '@heddle/wire'
import { isEmptyDns } from '../protocol/dns.js'
import { EMPTY_RESULT, prefixOf, type CniInterface, type CniResult, type CniRoute } from '../protocol/result.js'
import type { AddressGrant } from './address-source.js'
import type { AddRequest } from './lifecycle.js'
import type { CniNetwork } from './network.js'

const EVERYTHING = { 4: '0.0.0.0/0', 6: '::/0' } as const

/**
 * The result of ADD: our interface and addresses, behind those of the plugins before us in a chain.
 *
 * An endpoint's routes lead to its device, without a gateway: what address management proposes, and a default route for a family of which it proposes
 * nothing.
 */
export function mergedResult(
  { ifname, netns, config }: AddRequest,
  network: CniNetwork,
  grant: AddressGrant,
  facts: Pick<CniInterface, 'mac' | 'mtu'>,
): CniResult {
  const before = config.prevResult ?? EMPTY_RESULT
  const routes: CniRoute[] = destinationsOf(grant)
    .map((dst) => ({ dst }))
    .filter(({ dst }) => !before.routes.some((route) => route.dst === dst))
  const dns = [before.dns, grant.dns, config.dns, network.dns ?? {}].find((one) => !isEmptyDns(one)) ?? {}
  return {
    interfaces: [...before.interfaces, { name: ifname, ...facts, sandbox: netns }],
    ips: [...before.ips, ...grant.ips.map((ip) => ({ ...ip, interface: before.interfaces.length }))],
    routes: [...before.routes, ...routes],
    dns,
  }
}

/**
 * Where the virtual router answers a container on Ethernet: the first gateway of each family that address management names and that can be one. A device of
 * IP packets has no gateway: what is named may be another endpoint, which answers for itself.
 */
export function gatewaysOf({ addresses, ips }: Pick<AddressGrant, 'addresses' | 'ips'>): { readonly gateways?: readonly string[] } {
  const named = ips.flatMap(({ gateway }) => (gateway === undefined ? [] : [IpAddress.parse(gateway)]))
  const usable = named.filter(
    (gateway) => !(gateway.isUnspecified || gateway.isLoopback || gateway.isMulticast) && !addresses.some((own) => own.equals(gateway)),
  )
  const gateways = ([4, 6] as const).flatMap((family) => usable.find((gateway) => gateway.family === family) ?? [])
  return gateways.length === 0 ? {} : { gateways: gateways.map(String) }
}

/** What a container sends to its device. */
export function destinationsOf({ addresses, routes }: Pick<AddressGrant, 'addresses' | 'routes'>): readonly string[] {
  const families = new Set(addresses.map(({ family }) => family))
  return Array.from(families).flatMap((family) => {
    const proposed = routes.map(({ dst }) => prefixOf(dst)).filter((prefix) => prefix.family === family)
    return proposed.length === 0 ? [EVERYTHING[family]] : [...new Set(proposed.map(String))]
  })
}
