import { encodeIpv4Header, encodeIpv6Extensions, encodeIpv6Header, IpAddress } from '@heddle/wire'
import { ipPacket } from '@heddle/wire/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ENTROPY_PORT_FIRST, ENTROPY_PORT_LAST, entropyPort, flowHash, hasFlowPorts, ipv4FlowHash } from './entropy.js'

const word = fc.nat(0xffffffff)
const [A, B] = [IpAddress.parse('10.0.0.1'), IpAddress.parse('10.0.0.2')]
const [A6, B6] = [IpAddress.parse('fd00::1'), IpAddress.parse('fd00::2')]

/** A UDP packet of a flow; `offset`, `more`: as a fragment. */
function udp4(ports: number, { offset = 0, more = false, payload = 0 } = {}): Uint8Array {
  const bytes = new Uint8Array(32).fill(payload)
  const fields = {
    dscp: 0,
    ecn: 0,
    totalLength: 32,
    identification: 7,
    dontFragment: false,
    ttl: 64,
    protocol: 17,
    options: new Uint8Array(0),
  }
  const out = new DataView(bytes.buffer)
  encodeIpv4Header({ ...fields, moreFragments: more, fragmentOffset: offset, source: A, destination: B }, out, 0)
  if (offset === 0) out.setUint32(20, ports)
  return bytes
}

function udp6(ports: number, { extended = false, fragment = -1 } = {}): Uint8Array {
  const bytes = new Uint8Array(64)
  const out = new DataView(bytes.buffer)
  const header = { dscp: 0, ecn: 0, flowLabel: 0, payloadLength: 24, hopLimit: 64, source: A6, destination: B6 }
  encodeIpv6Header({ ...header, nextHeader: fragment >= 0 ? 44 : extended ? 60 : 17 }, out, 0)
  let at = 40
  if (fragment >= 0)
    at = encodeIpv6Extensions([{ type: 'fragment', offset: fragment, moreFragments: true, identification: 7 }], extended ? 60 : 17, out, 40)
  if (extended && fragment <= 0) at = encodeIpv6Extensions([{ type: 'destination-options', data: new Uint8Array(6) }], 17, out, at)
  if (fragment <= 0) out.setUint32(at, ports)
  return bytes
}

const hashOf = (bytes: Uint8Array, seed = 0): number => flowHash(bytes, 0, bytes.length, seed)

describe('entropy', () => {
  it('is the same of fields that were read already', () => {
    fc.assert(
      fc.property(word, word, fc.constantFrom(6, 17, 132, 1, 47), word, word, (source, destination, protocol, ports, seed) => {
        const packet = udp4(ports)
        const view = new DataView(packet.buffer)
        view.setUint8(9, protocol)
        view.setUint32(12, source)
        view.setUint32(16, destination)
        expect(ipv4FlowHash(source, destination, protocol, hasFlowPorts(protocol), ports, seed)).toBe(hashOf(packet, seed))
      }),
    )
  })

  it('is a source port of 49152–65535, and every one of them comes', () => {
    expect([entropyPort(0), entropyPort(0xffffffff)]).toEqual([ENTROPY_PORT_FIRST, ENTROPY_PORT_LAST])
    fc.assert(fc.property(word, (hash) => Math.abs(entropyPort(hash) - 57_343.5) <= 8191.5))
    const ports = new Set(Array.from({ length: 16_384 }, (_, step) => entropyPort(step * 262_144)))
    expect(ports.size).toBe(16_384)
  })

  it('is the same for a flow, wherever its packets lie and whatever they carry', () => {
    fc.assert(
      fc.property(ipPacket(), word, fc.nat(9), (packet, seed, at) => {
        const bytes = new Uint8Array(packet.length + at + 4).fill(0xee)
        bytes.set(packet, at)
        const hash = flowHash(bytes, at, at + packet.length, seed)
        expect(hash).toBe(flowHash(packet, 0, packet.length, seed))
        expect(Number.isInteger(hash) && hash >= 0 && hash <= 0xffffffff).toBe(true)
      }),
    )
    expect(hashOf(udp4(7, { payload: 1 }))).toBe(hashOf(udp4(7, { payload: 2 })))
  })

  it('is one for all fragments of a datagram, of whatever ports', () => {
    const whole = hashOf(udp4(1, { more: true }))
    expect(hashOf(udp4(2, { more: true }))).toBe(whole)
    expect(hashOf(udp4(0, { offset: 16 }))).toBe(whole)
    expect(hashOf(udp4(1))).not.toBe(whole)
    expect(hashOf(udp6(1, { fragment: 0 }))).toBe(hashOf(udp6(2, { fragment: 16 })))
    const extended = hashOf(udp6(1, { extended: true, fragment: 0 }))
    expect(hashOf(udp6(2, { extended: true, fragment: 0 }))).toBe(extended)
    expect(hashOf(udp6(0, { extended: true, fragment: 16 }))).toBe(extended)
  })

  it('looks behind extension headers for the ports', () => {
    expect(hashOf(udp6(1, { extended: true }))).toBe(hashOf(udp6(1)))
    expect(hashOf(udp6(1, { extended: true }))).not.toBe(hashOf(udp6(2, { extended: true })))
  })

  it('spreads flows evenly, for each seed otherwise', () => {
    const buckets = (seed: number): readonly number[] => {
      const counts = Array.from({ length: 16 }, () => 0)
      for (let port = 0; port < 16_000; port++) counts[(entropyPort(hashOf(udp4(port << 16), seed)) >>> 4) & 15]++
      return counts
    }
    for (const seed of [0, 1, 0xdeadbeef]) for (const count of buckets(seed)) expect(Math.abs(count - 1000)).toBeLessThan(150) // ±5 σ
    const same = Array.from({ length: 1000 }, (_, port) => port).filter((port) => hashOf(udp4(port), 1) % 16 === hashOf(udp4(port), 2) % 16)
    expect(same.length).toBeLessThan(120)
  })

  it('takes any octets, and reads none behind their end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ minLength: 8, maxLength: 8 }), (packet, behind) => {
        const bytes = Uint8Array.of(...packet, ...behind)
        expect(flowHash(bytes, 0, packet.length, 5)).toBe(flowHash(packet, 0, packet.length, 5))
      }),
      { numRuns: 500 },
    )
  })
})
