import fc from 'fast-check'
import { struct, u16be, u32be, u8 } from 'buffer-layout'
import { describe, expect, it, test } from 'vitest'
import { ByteReader } from '../byte-reader.js'
import { greHeader, ipv4Header, ipv6Extensions, udpHeader } from '../testing/index.js'
import { IpAddress } from '../value/ip-address.js'
import { checksumHolds, foldSum, internetChecksum, pseudoHeaderSum, sumOctets, updateChecksum16, updateChecksum32 } from './checksum.js'
import { ethernetEtherType, ethernetHeaderLength } from './ethernet.js'
import { decodeGreHeader, encodeGreHeader, greHeaderLength, greHeaderSize, greVerdict } from './gre.js'
import { decodeIcmpv4 } from './icmpv4.js'
import { decodeIcmpv6 } from './icmpv6.js'
import {
  decodeIpv4Header,
  decodeIpv4Packet,
  encodeIpv4Header,
  ipv4Destination,
  ipv4HeaderLength,
  ipv4Source,
  ipv4Ttl,
  ipv4Verdict,
  setIpv4TrafficClass,
  setIpv4Ttl,
} from './ipv4.js'
import { encodeIpv6Extensions, firstNextHeader, Ipv6Chain, ipv6ExtensionsSize, walkIpv6Extensions } from './ipv6-extension.js'
import { clampTcpMss, decodeTcpOptions, tcpMssOffset } from './tcp.js'
import { encodeUdpHeader } from './udp.js'

const hex = (text: string): Uint8Array => Uint8Array.from(text.replace(/\s/g, '').match(/../g) ?? [], (octet) => Number.parseInt(octet, 16))
const ipv4 = '4500 0054 0000 4000 4001 26a7 0a00 0001 0a00 0002'

describe('checksum', () => {
  it('is that of RFC 1071 §3', () => {
    const bytes = hex('0001 f203 f4f5 f6f7')
    expect(foldSum(sumOctets(bytes, 0, 8))).toBe(0xddf2)
    expect(internetChecksum(bytes, 0, 8)).toBe(0x220d)
  })

  it('is updated as if it were computed anew (RFC 1624)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 64 }), fc.nat(0xffffffff), (bytes, word) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        const before = internetChecksum(bytes, 0, bytes.length)
        const [old32, old16] = [view.getUint32(0), view.getUint16(4)]
        view.setUint32(0, word)
        view.setUint16(4, word >>> 7)
        const updated = updateChecksum16(updateChecksum32(before, old32, word), old16, (word >>> 7) & 0xffff)
        const anew = internetChecksum(bytes, 0, bytes.length)
        // Data of nothing but zeros is the one case in which the two zeros of ones' complement part (RFC 1624 §3).
        if (bytes.some((octet) => octet !== 0)) expect(updated).toBe(anew)
        else expect([0, 0xffff]).toContain(updated)
      }),
    )
  })

  it('sums the pseudo-header of both families', () => {
    const [a, b] = [IpAddress.parse('10.0.0.1'), IpAddress.parse('10.0.0.2')]
    expect(pseudoHeaderSum(a, b, 17, 8)).toBe(0x0a00 + 1 + 0x0a00 + 2 + 17 + 8)
    expect(pseudoHeaderSum(IpAddress.parse('1::'), IpAddress.parse('::2'), 58, 0x1_0004)).toBe(1 + 2 + 58 + 1 + 4)
  })
})

