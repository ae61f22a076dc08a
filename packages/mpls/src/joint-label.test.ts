import { ByteReader, IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { decapsulateGre, decapsulateUdp, Decapsulation, type DecapsulationVerdict } from './encapsulation/decapsulate.js'
import { MPLS_UDP_LEGACY_PORT, MPLS_UDP_PORT, mplsOverUdp } from './encapsulation/mpls-over-udp.js'
import { decodeTunnelPacket } from './encapsulation/tunnel-packet.js'
import { encapsulate } from './encapsulation/tunnel-template.js'
import { isJointLabelWord, JOINT_LABEL, JOINT_LABEL_IPV4, JOINT_LABEL_IPV6, JOINT_LABEL_OTHER, jointLabelWordFor } from './joint-label.js'
import { labelStackWord } from './label-stack.js'

/** The octets of words and what is behind them. */
function octets(words: readonly number[], ...rest: number[]): Uint8Array {
  return Uint8Array.from([...words.flatMap((word) => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255]), ...rest])
}

/** An entry that is the bottom of its stack, and one that is not. */
const BOTTOM = labelStackWord(2001, 5, true, 64)
const ABOVE = labelStackWord(3000, 5, false, 64)

describe('a joint label', () => {
  it('is one of three words, which are headers of VXLAN-GPE too', () => {
    expect([JOINT_LABEL_OTHER, JOINT_LABEL_IPV4, JOINT_LABEL_IPV6]).toEqual(
      [0, 1, 2].map((ttl) => labelStackWord(JOINT_LABEL, 0, false, ttl)),
    )
    // Flags I (0x08) and P (0x04); next protocol 1 is IPv4, 2 is IPv6.
    expect(octets([JOINT_LABEL_IPV4, JOINT_LABEL_IPV6])).toEqual(Uint8Array.of(0x0c, 0, 0, 1, 0x0c, 0, 0, 2))
    for (const word of [JOINT_LABEL_OTHER, JOINT_LABEL_IPV4, JOINT_LABEL_IPV6]) expect(isJointLabelWord(word)).toBe(true)
  })

  it.each([
    ['another TTL', labelStackWord(JOINT_LABEL, 0, false, 3)],
    ['a traffic class', labelStackWord(JOINT_LABEL, 1, false, 1)],
    ['the bottom of the stack', labelStackWord(JOINT_LABEL, 0, true, 1)],
    ['the label below', labelStackWord(JOINT_LABEL - 1, 0, false, 1)],
    ['the label above', labelStackWord(JOINT_LABEL + 1, 0, false, 1)],
    ['the word below', JOINT_LABEL_OTHER - 1],
    ['all ones', 0xffff_ffff],
  ])('is none with %s', (_, word) => {
    expect(isJointLabelWord(word)).toBe(false)
  })

  it.each([
    ['IPv4 behind the bottom', octets([BOTTOM], 0x45), JOINT_LABEL_IPV4],
    ['IPv6 behind the bottom', octets([BOTTOM], 0x60), JOINT_LABEL_IPV6],
    ['another version behind the bottom', octets([BOTTOM], 0x50), JOINT_LABEL_OTHER],
    ['nothing behind the bottom', octets([BOTTOM]), JOINT_LABEL_OTHER],
    ['a second label', octets([ABOVE, BOTTOM], 0x45), JOINT_LABEL_OTHER],
    // The next entry is of label 0x45000, which is no header of IPv4.
    ['a second label that begins like IPv4', octets([ABOVE, labelStackWord(0x4_5000, 0, true, 64)], 0x45), JOINT_LABEL_OTHER],
    ['nothing', octets([]), JOINT_LABEL_OTHER],
  ])('says what is there: %s', (_, stack, word) => {
    // What lies behind the packet in the buffer says nothing.
    const buffer = Uint8Array.from([0xa5, ...stack, 0x45, 0x45, 0x45, 0x45, 0x45])
    expect(jointLabelWordFor(buffer, 1, 1 + stack.length)).toBe(word)
  })

  it('is written by the packet', () => {
    const [local, remote] = [IpAddress.parse('192.0.2.1'), IpAddress.parse('192.0.2.2')]
    const sent = (labels: readonly number[], first: number): Uint8Array => {
      const template = mplsOverUdp({ local, remote, labels, joint: true })
      const bytes = new Uint8Array(template.octets.length + 20)
      bytes[template.octets.length] = first
      expect(encapsulate(bytes, template.octets.length, 20, template, 255, 3, 0)).toBe(0)
      return bytes.subarray(28, template.octets.length)
    }
    const entry = (label: number, isBottom: boolean): number => labelStackWord(label, 3, isBottom, 255)
    expect(sent([2001], 0x45)).toEqual(octets([JOINT_LABEL_IPV4, entry(2001, true)]))
    expect(sent([2001], 0x60)).toEqual(octets([JOINT_LABEL_IPV6, entry(2001, true)]))
    expect(sent([3000, 2001], 0x45)).toEqual(octets([JOINT_LABEL_OTHER, entry(3000, false), entry(2001, true)]))
  })
})

