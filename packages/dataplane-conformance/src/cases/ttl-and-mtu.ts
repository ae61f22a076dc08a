import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectForwarded, expectSent } from '../lab.js'
import { startOverlay } from '../overlay.js'
import { labelled, TEST_PACKET_OVERHEAD, testPacket } from '../packets.js'

export const ttlAndMtuCases: readonly ConformanceCase[] = [
  {
    name: 'the pipe model hides the inner TTL and traffic class (RFC 3443 §3.2)',
    async run(lab) {
      await startOverlay(lab, { ttlModel: 'pipe', trafficClassModel: 'pipe' })
      const packet = { source: '10.0.0.1', destination: '10.1.0.1', trafficClass: 0xb8 }
      const found = expectSent(await lab.fromPort(1, testPacket({ ...packet, ttl: 10 })), lab.peers[0])
      checkEqual(found, labelled([{ label: 2001, ttl: 255 }], testPacket({ ...packet, ttl: 9 })), 'sent packet')
    },
  },
  {
    name: 'the uniform model shows the inner TTL and traffic class (RFC 3443 §3.1)',
    async run(lab) {
      await startOverlay(lab, { ttlModel: 'uniform', trafficClassModel: 'uniform', transport: [3000] })
      for (const [source, destination] of [
        ['10.0.0.1', '10.1.0.1'],
        ['fd00::1', 'fd01::1'],
      ]) {
        const packet = { source, destination, trafficClass: 0xb8 }
        const found = expectSent(await lab.fromPort(1, testPacket({ ...packet, ttl: 10 })), lab.peers[0])
        const stack = [3000, 2001].map((label) => ({ label, ttl: 9, trafficClass: 5 }))
        checkEqual(found, labelled(stack, testPacket({ ...packet, ttl: 9 })), 'sent packet')
      }
    },
  },
  {
    name: 'the outer traffic class follows the model',
    needs: { features: ['outer-header'] },
    async run(lab) {
      const packet = testPacket({ source: '10.0.0.1', destination: '10.1.0.1', trafficClass: 0xb8 })
      for (const [trafficClassModel, expected] of [
        ['uniform', 0xb8],
        ['pipe', 0],
      ] as const) {
        await startOverlay(lab, { trafficClassModel })
        const output = expectForwarded(await lab.fromPort(1, packet))
        checkEqual(output.type === 'sent' && output.trafficClass, expected, `outer traffic class, ${trafficClassModel} model`)
      }
    },
  },
  {
    name: 'behind the tunnel the lower of label TTL and inner TTL counts, less one',
    async run(lab) {
      await startOverlay(lab)
      const packet = { source: '10.1.0.1', destination: '10.0.0.1' }
      for (const [labelTtl, innerTtl, expected] of [
        [255, 64, 63],
        [40, 64, 39],
        [64, 64, 63],
        [2, 255, 1],
      ]) {
        const bytes = labelled([{ label: 101, ttl: labelTtl }], testPacket({ ...packet, ttl: innerTtl }))
        const found = expectDelivered(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: bytes }), 1)
        checkEqual(found, testPacket({ ...packet, ttl: expected }), `label TTL ${labelTtl}, inner TTL ${innerTtl}`)
      }
    },
  },
  {
    name: 'a packet between two endpoints of one router loses one hop',
    async run(lab) {
      await startOverlay(lab)
      const packet = { source: '10.0.0.1', destination: '10.0.0.2' }
      checkEqual(expectDelivered(await lab.fromPort(1, testPacket({ ...packet, ttl: 2 })), 2), testPacket({ ...packet, ttl: 1 }), 'packet')
    },
  },
  {
    name: 'a TTL that runs out is dropped as ttl-expired',
    async run(lab) {
      await startOverlay(lab)
      for (const ttl of [0, 1]) {
        expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.0.0.2', ttl })), 'ttl-expired')
        expectDropped(await lab.fromPort(1, testPacket({ source: 'fd00::1', destination: 'fd01::1', ttl })), 'ttl-expired')
        const inner = testPacket({ source: '10.1.0.1', destination: '10.0.0.1', ttl })
        const outer = testPacket({ source: '10.1.0.1', destination: '10.0.0.1' })
        for (const packet of [labelled([{ label: 101 }], inner), labelled([{ label: 101, ttl }], outer)]) {
          expectDropped(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet }), 'ttl-expired')
        }
      }
    },
  },
  {
    name: 'what fits the port passes, one octet more is dropped as mtu-exceeded',
    async run(lab) {
      const tables = await startOverlay(lab)
      await lab.program({ ...tables, ports: tables.ports.map((port) => (port.id === 2 ? { ...port, mtu: 1300 } : port)) })
      for (const [family, source, destination] of [
        [4, '10.0.0.1', '10.0.0.2'],
        [6, 'fd00::1', 'fd00::2'],
      ] as const) {
        const size = 1300 - TEST_PACKET_OVERHEAD[family]
        expectDelivered(await lab.fromPort(1, testPacket({ source, destination, size })), 2)
        expectDropped(await lab.fromPort(1, testPacket({ source, destination, size: size + 1 })), 'mtu-exceeded')
      }
    },
  },
  {
    name: 'what fits the underlay passes, one octet more is dropped as mtu-exceeded',
    async run(lab) {
      const { underlayMtu } = lab.harness
      const fits = underlayMtu - (lab.family === 4 ? 20 : 40) - 8 - 4
      await startOverlay(lab, { mtu: underlayMtu })
      const size = fits - TEST_PACKET_OVERHEAD[4]
      const packet = { source: '10.0.0.1', destination: '10.1.0.1' }
      expectSent(await lab.fromPort(1, testPacket({ ...packet, size })), lab.peers[0])
      expectDropped(await lab.fromPort(1, testPacket({ ...packet, size: size + 1 })), 'mtu-exceeded')
    },
  },
]