describe('IPv4', () => {
  it('reads a datagram from a wire', () => {
    const header = decodeIpv4Header(new ByteReader(hex(ipv4)))
    expect(header).toMatchObject({ totalLength: 84, dontFragment: true, ttl: 64, protocol: 1, fragmentOffset: 0 })
    expect([`${header.source}`, `${header.destination}`]).toEqual(['10.0.0.1', '10.0.0.2'])
  })

  it.each([
    ['version', '65', 'wire.ipv4.version', 'version'],
    ['header length', '44', 'wire.ipv4.header-length', 'header-length'],
  ])('refuses a wrong %s', (_what, first, code, verdict) => {
    const bytes = hex(ipv4.replace(/^45/, first))
    expect(() => decodeIpv4Header(new ByteReader(bytes))).toThrow(expect.objectContaining({ code }))
    expect(ipv4Verdict(bytes, 0, bytes.length)).toBe(verdict)
  })

  it('refuses a checksum that does not hold and a total length that lies', () => {
    const wrong = hex(ipv4.replace('26a7', '26a8') + '00'.repeat(64))
    expect(() => decodeIpv4Header(new ByteReader(wrong))).toThrow(expect.objectContaining({ code: 'wire.ipv4.checksum' }))
    expect(ipv4Verdict(wrong, 0, wrong.length)).toBe('checksum')
    expect(() => decodeIpv4Packet(new ByteReader(hex(ipv4)))).toThrow(expect.objectContaining({ code: 'wire.truncated' }))
    expect(ipv4Verdict(hex(ipv4), 0, 20)).toBe('truncated')
    const short = hex('4500 0013' + '00'.repeat(16))
    expect(() => decodeIpv4Header(new ByteReader(short))).toThrow(expect.objectContaining({ code: 'wire.ipv4.total-length' }))
    expect(ipv4Verdict(short, 0, 20)).toBe('total-length')
  })

  it('keeps the checksum right when TTL or traffic class changes', () => {
    fc.assert(
      fc.property(ipv4Header(), fc.nat(255), fc.nat(255), (header, ttl, trafficClass) => {
        const bytes = new Uint8Array(80)
        encodeIpv4Header(header, new DataView(bytes.buffer), 7)
        setIpv4Ttl(bytes, 7, ttl)
        setIpv4TrafficClass(bytes, 7, trafficClass)
        expect(checksumHolds(bytes, 7, ipv4HeaderLength(bytes, 7))).toBe(true)
        expect(ipv4Ttl(bytes, 7)).toBe(ttl)
      }),
    )
  })

  it('lies as buffer-layout lays it out', () => {
    const layout = struct([
      u8('version'),
      u8('service'),
      u16be('total'),
      u16be('id'),
      u16be('fragment'),
      u8('ttl'),
      u8('protocol'),
      u16be('checksum'),
      u32be('source'),
      u32be('destination'),
    ])
    fc.assert(
      fc.property(ipv4Header(), (header) => {
        const bytes = new Uint8Array(60)
        encodeIpv4Header(header, new DataView(bytes.buffer), 0)
        const oracle = layout.decode(Buffer.from(bytes))
        expect(oracle).toMatchObject({
          version: 0x45 + header.options.length / 4,
          service: header.dscp * 4 + header.ecn,
          total: header.totalLength,
          id: header.identification,
          fragment: (header.dontFragment ? 0x4000 : 0) + (header.moreFragments ? 0x2000 : 0) + header.fragmentOffset / 8,
          ttl: header.ttl,
          protocol: header.protocol,
          source: ipv4Source(bytes, 0),
          destination: ipv4Destination(bytes, 0),
        })
        expect([oracle['source'], oracle['destination']]).toEqual([header.source.w0, header.destination.w0])
      }),
    )
  })
})

test('UDP and plain GRE lie as buffer-layout lays them out', () => {
  const udp = struct([u16be('sourcePort'), u16be('destinationPort'), u16be('length'), u16be('checksum')])
  fc.assert(
    fc.property(udpHeader(), (header) => {
      const bytes = new Uint8Array(8)
      encodeUdpHeader(header, new DataView(bytes.buffer), 0)
      expect({ ...udp.decode(Buffer.from(bytes)) }).toEqual(header)
    }),
  )
  const gre = struct([u16be('flags'), u16be('protocol'), u32be('key'), u32be('sequence')])
  const bytes = new Uint8Array(12)
  encodeGreHeader({ protocol: 0x8847, checksum: false, key: 7, sequence: 9 }, new DataView(bytes.buffer), 0)
  expect({ ...gre.decode(Buffer.from(bytes)) }).toEqual({ flags: 0x3000, protocol: 0x8847, key: 7, sequence: 9 })
})

describe('GRE', () => {
  it.each([
    ['version 1', '0001 8847', 'wire.gre.version', 'version'],
    ['RFC 1701 routing', '4000 8847', 'wire.gre.routing', 'routing'],
    ['strict source route', '0800 8847', 'wire.gre.reserved', 'reserved'],
    ['a checksum that does not hold', '8000 8847 1234 0000', 'wire.gre.checksum', 'checksum'],
    ['a key that is cut', '2000 8847 0000', 'wire.truncated', 'truncated'],
  ])('refuses %s', (_what, text, code, verdict) => {
    const bytes = hex(text)
    expect(() => decodeGreHeader(new ByteReader(bytes))).toThrow(expect.objectContaining({ code }))
    expect(greVerdict(bytes, 0, bytes.length)).toBe(verdict)
  })

  it('covers the payload by its checksum', () => {
    fc.assert(
      fc.property(greHeader(), fc.uint8Array({ minLength: 1, maxLength: 40 }), (header, payload) => {
        const size = greHeaderSize(header)
        const bytes = new Uint8Array(size + payload.length)
        bytes.set(payload, size)
        expect(encodeGreHeader(header, new DataView(bytes.buffer), 0, bytes.length)).toBe(size)
        expect(greHeaderLength(bytes, 0)).toBe(size)
        expect(greVerdict(bytes, 0, bytes.length)).toBe('ok')
        expect(decodeGreHeader(new ByteReader(bytes))).toEqual(header)
        bytes[bytes.length - 1] ^= 1
        expect(greVerdict(bytes, 0, bytes.length)).toBe(header.checksum ? 'checksum' : 'ok')
      }),
    )
  })
})

