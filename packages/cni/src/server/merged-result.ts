import { isEmptyDns } from '../protocol/dns.js'
import { EMPTY_RESULT, type CniInterface, type CniResult, type CniRoute } from '../protocol/result.js'
import type { AddressGrant } from './address-source.js'
import type { AddRequest } from './lifecycle.js'
import type { CniNetwork } from './network.js'

const EVERYTHING = { 4: '0.0.0.0/0', 6: '::/0' } as const

/**
 * The result of ADD: our interface and addresses, behind those of the plugins before us in a chain.
 *
 * An endpoint reaches everything through its device, so the routes are one default route a family; of the routes that address management proposes
 * none is made beside them, and none is claimed.
 */
export function mergedResult(
  { ifname, netns, config }: AddRequest,
  network: CniNetwork,
  grant: AddressGrant,
  facts: Pick<CniInterface, 'mac' | 'mtu'>,
): CniResult {
  const before = config.prevResult ?? EMPTY_RESULT
  const families = new Set(grant.addresses.map(({ family }) => family))
  const routes: CniRoute[] = Array.from(families, (family) => ({ dst: EVERYTHING[family] })).filter(
    ({ dst }) => !before.routes.some((route) => route.dst === dst),
  )
  const dns = [before.dns, grant.dns, config.dns, network.dns ?? {}].find((one) => !isEmptyDns(one)) ?? {}
  return {
    interfaces: [...before.interfaces, { name: ifname, ...facts, sandbox: netns }],
    ips: [...before.ips, ...grant.ips.map((ip) => ({ ...ip, interface: before.interfaces.length }))],
    routes: [...before.routes, ...routes],
    dns,
  }
}
