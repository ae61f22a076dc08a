import { ByteReader, checksumHolds, decodeEthernetHeader, pseudoHeaderSum, WireError, type UdpHeader } from '@heddle/wire'
import { ipPacket } from '@heddle/wire/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entropyPort, flowHash } from '../entropy.js'
import { decodeLabelStack } from '../label-stack.js'
import { tunnel, type TunnelCase } from '../testing/index.js'
import { decapsulateEthernet, decapsulateIp, Decapsulation } from './decapsulate.js'
import { MPLS_UDP_PORT } from './mpls-over-udp.js'
import { tunnelMtu, tunnelOverhead } from './overhead.js'
import { decodeTunnelPacket } from './tunnel-packet.js'
import { encapsulate, NO_HEADROOM, TOO_LONG } from './tunnel-template.js'
import { VXLAN_PORT } from './vxlan-header.js'

interface Sent {
  readonly bytes: Uint8Array
  readonly inner: Uint8Array
  readonly hash: number
  readonly ttl: number
  readonly trafficClass: number
}

const MARGIN = 5

/** Encapsulates a packet in a dirty buffer, and sees that nothing around it changed. */
function send({ template }: TunnelCase, inner: Uint8Array, ttl: number, trafficClass: number): Sent {
  const head = template.octets.length
  const buffer = new Uint8Array(MARGIN + head + inner.length + MARGIN).fill(0xa5)
  buffer.set(inner, MARGIN + head)
  const hash = flowHash(inner, 0, inner.length, 7)
  expect(encapsulate(buffer, MARGIN + head, inner.length, template, ttl, trafficClass, hash)).toBe(MARGIN)
  for (let at = 0; at < MARGIN; at++) expect([buffer[at], buffer[buffer.length - 1 - at]]).toEqual([0xa5, 0xa5])
  return { bytes: buffer.slice(MARGIN, -MARGIN), inner, hash, ttl, trafficClass }
}

const traffic = fc.tuple(tunnel(), ipPacket(), fc.nat(255), fc.nat(7))
const overIp = traffic.filter(([{ encapsulation }]) => encapsulation !== 'mpls')

/** What must be there, said once more. */
function expectUdp(udp: UdpHeader, { encapsulation, options }: TunnelCase, { bytes, hash }: Sent): void {
  if (encapsulation === 'mpls-gre' || encapsulation === 'mpls') return
  const { local, remote, udpChecksum = local.family === 6 } = options
  const ip = local.family === 4 ? 20 : 40
  expect(udp).toMatchObject({ sourcePort: entropyPort(hash), destinationPort: encapsulation === 'vxlan' ? VXLAN_PORT : MPLS_UDP_PORT })
  expect(udp.length).toBe(bytes.length - ip)
  expect(udp.checksum !== 0).toBe(udpChecksum)
  if (udpChecksum) expect(checksumHolds(bytes, ip, udp.length, pseudoHeaderSum(local, remote, 17, udp.length))).toBe(true)
}

