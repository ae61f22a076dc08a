import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import fc, { type Arbitrary } from 'fast-check'

/** Unsigned 32-bit numbers. */
export const word: Arbitrary<number> = fc.nat(0xffff_ffff)

/** Octet strings. */
export const octets = (constraints: { minLength?: number; maxLength?: number }): Arbitrary<Uint8Array> => fc.uint8Array(constraints)

/** Any IPv4 address. */
export const ipv4Address: Arbitrary<IpAddress> = word.map((value) => IpAddress.v4(value))

/** Any IPv6 address. */
export const ipv6Address: Arbitrary<IpAddress> = fc.tuple(word, word, word, word).map((words) => IpAddress.v6(...words))

/** An address that NEXT_HOP may have: none of 0/8, 127/8 and 224/3. */
export const hostAddress: Arbitrary<IpAddress> = word
  .filter((value) => value >>> 24 !== 0 && value >>> 24 !== 127 && value >>> 24 < 224)
  .map((value) => IpAddress.v4(value))

/** IPv4 prefixes of any length. */
export const ipv4Prefix: Arbitrary<IpPrefix> = fc.tuple(ipv4Address, fc.nat(32)).map(([address, length]) => IpPrefix.of(address, length))

/** IPv6 prefixes of any length. */
export const ipv6Prefix: Arbitrary<IpPrefix> = fc.tuple(ipv6Address, fc.nat(128)).map(([address, length]) => IpPrefix.of(address, length))

/** Any MAC address. */
export const macAddress: Arbitrary<MacAddress> = fc
  .tuple(fc.nat(0xff_ffff), fc.nat(0xff_ffff))
  .map(([high, low]) => MacAddress.of(high, low))

/** Route distinguishers of the three types that are assigned. */
export const routeDistinguisher: Arbitrary<RouteDistinguisher> = fc
  .tuple(fc.nat(2), fc.nat(0xffff), word)
  .map(([type, middle, low]) => RouteDistinguisher.fromWords((type << 16) | middle, low))

/** Route targets of all three types. */
export const routeTarget: Arbitrary<RouteTarget> = fc.oneof(
  fc.tuple(fc.nat(0xffff), word).map(([administrator, assigned]) => RouteTarget.of(0, administrator, assigned)),
  fc.tuple(fc.constantFrom(1 as const, 2 as const), word, fc.nat(0xffff)).map((fields) => RouteTarget.of(...fields)),
)

/** AS numbers that may stand in a path. */
export const asNumber: Arbitrary<number> = fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffff_ffff }))

/** MPLS labels, 0–1,048,575. */
export const label: Arbitrary<number> = fc.nat(0xf_ffff)
