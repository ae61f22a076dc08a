import { DataplaneError, type DeviceRequest } from '@heddle/core'
import { LinuxError, Netlink, NetworkNamespace, type Link } from '@heddle/linux'
import type { IpAddress } from '@heddle/wire'
import { IpPrefix } from '@heddle/wire'
import { callAsync } from '../native/call.js'
import { checkRequest, routesOf } from './device-request.js'

/** Both ends of an endpoint's device. */
export interface VethPair {
  /** The end in the router's namespace, where the program is. */
  readonly host: Link
  /** The end in the endpoint's namespace. */
  readonly peer: Link
}

/**
 * Makes the veth pair that is asked for, or takes the one that is there, and configures the endpoint's end.
 *
 * @param netlink of the router's namespace @param hostName of the end there
 * @throws DataplaneError `dataplane.device`, `dataplane.netns-missing`, `dataplane.permission`
 */
export async function openVeth(netlink: Netlink, hostName: string, request: DeviceRequest): Promise<VethPair> {
  checkRequest(request)
  return translated(request, async () => {
    using inside = await Netlink.open(request.netns)
    const found = await existing(netlink, hostName, inside, request)
    if (found !== undefined) return await configure(netlink, inside, found, request)
    const { ifname, netns, mtu } = request
    const made = await netlink.links.createVeth({
      name: hostName,
      peer: ifname,
      mtu,
      ...(netns === undefined ? {} : { peerNamespace: netns }),
    })
    try {
      return await configure(netlink, inside, { host: made, peer: await inside.links.get(ifname) }, request)
    } catch (error) {
      await netlink.links.delete(made.index).catch(() => undefined)
      throw error
    }
  })
}

/**
 * The pair that a dataplane before this one has left; what is left of another pair under the router's name is taken away.
 */
async function existing(netlink: Netlink, hostName: string, inside: Netlink, { ifname }: DeviceRequest): Promise<VethPair | undefined> {
  const host = await find(netlink, hostName)
  if (host === undefined) return undefined
  const peer = await find(inside, ifname)
  if (host.kind === 'veth' && peer?.kind === 'veth' && host.peer === peer.index && peer.peer === host.index) return { host, peer }
  await netlink.links.delete(host.index)
  return undefined
}

async function find(netlink: Netlink, name: string): Promise<Link | undefined> {
  try {
    return await netlink.links.get(name)
  } catch (error) {
    if (error instanceof LinuxError && error.code === 'ENODEV') return undefined
    throw error
  }
}

/** Brings a pair to what a request says: MTU, exactly these addresses, up, and the routes. */
async function configure(netlink: Netlink, inside: Netlink, { host, peer }: VethPair, request: DeviceRequest): Promise<VethPair> {
  const { mtu, netns, ifname } = request
  const wanted = new Set(request.addresses.map(hostText))
  await callAsync((native) => native.deviceMakeEndpoint(netns, ifname))
  await inside.links.change(peer.index, { mtu, linkLocal: false })
  await netlink.links.change(host.index, { mtu, linkLocal: false, up: true })
  for (const { address, prefixLength } of await inside.addresses.list(peer.index)) {
    const prefix = `${address}/${prefixLength}`
    if (!wanted.has(prefix) && !IpPrefix.parse(address).address.isLinkLocal) await inside.addresses.delete(peer.index, prefix)
  }
  for (const address of wanted) await inside.addresses.add(peer.index, address, { noDad: true, replace: true })
  const up = await inside.links.change(peer.index, { up: true })
  for (const route of routesOf(request)) await inside.routes.replace(route.toString(), { link: peer.index })
  return { host, peer: up }
}

function hostText(address: IpAddress): string {
  return `${address}/${address.bits}`
}

async function translated<T>(request: DeviceRequest, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const where = request.netns === undefined ? '' : ` in ${request.netns}`
    if (!(cause instanceof LinuxError)) throw cause
    const code =
      cause.code === 'EPERM' || cause.code === 'EACCES'
        ? 'dataplane.permission'
        : namespaceOf(request) === 0
          ? 'dataplane.netns-missing'
          : 'dataplane.device'
    throw new DataplaneError(code, `the device ${request.ifname}${where} cannot be had: ${cause.message}`, { cause })
  }
}

/** Number of the namespace that a request names; 0 when there is none. */
export function namespaceOf({ netns }: DeviceRequest): number {
  try {
    return NetworkNamespace.identity(netns)
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return 0
  }
}
