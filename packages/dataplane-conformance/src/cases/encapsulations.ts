import { ENCAPSULATIONS, type Encapsulation } from '@heddle/core'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual, printed } from '../conformance-error.js'
import { onTheWire } from '../harness.js'
import { expectDelivered, expectDropped, expectForwarded, expectSent, type Lab, type Observed } from '../lab.js'
import { PEER_MAC, RED_MAC, RED_VNI, startOverlay } from '../overlay.js'
import { greBefore, jointBefore, labelled, testPacket, vxlanBefore, type TestGre } from '../packets.js'

const inner = [
  { name: 'IPv4', source: '10.0.0.1', destination: '10.1.0.1' },
  { name: 'IPv6', source: 'fd00::1', destination: 'fd01::1' },
] as const

/** A packet behind the headers of an encapsulation, for the red VRF of the far end or of this one. */
function behind(encapsulation: Encapsulation, towards: 'peer' | 'us', packet: Uint8Array): Uint8Array {
  if (encapsulation === 'vxlan') {
    return towards === 'peer' ? vxlanBefore(RED_VNI, PEER_MAC, RED_MAC, packet) : vxlanBefore(RED_VNI, RED_MAC, PEER_MAC, packet)
  }
  const stack = labelled([{ label: towards === 'peer' ? 2001 : 110, ttl: 255 }], packet)
  if (encapsulation === 'mpls-udp-joint') return jointBefore(packet[0] >> 4 === 4 ? 1 : 2, stack)
  return encapsulation === 'mpls-gre' ? greBefore(stack) : stack
}

const pairs: readonly { encapsulation: Encapsulation; family: 4 | 6 }[] = ENCAPSULATIONS.flatMap((encapsulation) =>
  ([4, 6] as const).map((family) => ({ encapsulation, family })),
)

