import { DataplaneError, type DeviceFacts, type DeviceRequest } from '@heddle/core'
import {
  LinuxError,
  NativeUnavailableError,
  Netlink,
  NetworkNamespace,
  TunDevice,
  type Link,
  type LinkSetup,
  type TunOptions,
} from '@heddle/linux'
import { ETHERNET_HEADER_SIZE, IpPrefix, MacAddress } from '@heddle/wire'

/** What IPv6 needs of a link (RFC 8200 §5). */
const LEAST_IPV6_MTU = 1280

const EVERYTHING = { 4: IpPrefix.parse('0.0.0.0/0'), 6: IpPrefix.parse('::/0') } as const

/** Where a device is: the path of its namespace, and its name there. */
export function placeOf({ netns = '', ifname }: Pick<DeviceRequest, 'netns' | 'ifname'>): string {
  return `${netns}\0${ifname}`
}

/**
 * Makes the TUN device that is asked for, or takes the one that is there, and sets it up. A device outlives its forwarder, so that the next one finds
 * the interface as it was.
 *
 * @param ethernet a TAP device instead, which carries Ethernet frames
 * @throws DataplaneError `dataplane.device`, `dataplane.netns-missing`, `dataplane.permission`
 */
export async function openDevice(request: DeviceRequest, ethernet: boolean): Promise<{ device: TunDevice; facts: DeviceFacts }> {
  check(request, ethernet)
  const { ifname, netns, mtu } = request
  const place = { name: ifname, ...(netns === undefined ? {} : { namespace: netns }) }
  return translated(request, async () => {
    const device = await openEither({ ...place, ethernet, mode: 'either', offload: true, persist: !ethernet, ...setupOf(request) })
    if (!ethernet) return { device, facts: { ifindex: device.index, mtu } }
    try {
      using netlink = await Netlink.open(netns)
      const facts = factsOf(await netlink.links.get(device.index))
      // Until here a device that was made ends with its descriptor, and one that was there stays.
      device.setPersist(true)
      return { device, facts }
    } catch (error) {
      await device.release()
      throw error
    }
  })
}

/** Opens a device; one of the other kind, which a forwarder before this one has left, is none. */
async function openEither(options: TunOptions): Promise<TunDevice> {
  try {
    return await TunDevice.open(options)
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'EINVAL') throw error
    using netlink = await Netlink.open(options.namespace)
    const found = (await netlink.links.list()).find(({ name }) => name === options.name)
    if (found?.kind !== 'tun' || (found.mac !== undefined) === options.ethernet) throw error
    await netlink.links.delete(found.index)
    return TunDevice.open(options)
  }
}

function factsOf({ index, mtu, mac }: Link): DeviceFacts {
  return { ifindex: index, mtu, ...(mac !== undefined && { mac: MacAddress.parse(mac) }) }
}

/**
 * Brings a device to what a request says.
 *
 * @throws DataplaneError as `openDevice`
 */
export async function configureDevice(index: number, request: DeviceRequest, ethernet: boolean): Promise<DeviceFacts> {
  check(request, ethernet)
  return translated(request, async () => {
    using netlink = await Netlink.open(request.netns)
    return factsOf(await netlink.links.setUp(index, setupOf(request)))
  })
}

/** MTU, exactly these addresses, up, and the routes. */
function setupOf(request: DeviceRequest): LinkSetup {
  const { mtu, addresses } = request
  return {
    mtu,
    linkLocal: false,
    addresses: addresses.map((address) => `${address}/${address.bits}`),
    onlyThese: true,
    routes: routesOf(request).map(String),
    up: true,
  }
}

/** Routes that the endpoint's namespace shall have. */
export function routesOf({ routes, addresses }: DeviceRequest): readonly IpPrefix[] {
  return routes ?? Array.from(new Set(addresses.map(({ family }) => family)), (family) => EVERYTHING[family])
}

function check({ ifname, mtu, addresses, routes = [] }: DeviceRequest, ethernet: boolean): void {
  const refuse = (found: string, allowed: string): never => {
    throw new DataplaneError('dataplane.device', `${found} is not ${allowed}`)
  }
  if (!/^[^\s/:]{1,15}$/u.test(ifname) || ifname === '.' || ifname === '..' || ifname.includes('%')) {
    refuse(JSON.stringify(ifname), 'a device name of 1–15 characters without blank, slash, colon or percent sign')
  }
  const needsIpv6 = [...addresses, ...routes].some(({ family }) => family === 6)
  const least = needsIpv6 ? LEAST_IPV6_MTU : 68
  const most = ethernet ? 65_535 - ETHERNET_HEADER_SIZE : 65_535
  if (!Number.isInteger(mtu) || mtu < least || mtu > most) refuse(`${mtu}`, `an MTU of ${least}–${most} octets`)
}

async function translated<T>(request: DeviceRequest, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    const where = request.netns === undefined ? '' : ` in ${request.netns}`
    if (cause instanceof LinuxError) {
      const code =
        cause.code === 'EPERM' || cause.code === 'EACCES'
          ? 'dataplane.permission'
          : namespaceIsMissing(request)
            ? 'dataplane.netns-missing'
            : 'dataplane.device'
      throw new DataplaneError(code, `the device ${request.ifname}${where} cannot be had: ${cause.message}`, { cause })
    }
    if (cause instanceof NativeUnavailableError) throw new DataplaneError('dataplane.device', cause.message, { cause })
    throw cause
  }
}

function namespaceIsMissing({ netns }: DeviceRequest): boolean {
  try {
    NetworkNamespace.identity(netns)
    return false
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return error.code === 'ENOENT'
  }
}
