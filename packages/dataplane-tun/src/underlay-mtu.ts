import { LinuxError, Netlink } from '@heddle/linux'
import { DataplaneError } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'

/** Where an underlay is. */
export interface UnderlayMtuOptions {
  /** A tunnel's remote end: the answer is the path MTU as the kernel knows it. Left out: the MTU of the link that has the local address. */
  readonly remote?: IpAddress
  /** Path of the network namespace of the underlay; the process's own when left out. */
  readonly netns?: string
}

/**
 * Largest IP packet that leaves `local` whole, octets: the input of `endpointMtu` of `@heddle/core`.
 *
 * @throws DataplaneError `dataplane.device` when no link has the address, no route leads to `remote`, or the namespace is not there
 */
export async function underlayMtu(local: IpAddress, options: UnderlayMtuOptions = {}): Promise<number> {
  try {
    using netlink = await Netlink.open(options.netns)
    return await lookUp(netlink, local, options.remote)
  } catch (cause) {
    if (!(cause instanceof LinuxError)) throw cause
    throw new DataplaneError('dataplane.device', `the MTU of the underlay at ${local} cannot be had: ${cause.message}`, { cause })
  }
}

/** As `underlayMtu`, over a netlink socket that is open. @throws LinuxError, or DataplaneError when no link has the address */
export async function lookUp(netlink: Netlink, local: IpAddress, remote?: IpAddress): Promise<number> {
  if (remote !== undefined) return (await netlink.routes.lookup(remote.toString(), { source: local.toString() })).mtu
  const wanted = local.toString()
  for (const { index, address } of await netlink.addresses.list()) {
    if (address.split('/', 1)[0] === wanted) return (await netlink.links.get(index)).mtu
  }
  throw new DataplaneError('dataplane.device', `no link has the address ${local}`)
}