export const encapsulationCases: readonly ConformanceCase[] = [
  ...pairs.map(({ encapsulation, family }): ConformanceCase => ({
    name: `${encapsulation} over IPv${family} carries both families, both ways`,
    needs: { encapsulations: [encapsulation], underlayFamilies: [family] },
    async run(lab) {
      await startOverlay(lab, { encapsulation, family })
      const peer = lab.harness.peers(family)[0]
      for (const { name, source, destination } of inner) {
        const observed = await lab.fromPort(1, testPacket({ source, destination }))
        const expected = behind(encapsulation, 'peer', testPacket({ source, destination, ttl: 63 }))
        checkEqual(expectSent(observed, peer), expected, `${name} sent`)
        const output = observed.outputs[0]
        check(output.type === 'sent' && output.source.equals(lab.harness.local(family)), `outer source of ${printed(output)}`)

        const back = testPacket({ source: destination, destination: source })
        const received = await lab.fromUnderlay({
          encapsulation: onTheWire(encapsulation),
          source: peer,
          packet: behind(encapsulation, 'us', back),
        })
        checkEqual(expectDelivered(received, 1), testPacket({ source: destination, destination: source, ttl: 63 }), `${name} received`)
      }
    },
  })),
  {
    name: 'the UDP source port carries the entropy of the flow (RFC 7510 §3)',
    async run(lab) {
      await startOverlay(lab)
      const ports = new Set<number>()
      for (let flow = 0; flow < 32; flow++) {
        const packet = testPacket({ source: '10.0.0.1', destination: '10.1.0.1', sourcePort: 30_000 + flow })
        const first = sourcePortOf(await lab.fromPort(1, packet))
        checkEqual(sourcePortOf(await lab.fromPort(1, packet)), first, 'source port of the same flow')
        check(first >= 49_152 && first <= 65_535, `source port ${first} is outside 49152–65535`)
        ports.add(first)
      }
      check(ports.size > 4, `32 flows share ${ports.size} source ports`)
    },
  },
  {
    name: 'a second label travels above the VPN label (MPLS over MPLS)',
    async run(lab) {
      await startOverlay(lab, { transport: [3000, 3001] })
      const packet = { source: '10.0.0.1', destination: '10.1.0.1' }
      const stack = [3000, 3001, 2001].map((label) => ({ label, ttl: 255 }))
      checkEqual(
        expectSent(await lab.fromPort(1, testPacket(packet)), lab.peers[0]),
        labelled(stack, testPacket({ ...packet, ttl: 63 })),
        'sent packet',
      )
    },
  },
  {
    name: 'MPLS in UDP is taken from the old port 51234 too',
    needs: { features: ['udp-port'] },
    async run(lab) {
      await startOverlay(lab)
      const packet = behind('mpls-udp', 'us', testPacket({ source: '10.1.0.1', destination: '10.0.0.1' }))
      expectDelivered(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet, udpPort: 51_234 }), 1)
    },
  },
  {
    name: 'GRE with checksum, key or sequence number is taken (RFC 2784, RFC 2890)',
    needs: { encapsulations: ['mpls-gre'] },
    async run(lab) {
      await startOverlay(lab, { encapsulation: 'mpls-gre' })
      const options: TestGre[] = [{ checksum: true }, { key: 7 }, { sequence: 9 }, { checksum: true, key: 1, sequence: 2 }]
      const stack = labelled([{ label: 101 }], testPacket({ source: '10.1.0.1', destination: '10.0.0.1' }))
      for (const option of options) expectDelivered(await gre(lab, greBefore(stack, option)), 1)
    },
  },
  {
    name: 'at the old port 51234 an unknown label, or another source, is dropped by reason',
    needs: { features: ['udp-port', 'takes-all'] },
    async run(lab) {
      await startOverlay(lab)
      const inside = testPacket({ source: '10.1.0.1', destination: '10.0.0.1' })
      const receive = (label: number, peer: number): Promise<Observed> => {
        const packet = labelled([{ label }], inside)
        return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[peer], packet, udpPort: 51_234 })
      }
      expectDropped(await receive(999, 0), 'label-unknown')
      expectDropped(await receive(101, 2), 'tunnel-source')
    },
  },
  {
    name: 'GRE with a wrong checksum or another flag is dropped as outer-malformed',
    needs: { encapsulations: ['mpls-gre'] },
    async run(lab) {
      await startOverlay(lab, { encapsulation: 'mpls-gre' })
      const stack = labelled([{ label: 101 }], testPacket({ source: '10.1.0.1', destination: '10.0.0.1' }))
      const wrong: readonly [at: number, xor: number, checksum: boolean][] = [
        [5, 1, true],
        [0, 0x40, false],
        [1, 1, false],
      ]
      for (const [at, xor, checksum] of wrong) {
        const packet = greBefore(stack, { checksum })
        packet[at] ^= xor
        expectDropped(await gre(lab, packet), 'outer-malformed')
      }
    },
  },
  {
    name: 'GRE with another protocol is dropped as outer-malformed',
    needs: { encapsulations: ['mpls-gre'], features: ['takes-all'] },
    async run(lab) {
      await startOverlay(lab, { encapsulation: 'mpls-gre' })
      const packet = greBefore(labelled([{ label: 101 }], testPacket({ source: '10.1.0.1', destination: '10.0.0.1' })))
      packet[3] ^= 1
      expectDropped(await gre(lab, packet), 'outer-malformed')
    },
  },
  {
    name: 'without any VNI, VXLAN is dropped as vni-unknown',
    needs: { encapsulations: ['vxlan'], features: ['takes-all'] },
    async run(lab) {
      const packet = vxlanBefore(RED_VNI, RED_MAC, PEER_MAC, testPacket({ source: '10.1.0.1', destination: '10.0.0.1' }))
      expectDropped(await lab.fromUnderlay({ encapsulation: 'vxlan', source: lab.peers[0], packet }), 'vni-unknown')
    },
  },
  {
    name: 'VXLAN is dropped by reason: unknown VNI, foreign source, other router, no IP, no VNI flag',
    needs: { encapsulations: ['vxlan'] },
    async run(lab) {
      await startOverlay(lab, { encapsulation: 'vxlan' })
      const packet = testPacket({ source: '10.1.0.1', destination: '10.0.0.1' })
      const frame = vxlanBefore(RED_VNI, RED_MAC, PEER_MAC, packet)
      const receive = (bytes: Uint8Array, peer = 0): Promise<Observed> =>
        lab.fromUnderlay({ encapsulation: 'vxlan', source: lab.peers[peer], packet: bytes })
      expectDelivered(await receive(frame), 1)
      expectDropped(await receive(vxlanBefore(9999, RED_MAC, PEER_MAC, packet)), 'vni-unknown')
      expectDropped(await receive(frame, 2), 'tunnel-source')
      expectDropped(await receive(vxlanBefore(RED_VNI, PEER_MAC, PEER_MAC, packet)), 'destination-invalid')
      expectDropped(await receive(changed(frame, 20, [0x08, 0x06])), 'family-unsupported')
      expectDropped(await receive(changed(frame, 20, [0x86, 0xdd])), 'inner-malformed')
      expectDropped(await receive(changed(frame, 0, [0])), 'outer-malformed')
    },
  },
]

function gre(lab: Lab, packet: Uint8Array): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-gre', source: lab.peers[0], packet })
}

function changed(bytes: Uint8Array, at: number, octets: readonly number[]): Uint8Array {
  const copy = bytes.slice()
  copy.set(octets, at)
  return copy
}

function sourcePortOf(observed: Observed): number {
  const output = expectForwarded(observed)
  check(output.type === 'sent' && output.sourcePort !== undefined, `expected a UDP packet, found ${printed(output)}`)
  return output.sourcePort
}
