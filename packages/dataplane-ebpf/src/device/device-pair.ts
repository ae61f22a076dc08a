import { DataplaneError, type DeviceRequest } from '@heddle/core'
import { LinuxError, Netlink, NetworkNamespace, type Link, type LinkSetup } from '@heddle/linux'
import { MacAddress } from '@heddle/wire'
import { randomBytes } from 'node:crypto'
import { callAsync } from '../native/call.js'
import { refusalOf } from '../privileges.js'
import { checkRequest, routesOf } from './device-request.js'
import { segmentSetup } from './segments.js'

/** What joins the ends of a pair: a cable, or one that programs have a place on (Linux 6.7). */
export type EbpfDeviceKind = 'veth' | 'netkit'

/** A device as it shall be. */
export interface EndpointDevice extends DeviceRequest {
  /** Whether the endpoint looks for its neighbours; else every frame goes to the program at the other end, whatever its address. */
  readonly resolves: boolean
  /** Of a device that is made; one that is there stays what it is. */
  readonly kind: EbpfDeviceKind
  /** Octets of the largest segment that goes over it in one piece. */
  readonly largestSegment: number
}

/** Both ends of an endpoint's device, of either kind. */
export interface DevicePair {
  /** The end in the router's namespace, where the program is. */
  readonly host: Link
  /** The end in the endpoint's namespace. */
  readonly peer: Link
}

/** The end of a pair that is in the endpoint's namespace. */
export interface PeerEnd {
  readonly request: DeviceRequest
  /** Number of the namespace. */
  readonly namespace: number
  readonly index: number
  /** Index of the end in the router's namespace. */
  readonly hostIndex: number
}

/**
 * Makes the pair that is asked for, or takes the one that is there, of whichever kind, and configures the endpoint's end. Where that fails, a pair goes that was
 * made here, and one that was there stays. A new pair is down: what an endpoint sends by a veth without a program is the host's, so `raisePair` comes behind that.
 *
 * @param netlink of the router's namespace @param hostNames of the end there: what it is called, and what one that is there may be called too
 * @param known index of the end there that the port has had until now, whatever it is called
 * @throws DataplaneError `dataplane.device`, `dataplane.netns-missing`, `dataplane.permission`
 */
export async function openPair(
  netlink: Netlink,
  hostNames: readonly [name: string, former: string],
  request: EndpointDevice,
  known?: number,
): Promise<DevicePair> {
  checkRequest(request)
  const [hostName] = hostNames
  return translated(request, async () => {
    const made = await make(netlink, hostName, request)
    const adopted = made === undefined ? await adopt(netlink, hostNames, request, known) : undefined
    const pair = made ?? adopted ?? (await make(netlink, hostName, request))
    if (pair === undefined)
      throw new DataplaneError('dataplane.device', `there is a device ${request.ifname} that is no end of this router`)
    try {
      await callAsync((native) => native.deviceMakeEndpoint(request.netns, request.ifname))
      return pair
    } catch (error) {
      // One that was there has an endpoint that may go on by it.
      if (pair !== adopted) await netlink.links.delete(pair.host.index).catch(() => undefined)
      throw error
    }
  })
}

/**
 * Sets both ends of a pair up whose program is there. The endpoint's end last: on a link that finds the other end up, addresses of IPv6 are usable at once.
 *
 * @param netlink of the router's namespace @throws DataplaneError as `openPair`
 */
export async function raisePair(netlink: Netlink, { host, peer }: DevicePair, request: DeviceRequest): Promise<void> {
  await translated(request, async () => {
    const { netns } = request
    const peerRoutes = routesOf(request).map(String)
    await netlink.links.raiseVeth(host.index, peer.index, { ...(netns === undefined ? {} : { peerNamespace: netns }), peerRoutes })
  })
}

/** Refuses what no device can be, and where none can be, before anything is done. Returns the number of the namespace. @throws DataplaneError as `openPair` */
export async function checkPlace(request: DeviceRequest): Promise<number> {
  checkRequest(request)
  return translated(request, async () => NetworkNamespace.identity(request.netns))
}

/** Has the endpoint look for its neighbours, or not any more. @throws DataplaneError as `openPair` */
export async function setResolving(peer: PeerEnd, resolves: boolean): Promise<void> {
  await translated(peer.request, async () => {
    using inside = await openInside(peer)
    await inside.links.setUp(peer.index, { resolves })
  })
}