describe('a tunnel', () => {
  it('comes out at the far end as it went in, by the codecs of its headers', () => {
    fc.assert(
      fc.property(overIp, ([made, inner, ttl, trafficClass]) => {
        const sent = send(made, inner, ttl, trafficClass)
        const packet = decodeTunnelPacket(new ByteReader(sent.bytes))
        const { encapsulation, options } = made
        if (encapsulation === 'mpls') return
        const { local, remote, hopLimit = 64, dscp = 0 } = options
        expect(packet.encapsulation).toBe(encapsulation)
        const { outer } = packet
        expect([String(outer.source), String(outer.destination), outer.dscp, outer.ecn]).toEqual([String(local), String(remote), dscp, 0])
        expect('ttl' in outer ? outer.ttl : outer.hopLimit).toBe(hopLimit)
        if ('ttl' in outer)
          expect(outer).toMatchObject({ dontFragment: true, moreFragments: false, fragmentOffset: 0, totalLength: sent.bytes.length })
        else expect([outer.payloadLength, outer.flowLabel]).toEqual([sent.bytes.length - 40, sent.hash % 0x100000])
        if ('udp' in packet) expectUdp(packet.udp, made, sent)
        if (packet.encapsulation === 'mpls-udp-joint') {
          const ttl = 'labels' in options && options.labels.length > 1 ? 0 : inner[0] >>> 4 === 6 ? 2 : 1
          expect(packet.joint).toEqual({ label: 49_152, trafficClass: 0, ttl })
        }
        if (packet.encapsulation === 'mpls-gre') expect(packet.gre).toEqual({ protocol: 0x8847, checksum: false })
        if (encapsulation === 'vxlan') {
          const frame = new ByteReader(packet.payload)
          const { destination, source, etherType } = decodeEthernetHeader(frame)
          expect([String(destination), String(source)]).toEqual([String(options.routerMac), String(options.localMac)])
          expect(etherType).toBe(inner[0] >>> 4 === 6 ? 0x86dd : 0x0800)
          expect(frame.rest()).toEqual(inner)
          expect('vxlan' in packet && packet.vxlan.vni).toBe(options.vni)
        } else {
          expect(packet.payload).toEqual(inner)
          expect('stack' in packet && packet.stack).toEqual(options.labels.map((label) => ({ label, trafficClass, ttl })))
        }
      }),
      { numRuns: 400 },
    )
  })

  it('is an ordinary label stack on Ethernet', () => {
    fc.assert(
      fc.property(traffic, ([made, inner, ttl, trafficClass]) => {
        if (made.encapsulation !== 'mpls') return
        const input = new ByteReader(send(made, inner, ttl, trafficClass).bytes)
        const { destination, source, tags, etherType } = decodeEthernetHeader(input)
        expect([String(destination), String(source), tags.length, etherType]).toEqual([
          String(made.options.destination),
          String(made.options.source),
          0,
          0x8847,
        ])
        expect(decodeLabelStack(input)).toEqual(made.options.labels.map((label) => ({ label, trafficClass, ttl })))
        expect(input.rest()).toEqual(inner)
      }),
    )
  })

  it('is opened where it was closed, at any place in a buffer, and padding of the wire is left out', () => {
    const out = new Decapsulation()
    fc.assert(
      fc.property(traffic, fc.nat(9), fc.nat(46), ([made, inner, ttl, trafficClass], at, padding) => {
        const { bytes, hash } = send(made, inner, ttl, trafficClass)
        const { encapsulation, template } = made
        const buffer = new Uint8Array(at + bytes.length + padding)
        buffer.set(bytes, at)
        // Padding can be told from the payload only by an IP header's length.
        const end = encapsulation === 'mpls' ? at + bytes.length : buffer.length
        const open = encapsulation === 'mpls' ? decapsulateEthernet : decapsulateIp
        expect(open(buffer, at, end, out)).toBe('ok')
        expect(out.encapsulation).toBe(encapsulation)
        expect([out.outer, out.end]).toEqual([at, at + bytes.length])
        expect(out.payload).toBe(at + bytes.length - inner.length - (encapsulation === 'vxlan' ? 14 : 0))
        expect(out.labels).toBe(template.labels)
        expect(out.stack).toBe(encapsulation === 'vxlan' ? -1 : at + template.stack)
        expect(out.vni).toBe(encapsulation === 'vxlan' ? made.options.vni : -1)
        expect(out.family).toBe(template.family)
        expect(out.sourcePort).toBe(template.udp < 0 ? 0 : entropyPort(hash))
      }),
      { numRuns: 300 },
    )
  })

  it('costs what overhead says', () => {
    fc.assert(
      fc.property(tunnel(), ({ encapsulation, options, template }) => {
        const family = 'local' in options ? options.local.family : 4
        const labels = 'labels' in options ? options.labels.length : 0
        // An underlay's MTU does not count its own Ethernet header, but the one that VXLAN carries.
        const counted = template.octets.length - (encapsulation === 'mpls' ? 14 : 0)
        expect(tunnelOverhead(encapsulation, family, labels)).toBe(counted)
        expect(tunnelMtu(1500, encapsulation, family, labels)).toBe(1500 - counted)
      }),
    )
    expect([tunnelMtu(1500, 'mpls-udp', 4, 1), tunnelMtu(1500, 'mpls-udp', 6, 1), tunnelMtu(9001, 'mpls-udp', 4, 1)]).toEqual([
      1468, 1448, 8969,
    ])
    expect([tunnelMtu(1500, 'mpls-udp-joint', 4, 1), tunnelMtu(1500, 'mpls-udp-joint', 6, 2)]).toEqual([1464, 1440])
  })

  it('writes nothing where the headers do not fit, or no length field can say how long the packet is', () => {
    fc.assert(
      fc.property(tunnel(), fc.nat(), ({ template }, room) => {
        const head = template.octets.length
        const buffer = new Uint8Array(head + 66_000).fill(0xa5)
        expect(encapsulate(buffer, room % head, 100, template, 64, 0, 0)).toBe(NO_HEADROOM)
        const outer = head - (template.family === 6 ? 40 : 0)
        if (template.family !== 0) expect(encapsulate(buffer, head, 0x10000 - outer, template, 64, 0, 0)).toBe(TOO_LONG)
        expect(buffer.every((octet) => octet === 0xa5)).toBe(true)
        expect(encapsulate(buffer, head, 0xffff - outer, template, 64, 0, 0)).toBe(0)
      }),
      { numRuns: 30 },
    )
  })

  it('is refused by both receivers alike when it is damaged, cut or never was one', () => {
    const out = new Decapsulation()
    const damage = fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 3 })
    const damaged = fc.tuple(overIp, damage, fc.nat(), fc.boolean()).map(([[made, inner, ttl, trafficClass], changes, cut, whole]) => {
      const { bytes } = send(made, inner, ttl, trafficClass)
      for (const [at, octet] of changes) if (at < bytes.length) bytes[at] = octet
      return whole ? bytes : bytes.subarray(0, cut % bytes.length)
    })
    const seen = { ok: 0, refused: 0 }
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: damaged }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 120 }) }), (bytes) => {
        const verdict = decapsulateIp(bytes, 0, bytes.length, out)
        let decoded: string
        try {
          decodeTunnelPacket(new ByteReader(bytes))
          decoded = 'ok'
        } catch (error) {
          expect(error).toBeInstanceOf(WireError)
          decoded = 'refused'
        }
        seen[decoded as keyof typeof seen]++
        expect(verdict === 'ok' ? 'ok' : 'refused').toBe(decoded)
        if (verdict === 'ok') expect(out.payload < out.end && out.end <= bytes.length).toBe(true)
      }),
      { numRuns: 3000 },
    )
    expect(Math.min(seen.ok, seen.refused)).toBeGreaterThan(300) // both happen
  })
})
