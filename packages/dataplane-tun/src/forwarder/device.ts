import { DataplaneError, type DeviceFacts, type DeviceRequest } from '@heddle/core'
import { LinuxError, NativeUnavailableError, Netlink, NetworkNamespace, TunDevice } from '@heddle/linux'
import { IpPrefix, type IpAddress } from '@heddle/wire'

/** What IPv6 needs of a link (RFC 8200 §5). */
const LEAST_IPV6_MTU = 1280

const EVERYTHING = { 4: IpPrefix.parse('0.0.0.0/0'), 6: IpPrefix.parse('::/0') } as const

/** Whether two requests ask for the same device in the same place. */
export function samePlace(a: DeviceRequest, b: DeviceRequest): boolean {
  return a.netns === b.netns && a.ifname === b.ifname
}

/**
 * Makes the TUN device that is asked for, or takes the one that is there, and configures it.
 *
 * @throws DataplaneError `dataplane.device`, `dataplane.netns-missing`, `dataplane.permission`
 */
export async function openDevice(request: DeviceRequest): Promise<{ device: TunDevice; facts: DeviceFacts }> {
  check(request)
  return translated(request, async () => {
    const { device, created } = await createOrAdopt(request)
    try {
      return { device, facts: await configure(device.index, request) }
    } catch (error) {
      if (created) device.setPersist(false)
      device.close()
      throw error
    }
  })
}

/** A device outlives its forwarder, so that the next one finds the interface as it was. */
async function createOrAdopt({ ifname, netns }: DeviceRequest): Promise<{ device: TunDevice; created: boolean }> {
  const options = { name: ifname, ...(netns === undefined ? {} : { namespace: netns }), offload: true, persist: true, up: false }
  try {
    return { device: await TunDevice.open({ ...options, mode: 'create' }), created: true }
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'EEXIST') throw error
    return { device: await TunDevice.open({ ...options, mode: 'attach', linkLocal: false }), created: false }
  }
}

/**
 * Brings a device to what a request says: MTU, exactly these addresses, up, and its routes.
 *
 * @throws DataplaneError as `openDevice`
 */
export async function configureDevice(index: number, request: DeviceRequest): Promise<DeviceFacts> {
  check(request)
  return translated(request, () => configure(index, request))
}

async function configure(index: number, request: DeviceRequest): Promise<DeviceFacts> {
  using netlink = await Netlink.open(request.netns)
  const wanted = new Set(request.addresses.map(hostText))
  await netlink.links.change(index, { mtu: request.mtu })
  for (const { address, prefixLength } of await netlink.addresses.list(index)) {
    const prefix = `${address}/${prefixLength}`
    const isLinkLocal = IpPrefix.parse(address).address.isLinkLocal
    if (!wanted.has(prefix) && !isLinkLocal) await netlink.addresses.delete(index, prefix)
  }
  for (const address of wanted) await netlink.addresses.add(index, address, { noDad: true, replace: true })
  const { mtu } = await netlink.links.change(index, { up: true })
  for (const route of routesOf(request)) await netlink.routes.replace(route.toString(), { link: index })
  return { ifindex: index, mtu }
}

function routesOf({ routes, addresses }: DeviceRequest): readonly IpPrefix[] {
  return routes ?? Array.from(new Set(addresses.map(({ family }) => family)), (family) => EVERYTHING[family])
}

function hostText(address: IpAddress): string {
  return `${address}/${address.bits}`
}

function check({ ifname, mtu, addresses, routes = [] }: DeviceRequest): void {
  const refuse = (found: string, allowed: string): never => {
    throw new DataplaneError('dataplane.device', `${found} is not ${allowed}`)
  }
  if (!/^[^\s/:]{1,15}$/u.test(ifname) || ifname === '.' || ifname === '..' || ifname.includes('%')) {
    refuse(JSON.stringify(ifname), 'a device name of 1–15 characters without blank, slash, colon or percent sign')
  }
  const needsIpv6 = [...addresses, ...routes].some(({ family }) => family === 6)
  const least = needsIpv6 ? LEAST_IPV6_MTU : 68
  if (!Number.isInteger(mtu) || mtu < least || mtu > 65_535) refuse(`${mtu}`, `an MTU of ${least}–65,535 octets`)
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
