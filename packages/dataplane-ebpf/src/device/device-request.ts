import { DataplaneError, type DeviceRequest } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { View } from '../layout/struct.js'
import { MAX_REQUEST, REQUEST } from '../layout/structs/objects.js'

/** What IPv6 needs of a link (RFC 8200 §5). */
const LEAST_IPV6_MTU = 1280

const EVERYTHING = { 4: IpPrefix.parse('0.0.0.0/0'), 6: IpPrefix.parse('::/0') } as const

/** Whether two requests ask for the same device in the same place. */
export function samePlace(a: DeviceRequest, b: DeviceRequest): boolean {
  return a.netns === b.netns && a.ifname === b.ifname
}

/** Routes that the endpoint's namespace shall have. */
export function routesOf({ routes, addresses }: DeviceRequest): readonly IpPrefix[] {
  return routes ?? Array.from(new Set(addresses.map(({ family }) => family)), (family) => EVERYTHING[family])
}

/** @throws DataplaneError `dataplane.device` for what no device can be */
export function checkRequest(request: DeviceRequest): void {
  const { ifname, mtu, addresses, routes = [] } = request
  const refuse = (found: string, allowed: string): never => {
    throw new DataplaneError('dataplane.device', `${found} is not ${allowed}`)
  }
  if (!/^[^\s/:]{1,15}$/u.test(ifname) || ifname === '.' || ifname === '..' || ifname.includes('%')) {
    refuse(JSON.stringify(ifname), 'a device name of 1–15 characters without blank, slash, colon or percent sign')
  }
  const needsIpv6 = [...addresses, ...routes].some(({ family }) => family === 6)
  const least = needsIpv6 ? LEAST_IPV6_MTU : 68
  if (!Number.isInteger(mtu) || mtu < least || mtu > 65_535) refuse(`${mtu}`, `an MTU of ${least}–65,535 octets`)
  if (textOf(request).length > MAX_REQUEST) refuse(`${addresses.length} addresses and ${routes.length} routes`, 'what a port can have')
}

/** A request as its value in the map, for the dataplane that comes after this one. */
export function encodeRequest(request: DeviceRequest): Uint8Array {
  const text = textOf(request)
  const view = new View(REQUEST).set('length', text.length)
  view.octets('text').set(text)
  return view.bytes
}

export function decodeRequest(bytes: Uint8Array): DeviceRequest {
  const view = new View(REQUEST, bytes)
  const text = new TextDecoder().decode(view.octets('text').subarray(0, view.get('length')))
  const { netns, ifname, addresses, mtu, routes } = JSON.parse(text) as {
    netns?: string
    ifname: string
    addresses: string[]
    mtu: number
    routes?: string[]
  }
  return {
    ...(netns === undefined ? {} : { netns }),
    ifname,
    addresses: addresses.map((address) => IpAddress.parse(address)),
    mtu,
    ...(routes === undefined ? {} : { routes: routes.map((route) => IpPrefix.parse(route)) }),
  }
}

/** Values of the contract write themselves as text. */
function textOf(request: DeviceRequest): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(request))
}
