import fc from 'fast-check'
import type { AdministratorType } from '../value/administrator.js'
import { IpAddress } from '../value/ip-address.js'
import { IpPrefix } from '../value/ip-prefix.js'
import { MacAddress } from '../value/mac-address.js'
import { RouteDistinguisher } from '../value/route-distinguisher.js'
import { RouteTarget } from '../value/route-target.js'

const word = fc.oneof(fc.nat(0xffffffff), fc.constantFrom(0, 1, 0xffff, 0xffffffff))

/** Any IPv4 address. */
export function ipv4Address(): fc.Arbitrary<IpAddress> {
  return word.map((value) => IpAddress.v4(value))
}

/** Any IPv6 address; runs of zeros, and IPv4-mapped ones, come often. */
export function ipv6Address(): fc.Arbitrary<IpAddress> {
  return fc.oneof(
    fc.tuple(word, word, word, word).map(([w0, w1, w2, w3]) => IpAddress.v6(w0, w1, w2, w3)),
    word.map((value) => IpAddress.v4(value).toV4Mapped()),
  )
}

/** Any address of either family. */
export function ipAddress(): fc.Arbitrary<IpAddress> {
  return fc.oneof(ipv4Address(), ipv6Address())
}

/** Any prefix, of one family if it is given. */
export function ipPrefix(family?: 4 | 6): fc.Arbitrary<IpPrefix> {
  const address = family === undefined ? ipAddress() : family === 4 ? ipv4Address() : ipv6Address()
  return address.chain((value) => fc.nat(value.bits).map((length) => IpPrefix.of(value, length)))
}

/** Any MAC address, groups included. */
export function macAddress(): fc.Arbitrary<MacAddress> {
  return fc.tuple(fc.nat(0xffffff), fc.nat(0xffffff)).map(([high, low]) => MacAddress.of(high, low))
}

/** Route distinguishers of types 0, 1 and 2. */
export function routeDistinguisher(): fc.Arbitrary<RouteDistinguisher> {
  return administratorPair().map(([type, administrator, assigned]) => RouteDistinguisher.of(type, administrator, assigned))
}

/** Route targets of types 0, 1 and 2. */
export function routeTarget(): fc.Arbitrary<RouteTarget> {
  return administratorPair().map(([type, administrator, assigned]) => RouteTarget.of(type, administrator, assigned))
}

function administratorPair(): fc.Arbitrary<[AdministratorType, number, number]> {
  const short = fc.nat(0xffff)
  return fc.oneof(
    fc.tuple(fc.constant(0 as const), short, word),
    fc.tuple(fc.constant(1 as const), word, short),
    fc.tuple(fc.constant(2 as const), fc.oneof(word, short), short),
  )
}