/** Has both ends of a device let segments of that many octets pass in one piece, and its endpoint cut by itself what the router cannot have cut. @param netlink of the router's namespace @throws DataplaneError as `openPair` */
export async function setSegments(netlink: Netlink, peer: PeerEnd, largest: number): Promise<void> {
  await translated(peer.request, async () => {
    using inside = await openInside(peer)
    // The endpoint may call it something else by now.
    const { name } = await inside.links.setUp(peer.index, segmentSetup(largest))
    await netlink.links.setUp(peer.hostIndex, segmentSetup(largest))
    await callAsync((native) => native.deviceMakeEndpoint(peer.request.netns, name))
  })
}

/**
 * Where a path leads to another namespace than it did, the same index is the device of somebody else. Its number alone does not show that: of a device that was
 * taken over it is known of where the path led since then only.
 */
async function openInside(peer: PeerEnd): Promise<Netlink> {
  const { request, namespace, index, hostIndex } = peer
  const elsewhere = (): DataplaneError =>
    new DataplaneError('dataplane.netns-missing', `${request.netns} is no longer the namespace of the device ${request.ifname}`)
  const now = namespaceOf(request)
  if (now !== 0 && now !== namespace) throw elsewhere()
  const inside = await Netlink.open(request.netns)
  try {
    if (isEndOf(await inside.links.get(index), hostIndex)) return inside
    throw elsewhere()
  } catch (error) {
    inside.close()
    throw error
  }
}

/** Whether a link is the other end of the router's of that index. By that, as the MAC address is the endpoint's to change. */
export function isEndOf({ kind, peer }: Link, hostIndex: number): boolean {
  return (kind === 'veth' || kind === 'netkit') && peer === hostIndex
}

/** A new pair; `undefined` when one of the names is taken. */
async function make(netlink: Netlink, hostName: string, request: EndpointDevice): Promise<DevicePair | undefined> {
  const { ifname, netns, mtu, addresses, kind } = request
  try {
    const { end, peer } = await netlink.links.createVeth({
      kind,
      name: hostName,
      peer: ifname,
      ...(netns === undefined ? {} : { peerNamespace: netns }),
      mtu,
      mac: String(randomMac()),
      peerMac: String(addresses.length === 0 ? randomMac() : MacAddress.ofEndpoint(addresses[0])),
      setup: hostSetup(request),
      peerSetup: peerSetup(request),
    })
    return { host: end, peer }
  } catch (error) {
    if (error instanceof LinuxError && error.code === 'EEXIST') return undefined
    throw error
  }
}

/** Locally administered, as the kernel would choose it: but what the kernel has chosen, udev changes a moment later (`MACAddressPolicy`, systemd.link(5)). */
function randomMac(): MacAddress {
  const octets = randomBytes(6)
  octets[0] = (octets[0] & 0xfc) | 0x02
  return MacAddress.fromBytes(octets)
}

/** The pair that a dataplane before this one has left. What is left of another pair under the router's name is taken away, but for its former name, which may be another uplink's. */
async function adopt(
  netlink: Netlink,
  hostNames: readonly [name: string, former: string],
  request: EndpointDevice,
  known: number | undefined,
): Promise<DevicePair | undefined> {
  const [host, former] = [await findLink(netlink, hostNames[0]), await findLink(netlink, hostNames[1])]
  const before = known === undefined ? undefined : await findLink(netlink, known)
  if (host === undefined && former === undefined && before === undefined) return undefined
  using inside = await Netlink.open(request.netns)
  const peer = await findLink(inside, request.ifname)
  const end = [host, former, before].find((one) => one !== undefined && peer !== undefined && isPair(one, peer))
  if (end !== undefined && peer !== undefined) {
    return {
      host: await netlink.links.setUp(end.index, hostSetup(request)),
      peer: await inside.links.setUp(peer.index, peerSetup(request)),
    }
  }
  if (host !== undefined) await netlink.links.delete(host.index)
  return undefined
}

function isPair(host: Link, peer: Link): boolean {
  return isEndOf(peer, host.index) && isEndOf(host, peer.index) && peer.kind === host.kind
}

/** Undefined when there is none. */
export async function findLink(netlink: Netlink, name: string | number): Promise<Link | undefined> {
  try {
    return await netlink.links.get(name)
  } catch (error) {
    if (error instanceof LinuxError && error.code === 'ENODEV') return undefined
    throw error
  }
}

function hostSetup({ mtu, largestSegment }: EndpointDevice): LinkSetup {
  return { mtu, ...segmentSetup(largestSegment), linkLocal: false }
}

function peerSetup(request: EndpointDevice): LinkSetup {
  const { mtu, addresses, resolves, largestSegment } = request
  return {
    mtu,
    ...segmentSetup(largestSegment),
    linkLocal: false,
    resolves,
    addresses: addresses.map((address) => `${address}/${address.bits}`),
    onlyThese: true,
  }
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
    throw new DataplaneError(code, `the device ${request.ifname}${where} cannot be had: ${refusalOf(cause)}`, { cause })
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
