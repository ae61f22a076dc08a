import fc from 'fast-check'
import { Address4, Address6 } from 'ip-address'
import { describe, expect, it } from 'vitest'
import { ipAddress, ipPrefix, ipv4Address, ipv6Address, macAddress, routeDistinguisher, routeTarget } from '../testing/index.js'
import { ValueError } from '../value-error.js'
import { IpAddress } from './ip-address.js'
import { IpPrefix } from './ip-prefix.js'
import { MacAddress } from './mac-address.js'
import { RouteDistinguisher } from './route-distinguisher.js'
import { RouteTarget } from './route-target.js'

describe('IP addresses', () => {
  it('come back from text and octets', () => {
    fc.assert(
      fc.property(ipAddress(), (address) => {
        expect(IpAddress.parse(address.toString()).equals(address)).toBe(true)
        expect(IpAddress.fromBytes(address.toBytes()).equals(address)).toBe(true)
      }),
    )
  })

  it('are written and read as ip-address does', () => {
    fc.assert(
      fc.property(ipv4Address(), ipv6Address(), (v4, v6) => {
        expect(new Address4(v4.toString()).bigInt()).toBe(BigInt(v4.w0))
        const oracle = new Address6(v6.toString())
        expect(oracle.toUnsignedByteArray().length <= 16).toBe(true)
        const value = [v6.w0, v6.w1, v6.w2, v6.w3].reduce((sum, word) => (sum << 32n) | BigInt(word), 0n)
        expect(oracle.bigInt()).toBe(value)
        expect(IpAddress.parse(oracle.canonicalForm()).equals(v6)).toBe(true)
        if (!v6.isV4Mapped) expect(v6.toString()).toBe(oracle.correctForm())
      }),
    )
  })

  it('agree with ip-address on what is no IPv6 address', () => {
    const piece = fc.constantFrom('0', '1', 'ffff', '12345', 'g', '', ':', '1.2.3.4')
    fc.assert(
      fc.property(fc.array(piece, { minLength: 2, maxLength: 9 }), (pieces) => {
        const text = pieces.join(':')
        expect(IpAddress.tryParse(text) !== undefined).toBe(Address6.isValid(text))
      }),
    )
  })

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '01.2.3.4',
    '1..2.3',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    'fe80::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
  ])('are not %s', (text) => {
    expect(IpAddress.tryParse(text)).toBeUndefined()
    expect(() => IpAddress.parse(text)).toThrow(ValueError)
  })
})

describe('IP prefixes', () => {
  it('come back from text, and cover what they contain', () => {
    fc.assert(
      fc.property(ipPrefix(), (prefix) => {
        expect(IpPrefix.parse(prefix.toString()).equals(prefix)).toBe(true)
        expect(prefix.contains(prefix.address)).toBe(true)
        expect(prefix.covers(prefix)).toBe(true)
      }),
    )
  })

  it('contain what ip-address says they contain', () => {
    fc.assert(
      fc.property(ipPrefix(4), ipv4Address(), ipPrefix(6), ipv6Address(), (prefix4, other4, prefix6, other6) => {
        for (const v4 of [other4, prefix4.address]) {
          expect(prefix4.contains(v4)).toBe(new Address4(v4.toString()).isInSubnet(new Address4(prefix4.toString())))
        }
        for (const v6 of [other6, prefix6.address]) {
          expect(prefix6.contains(v6)).toBe(new Address6(v6.toString()).isInSubnet(new Address6(prefix6.toString())))
        }
      }),
    )
  })

  it('refuse host bits and lengths out of range', () => {
    expect(() => IpPrefix.parse('10.0.0.1/24')).toThrow(expect.objectContaining({ code: 'wire.ip-prefix.host-bits' }))
    expect(() => IpPrefix.parse('10.0.0.0/33')).toThrow(expect.objectContaining({ code: 'wire.ip-prefix.invalid' }))
    expect(() => IpPrefix.of(IpAddress.v4(0), -1)).toThrow(expect.objectContaining({ code: 'wire.ip-prefix.length' }))
  })
})

describe('route distinguishers and route targets', () => {
  it('come back from text and from words, in all three types', () => {
    const types = new Set<number>()
    fc.assert(
      fc.property(routeDistinguisher(), routeTarget(), (rd, rt) => {
        types.add(rd.type)
        expect(RouteDistinguisher.parse(rd.toString()).equals(rd)).toBe(true)
        expect(RouteDistinguisher.fromWords(rd.high, rd.low).equals(rd)).toBe(true)
        expect(RouteTarget.parse(rt.toString()).equals(rt)).toBe(true)
        expect(RouteTarget.fromWords(rt.high, rt.low)?.equals(rt)).toBe(true)
      }),
    )
    expect(types).toEqual(new Set([0, 1, 2]))
  })

  it.each([
    ['65000:1', '0000fde800000001', '0002fde800000001'],
    ['192.0.2.1:7', '0001c00002010007', '0102c00002010007'],
    ['70000:7', '0002000111700007', '0202000111700007'],
    ['65000L:7', '00020000fde80007', '02020000fde80007'],
  ])('%s lies as RFC 4364 and RFC 4360 say', (text, rd, rt) => {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
    expect(hex(RouteDistinguisher.parse(text).toBytes())).toBe(rd)
    expect(hex(RouteTarget.parse(text).toBytes())).toBe(rt)
    expect(RouteTarget.parse(text).toString()).toBe(text)
  })

  it.each(['', '1', '1:', ':1', '65536:65536', '1.2.3.4:65536', '4294967296:1', '1.2.3.4L:1', '01:1', '1:-1'])('are not %s', (text) => {
    expect(() => RouteTarget.parse(text)).toThrow(expect.objectContaining({ code: 'wire.route-target.invalid' }))
    expect(() => RouteDistinguisher.parse(text)).toThrow(expect.objectContaining({ code: 'wire.route-distinguisher.invalid' }))
  })
})

describe('MAC addresses', () => {
  it('come back from text and octets', () => {
    fc.assert(
      fc.property(macAddress(), (mac) => {
        expect(MacAddress.parse(mac.toString()).equals(mac)).toBe(true)
        expect(MacAddress.fromBytes(mac.toBytes()).equals(mac)).toBe(true)
        const out = new DataView(new ArrayBuffer(8))
        expect(mac.writeTo(out, 1)).toBe(7)
        expect(new Uint8Array(out.buffer).subarray(1, 7)).toEqual(mac.toBytes())
      }),
    )
  })

  it.each(['', '00:11:22:33:44', '00:11:22-33:44:55', '00:11:22:33:44:5g'])('are not %s', (text) => {
    expect(() => MacAddress.parse(text)).toThrow(expect.objectContaining({ code: 'wire.mac-address.invalid' }))
  })
})