test('the walk over IPv6 extension headers ends where the codec ends', () => {
  const chain = new Ipv6Chain()
  fc.assert(
    fc.property(ipv6Extensions(), (extensions) => {
      const size = ipv6ExtensionsSize(extensions)
      const bytes = new Uint8Array(48 + size)
      bytes[6] = firstNextHeader(extensions, 17)
      encodeIpv6Extensions(extensions, 17, new DataView(bytes.buffer), 40)
      expect(walkIpv6Extensions(bytes, 0, bytes.length, chain)).toBe('ok')
      expect({ protocol: chain.protocol, offset: chain.offset }).toEqual({ protocol: 17, offset: 40 + size })
      if (size > 0) expect(walkIpv6Extensions(bytes, 0, 40 + size - 1, chain)).toBe('truncated')
    }),
  )
  const endless = new Uint8Array(1000).fill(60, 0, 1)
  endless[6] = 60
  for (let at = 40; at < 1000; at += 8) endless[at] = 60
  expect(walkIpv6Extensions(endless, 0, 1000, chain)).toBe('count')
})

describe('TCP', () => {
  const syn = hex('1234 00b3 0000 0001 0000 0000 7002 ffff 0000 0000 0101 0204 05b4 0000')
  it('finds and lowers the MSS, checksum kept, at even and odd offsets', () => {
    for (const options of ['0204 05b4 0101 0101', '0102 0405 b401 0101']) {
      const bytes = syn.slice()
      bytes.set(hex(options), 20)
      new DataView(bytes.buffer).setUint16(16, internetChecksum(bytes, 0, 28))
      expect(clampTcpMss(bytes, 0, 28, 1400)).toBe(true)
      expect(checksumHolds(bytes, 0, 28)).toBe(true)
      const at = tcpMssOffset(bytes, 0, 28)
      expect(new DataView(bytes.buffer).getUint16(at)).toBe(1400)
      expect(clampTcpMss(bytes, 0, 28, 1400)).toBe(false)
    }
  })

  it('reads options, and refuses one shorter than its head', () => {
    expect(decodeTcpOptions(new ByteReader(hex('0101 0204 05b4 00ff')))).toEqual([{ kind: 2, data: hex('05b4') }])
    expect(() => decodeTcpOptions(new ByteReader(hex('0801')))).toThrow(expect.objectContaining({ code: 'wire.tcp.option-length' }))
  })

  it('never reads past the end, whatever the options say', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat(64), (bytes, end) => {
        const limit = Math.min(end, bytes.length)
        const at = tcpMssOffset(bytes, 0, limit)
        expect(at === -1 || at + 2 <= limit).toBe(true)
      }),
    )
  })
})

test('Ethernet tags are passed over, three are not', () => {
  const macs = '00'.repeat(12)
  const tagged = hex(`${macs} 88a8 0001 8100 0002 0800`)
  expect(ethernetHeaderLength(tagged, 0, tagged.length)).toBe(22)
  expect(ethernetEtherType(tagged, 0, 22)).toBe(0x0800)
  expect(ethernetHeaderLength(hex(`${macs} 8100 0001 8100 0002 8100 0003 0800`), 0, 26)).toBe(-1)
  expect(ethernetHeaderLength(tagged, 0, 21)).toBe(-1)
})

test('an ICMP fragmentation-needed tells its MTU', () => {
  expect(decodeIcmpv4(new ByteReader(hex('0304 f78b 0000 0570')))).toMatchObject({ type: 'destination-unreachable', code: 4, mtu: 1392 })
})

describe('router discovery', () => {
  const [router, everyone] = [IpAddress.parse('fe80::1'), IpAddress.parse('ff02::1')]
  // type, code, checksum, hop limit, flags, lifetime, reachable time, retransmission timer; source link-layer address; MTU
  const advertisement = hex('86 00 a35f 40 c0 0708 00007530 000003e8 01 01 0200 0000 0a01 05 01 0000 0000 05dc')

  it('reads an advertisement, whatever options it has', () => {
    const read = decodeIcmpv6(new ByteReader(advertisement), router, everyone)
    expect(read).toMatchObject({ type: 'router-advertisement', hopLimit: 64, flags: 0xc0, lifetime: 1800 })
    expect(read).toMatchObject({ reachableTime: 30_000, retransTimer: 1000 })
    expect('sourceLinkLayer' in read && String(read.sourceLinkLayer)).toBe('02:00:00:00:0a:01')
  })

  it('refuses an option without a length, and takes no other code for one (RFC 4861 §6.1.2)', () => {
    const lying = advertisement.slice()
    lying[17] = 0
    lying[3] = 0x60 // a length that is one less
    expect(() => decodeIcmpv6(new ByteReader(lying), router, everyone)).toThrow(
      expect.objectContaining({ code: 'wire.icmp.option-length' }),
    )
    const coded = advertisement.slice()
    coded[1] = 1
    coded[3] = 0x5e
    expect(decodeIcmpv6(new ByteReader(coded), router, everyone)).toMatchObject({ type: 'other', number: 134, code: 1 })
  })
})
