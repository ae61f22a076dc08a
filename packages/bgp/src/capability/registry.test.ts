import { ByteReader, ByteWriter } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import { IPV4_UNICAST, L2VPN_EVPN, VPNV4_UNICAST, type BgpError, type Capability } from '../index.js'
import { decodeCapabilities, encodeCapability } from './registry.js'

const cases: { name: string; bytes: number[]; capability: Capability }[] = [
  { name: 'multiprotocol', bytes: [1, 4, 0, 1, 0, 128], capability: { kind: 'multiprotocol', family: VPNV4_UNICAST } },
  { name: 'route refresh', bytes: [2, 0], capability: { kind: 'route-refresh' } },
  {
    name: 'outbound route filtering: address prefixes of IPv4 unicast, both ways',
    bytes: [3, 7, 0, 1, 0, 1, 1, 64, 3],
    capability: { kind: 'outbound-route-filtering', entries: [{ family: IPV4_UNICAST, filters: [{ type: 64, sendReceive: 3 }] }] },
  },
  {
    name: 'extended next hop: VPNv4 behind IPv6',
    bytes: [5, 6, 0, 1, 0, 128, 0, 2],
    capability: { kind: 'extended-next-hop', entries: [{ family: VPNV4_UNICAST, nextHopAfi: 2 }] },
  },
  { name: 'extended message', bytes: [6, 0], capability: { kind: 'extended-message' } },
  { name: 'role', bytes: [9, 1, 3], capability: { kind: 'role', role: 'customer' } },
  {
    name: 'graceful restart: restarted, with notification (RFC 8538), 120 s, forwarding of VPNv4 preserved',
    bytes: [64, 6, 0xc0, 120, 0, 1, 128, 0x80],
    capability: {
      kind: 'graceful-restart',
      restarting: true,
      notification: true,
      restartTime: 120,
      families: [{ family: VPNV4_UNICAST, forwardingPreserved: true }],
    },
  },
  { name: 'four-octet AS', bytes: [65, 4, 0, 1, 0x11, 0x70], capability: { kind: 'four-octet-as', as: 70_000 } },
  {
    name: 'ADD-PATH',
    bytes: [69, 8, 0, 1, 1, 1, 0, 1, 128, 3],
    capability: {
      kind: 'add-path',
      families: [
        { family: IPV4_UNICAST, direction: 'receive' },
        { family: VPNV4_UNICAST, direction: 'both' },
      ],
    },
  },
  { name: 'enhanced route refresh', bytes: [70, 0], capability: { kind: 'enhanced-route-refresh' } },
  {
    name: 'long-lived graceful restart: EVPN for a day',
    bytes: [71, 7, 0, 25, 70, 0x80, 0x01, 0x51, 0x80],
    capability: { kind: 'long-lived-graceful-restart', families: [{ family: L2VPN_EVPN, forwardingPreserved: true, staleTime: 86_400 }] },
  },
  { name: 'FQDN', bytes: [73, 6, 2, 0x70, 0x65, 2, 0x64, 0x63], capability: { kind: 'fqdn', hostname: 'pe', domain: 'dc' } },
  { name: 'software version', bytes: [75, 4, 3, 0x31, 0x2e, 0x30], capability: { kind: 'software-version', version: '1.0' } },
  { name: 'an unknown one', bytes: [200, 2, 1, 2], capability: { kind: 'unknown', code: 200, value: Uint8Array.of(1, 2) } },
]

describe.each(cases)('capability $name', ({ bytes, capability }) => {
  it('decodes', () => {
    const errors: BgpError[] = []
    expect(decodeCapabilities(new ByteReader(Uint8Array.from(bytes)), errors)).toEqual([capability])
    expect(errors).toEqual([])
  })

  it('encodes', () => {
    const out = new ByteWriter()
    encodeCapability(capability, out)
    expect([...out.finish()]).toEqual(bytes)
  })

  it('with an octet missing is kept and reported, and the next one read', () => {
    const value = bytes.slice(2, -1)
    if (capability.kind === 'unknown' || bytes[1] === 0) return
    const errors: BgpError[] = []
    const [first, second] = decodeCapabilities(new ByteReader(Uint8Array.of(bytes[0], value.length, ...value, 2, 0)), errors)
    expect(first).toEqual({ kind: 'unknown', code: bytes[0], value: Uint8Array.from(value) })
    expect(second).toEqual({ kind: 'route-refresh' })
    expect(errors).toMatchObject([{ handling: capability.kind === 'four-octet-as' ? 'session-reset' : 'ignore' }])
  })
})

test('an ADD-PATH entry with a direction that nobody has assigned is left out (RFC 7911 §4)', () => {
  const [capability] = decodeCapabilities(new ByteReader(Uint8Array.of(69, 8, 0, 1, 1, 4, 0, 1, 128, 2)), [])
  expect(capability).toEqual({ kind: 'add-path', families: [{ family: VPNV4_UNICAST, direction: 'send' }] })
})

test('a dynamic capability lists codes, however many', () => {
  const errors: BgpError[] = []
  expect(decodeCapabilities(new ByteReader(Uint8Array.of(67, 2, 1, 64, 67, 0)), errors)).toEqual([
    { kind: 'dynamic', codes: [1, 64] },
    { kind: 'dynamic', codes: [] },
  ])
  expect(errors).toEqual([])
  const out = new ByteWriter()
  encodeCapability({ kind: 'dynamic', codes: [1, 64] }, out)
  expect([...out.view()]).toEqual([67, 2, 1, 64])
})