describe('a receiver of MPLS over UDP', () => {
  const out = new Decapsulation()
  const open = (bytes: Uint8Array, port = MPLS_UDP_PORT): DecapsulationVerdict => decapsulateUdp(bytes, 0, bytes.length, port, out)

  it.each([JOINT_LABEL_OTHER, JOINT_LABEL_IPV4, JOINT_LABEL_IPV6])('passes over the word %i, whatever is behind it', (word) => {
    for (const port of [MPLS_UDP_PORT, MPLS_UDP_LEGACY_PORT]) {
      for (const first of [0x45, 0x60, 0x50]) {
        expect(open(octets([word, ABOVE, BOTTOM], first), port)).toBe('ok')
        expect(out).toMatchObject({ encapsulation: 'mpls-udp-joint', stack: 4, labels: 2, payload: 12, end: 13 })
      }
    }
  })

  it('passes over one alone', () => {
    expect(open(octets([JOINT_LABEL_IPV4, JOINT_LABEL_IPV4, BOTTOM], 0x45))).toBe('ok')
    expect(out).toMatchObject({ encapsulation: 'mpls-udp-joint', stack: 4, labels: 2 })
  })

  it('takes no packet with nothing behind it, or half an entry', () => {
    for (const length of [4, 5, 7, 8]) expect(open(octets([JOINT_LABEL_IPV4, BOTTOM]).subarray(0, length))).toBe('label-stack')
    expect(open(octets([JOINT_LABEL_IPV4]).subarray(0, 3))).toBe('label-stack')
  })

  it('takes the next packet without one as ever', () => {
    expect(open(octets([JOINT_LABEL_IPV4, BOTTOM], 0x45))).toBe('ok')
    expect(open(octets([BOTTOM], 0x45))).toBe('ok')
    expect(out).toMatchObject({ encapsulation: 'mpls-udp', stack: 0, labels: 1 })
  })

  it('finds a label like any other behind GRE', () => {
    const gre = Uint8Array.from([0, 0, 0x88, 0x47, ...octets([JOINT_LABEL_IPV4, BOTTOM], 0x45)])
    expect(decapsulateGre(gre, 0, gre.length, out)).toBe('ok')
    expect(out).toMatchObject({ encapsulation: 'mpls-gre', stack: 4, labels: 2 })
  })

  it('tells the entry apart from the stack behind it', () => {
    const [local, remote] = [IpAddress.parse('192.0.2.1'), IpAddress.parse('192.0.2.2')]
    const template = mplsOverUdp({ local, remote, labels: [2001], joint: true })
    const bytes = new Uint8Array(template.octets.length + 1).fill(0x60, template.octets.length)
    encapsulate(bytes, template.octets.length, 1, template, 255, 0, 0)
    expect(decodeTunnelPacket(new ByteReader(bytes))).toMatchObject({
      encapsulation: 'mpls-udp-joint',
      joint: { label: JOINT_LABEL, trafficClass: 0, ttl: 2 },
      stack: [{ label: 2001, trafficClass: 0, ttl: 255 }],
      payload: Uint8Array.of(0x60),
    })
  })
})
