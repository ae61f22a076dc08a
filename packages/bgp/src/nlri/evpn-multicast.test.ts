import { ByteReader, ByteWriter, IpAddress, RouteDistinguisher, type WireError } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { L2VPN_EVPN, type EvpnNlri } from '../index.js'
import { evpnCodec } from './evpn.js'

const rd = RouteDistinguisher.parse('192.0.2.1:5')
const RD = '00 01 c0 00 02 01 00 05'
const ESI = '00 11 22 33 44 55 66 77 88 99'
const esi = Uint8Array.of(0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99)
const group = IpAddress.parse('239.1.1.1')
const source = IpAddress.parse('10.0.0.1')
const originator = IpAddress.parse('192.0.2.1')

const cases: { name: string; bytes: string[]; nlri: EvpnNlri }[] = [
  {
    name: 'selective multicast of any source (type 6, RFC 9251 §9.1)',
    bytes: ['06 18', RD, '00 00 00 64', '00', '20 ef 01 01 01', '20 c0 00 02 01', '02'],
    nlri: { kind: 'evpn', route: 'selective-multicast', rd, ethernetTag: 100, group, originator, flags: 2 },
  },
  {
    name: 'membership report synch (type 7, RFC 9251 §9.2)',
    bytes: ['07 26', RD, ESI, '00 00 00 00', '20 0a 00 00 01', '20 ef 01 01 01', '20 c0 00 02 01', '04'],
    nlri: { kind: 'evpn', route: 'membership-report-synch', rd, esi, ethernetTag: 0, source, group, originator, flags: 4 },
  },
  {
    name: 'leave synch (type 8, RFC 9251 §9.3)',
    bytes: ['08 27', RD, ESI, '00 00 00 00', '00', '20 ef 01 01 01', '20 c0 00 02 01', '00 00 00 00', '0a', '02'],
    nlri: { kind: 'evpn', route: 'leave-synch', rd, esi, ethernetTag: 0, group, originator, maximumResponseTime: 10, flags: 2 },
  },
  {
    name: 'per-region I-PMSI (type 9, RFC 9572 §3.1)',
    bytes: ['09 14', RD, '00 00 00 00', '00 09 fd e8 00 00 00 01'],
    nlri: {
      kind: 'evpn',
      route: 'per-region-i-pmsi',
      rd,
      ethernetTag: 0,
      regionId: Uint8Array.of(0, 9, 0xfd, 0xe8, 0, 0, 0, 1),
    },
  },
  {
    name: 'S-PMSI (type 10, RFC 9572 §3.2)',
    bytes: ['0a 1b', RD, '00 00 00 00', '20 0a 00 00 01', '20 ef 01 01 01', '20 c0 00 02 01'],
    nlri: { kind: 'evpn', route: 's-pmsi', rd, ethernetTag: 0, source, group, originator },
  },
  {
    name: 'leaf (type 11, RFC 9572 §3.3)',
    bytes: ['0b 09', '03 02 aa bb', '20 c0 00 02 01'],
    nlri: { kind: 'evpn', route: 'leaf', routeKey: Uint8Array.of(3, 2, 0xaa, 0xbb), originator },
  },
]

describe.each(cases)('EVPN $name', ({ bytes, nlri }) => {
  const octets = Uint8Array.from(bytes.join(' ').split(' '), (octet) => Number.parseInt(octet, 16))

  it('decodes and encodes', () => {
    expect(evpnCodec.decode(new ByteReader(octets), L2VPN_EVPN, { addPath: false, withdraw: false })).toEqual([nlri])
    const out = new ByteWriter()
    evpnCodec.encode(nlri, out, L2VPN_EVPN, { addPath: false, withdraw: false })
    expect(out.finish()).toEqual(octets)
  })

  it('of another length is kept as octets, and told, whatever the length', () => {
    for (let length = 0; length < octets.length + 2; length++) {
      if (length === octets.length - 2) continue
      const changed = new Uint8Array(2 + length)
      changed.set(octets.subarray(0, changed.length))
      changed[1] = length
      const faults: WireError[] = []
      const mode = { addPath: false, withdraw: false, malformed: (error: WireError) => void faults.push(error) }
      const [value] = evpnCodec.decode(new ByteReader(changed), L2VPN_EVPN, mode)
      expect(value).toEqual({ kind: 'evpn', route: 'other', routeType: octets[0], value: changed.subarray(2) })
      expect(faults.map(({ path }) => path)).toEqual(['message/nlri[0]'])
    }
  })
})
