import { IpAddress, IpPrefix } from '@heddle/wire'
import type { CniDns } from './dns.js'
import { isAtLeast, type CniVersion } from './version.js'

/*
 * The result of ADD, as 1.1.0 has it. What an older version lacks is left out when a result is written for it:
 *
 *   0.3.1, 0.4.0   ips[].version ("4", "6") is there
 *   1.0.0          it is not
 *   1.1.0          interfaces[].mtu, socketPath, pciID; routes[].mtu, advmss, priority, table, scope are there
 */

/** A device, of the container or of the host. */
export interface CniInterface {
  readonly name: string
  readonly mac?: string
  /** Octets. From 1.1.0. */
  readonly mtu?: number
  /** The container's namespace as the runtime gave it; absent for a device of the host. */
  readonly sandbox?: string
  /** Socket of a device in user space. From 1.1.0. */
  readonly socketPath?: string
  /** From 1.1.0. */
  readonly pciID?: string
}

/** An address of a container. */
export interface CniIp {
  /** Address and length of its prefix, host bits kept: `10.1.0.5/16`. */
  readonly address: string
  readonly gateway?: string
  /** Index into `interfaces`; absent in what address management returns. */
  readonly interface?: number
}

/** A route of a container. */
export interface CniRoute {
  /** A prefix. */
  readonly dst: string
  /** Next hop; the container's default gateway if left out. */
  readonly gw?: string
  /** These five from 1.1.0; `mtu` and `advmss` in octets. */
  readonly mtu?: number
  readonly advmss?: number
  readonly priority?: number
  readonly table?: number
  readonly scope?: number
}

/** What ADD made; what plugins before it in a chain made comes first. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[]
  readonly ips: readonly CniIp[]
  readonly routes: readonly CniRoute[]
  readonly dns: CniDns
}

export const EMPTY_RESULT: CniResult = { interfaces: [], ips: [], routes: [], dns: {} }

/**
 * The result with IPv4 addresses before those of IPv6: a container runtime takes the first of each as the pod's, and shows the first of all as primary.
 * The order within a family stays.
 */
export function ipv4First(result: CniResult): CniResult {
  const isV4 = ({ address }: CniIp): boolean => !address.includes(':')
  return { ...result, ips: [...result.ips.filter(isV4), ...result.ips.filter((ip) => !isV4(ip))] }
}

/** The JSON object of a result as a version writes it. */
export function formatResult(result: CniResult, version: CniVersion): Readonly<Record<string, unknown>> {
  const isNewest = isAtLeast(version, '1.1.0')
  const hasFamily = !isAtLeast(version, '1.0.0')
  return {
    cniVersion: version,
    interfaces: result.interfaces.map(({ name, mac, mtu, sandbox, socketPath, pciID }) =>
      present({ name, mac, sandbox, ...(isNewest ? { mtu, socketPath, pciID } : {}) }),
    ),
    ips: result.ips.map(({ address, gateway, interface: index }) =>
      present({ ...(hasFamily ? { version: familyOf(address) } : {}), interface: index, address, gateway }),
    ),
    routes: result.routes.map(({ dst, gw, mtu, advmss, priority, table, scope }) =>
      present({ dst, gw, ...(isNewest ? { mtu, advmss, priority, table, scope } : {}) }),
    ),
    dns: result.dns,
  }
}

function familyOf(address: string): '4' | '6' {
  return address.includes(':') ? '6' : '4'
}

function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>
}

/** The address of `10.1.0.5/16`, without its length. */
export function addressOf({ address }: Pick<CniIp, 'address'>): IpAddress {
  return IpAddress.parse(address.split('/', 1)[0])
}

/** The destination of a route, whatever bits of a host it was written with. */
export function prefixOf(dst: string): IpPrefix {
  const [address = '', length = ''] = dst.split('/')
  return IpPrefix.of(IpAddress.parse(address), Number(length))
}
