import { IpAddress } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent } from '../lab.js'
import { overlay, startOverlay, tunnelTo } from '../overlay.js'
import { labelled, testPacket, type TestLabel } from '../packets.js'

const v4 = testPacket({ source: '10.1.0.1', destination: '10.0.0.1' })
const v6 = testPacket({ source: 'fd01::1', destination: 'fd00::1' })
const v4Delivered = testPacket({ source: '10.1.0.1', destination: '10.0.0.1', ttl: 63 })
const v6Delivered = testPacket({ source: 'fd01::1', destination: 'fd00::1', ttl: 63 })

/** A stack that is accepted in front of an IPv4 (or IPv6) packet, and where it leads. */
const accepted: readonly { name: string; stack: TestLabel[]; packet: Uint8Array; delivered: Uint8Array; port: number }[] = [
  { name: 'the label of a port', stack: [{ label: 101 }], packet: v4, delivered: v4Delivered, port: 1 },
  { name: 'the label of a port, IPv6 inside', stack: [{ label: 101 }], packet: v6, delivered: v6Delivered, port: 1 },
  { name: 'the label of a VRF', stack: [{ label: 120 }], packet: v4, delivered: v4Delivered, port: 3 },
  { name: 'explicit null 0 above', stack: [{ label: 0 }, { label: 103 }], packet: v4, delivered: v4Delivered, port: 3 },
  { name: 'explicit null 2 above', stack: [{ label: 2 }, { label: 103 }], packet: v6, delivered: v6Delivered, port: 3 },
  { name: 'explicit null 0 below', stack: [{ label: 110 }, { label: 0 }], packet: v4, delivered: v4Delivered, port: 1 },
  { name: 'explicit null 2 below', stack: [{ label: 110 }, { label: 2 }], packet: v6, delivered: v6Delivered, port: 1 },
  {
    name: 'several explicit nulls',
    stack: [{ label: 0 }, { label: 2 }, { label: 101 }, { label: 2 }, { label: 0 }],
    packet: v4,
    delivered: v4Delivered,
    port: 1,
  },
]

/** Special-purpose labels that may not arrive (RFC 3032 §2.1, RFC 7274). */
const special = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]

export const labelCases: readonly ConformanceCase[] = [
  ...accepted.map(({ name, stack, packet, delivered, port }): ConformanceCase => ({
    name: `${name} is popped`,
    async run(lab) {
      await startOverlay(lab)
      const observed = await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled(stack, packet) })
      checkEqual(expectDelivered(observed, port), delivered, 'delivered packet')
    },
  })),
  {
    name: 'an unknown label is dropped as label-unknown',
    async run(lab) {
      await startOverlay(lab)
      for (const label of [16, 104, 1_048_575]) {
        expectDropped(
          await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label }], v4) }),
          'label-unknown',
        )
      }
    },
  },
  {
    name: 'special-purpose labels are dropped as label-special',
    async run(lab) {
      await startOverlay(lab)
      for (const label of special) {
        for (const stack of [[{ label }], [{ label }, { label: 101 }], [{ label: 101 }, { label }]]) {
          expectDropped(
            await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled(stack, v4) }),
            'label-special',
          )
        }
      }
    },
  },
  {
    name: 'an explicit null with no label is dropped as label-special',
    async run(lab) {
      await startOverlay(lab)
      expectDropped(
        await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label: 0 }], v4) }),
        'label-special',
      )
    },
  },
  {
    name: 'an explicit null of the other family is dropped as inner-malformed',
    async run(lab) {
      await startOverlay(lab)
      expectDropped(
        await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label: 110 }, { label: 2 }], v4) }),
        'inner-malformed',
      )
    },
  },
  {
    name: 'a stack without a bottom is dropped as label-stack',
    async run(lab) {
      await startOverlay(lab)
      const bottomless = labelled([{ label: 0 }, { label: 0 }, { label: 101 }], new Uint8Array(0)).subarray(0, 8)
      const deep = labelled([...Array.from({ length: 20 }, () => ({ label: 0 })), { label: 101 }], v4)
      const twoLabels = labelled([{ label: 101 }, { label: 102 }], v4)
      for (const packet of [bottomless, deep, twoLabels, new Uint8Array(3)]) {
        expectDropped(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet }), 'label-stack')
      }
    },
  },
  {
    name: 'a label or VRF label from a foreign tunnel source is dropped as tunnel-source',
    async run(lab) {
      await startOverlay(lab)
      for (const label of [101, 103, 110, 120]) {
        expectDropped(
          await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[2], packet: labelled([{ label }], v4) }),
          'tunnel-source',
        )
      }
    },
  },
  {
    name: 'a tunnel source that leaves its set is refused from then on',
    async run(lab) {
      const tables = await startOverlay(lab)
      const packet = labelled([{ label: 101 }], v4)
      expectDelivered(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[1], packet }), 1)
      const [{ id, prefixes }] = tables.tunnelSources
      await lab.program({ ...tables, tunnelSources: [{ id, prefixes: prefixes.slice(0, 1) }] })
      expectDropped(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[1], packet }), 'tunnel-source')
      expectDelivered(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet }), 1)
    },
  },
  {
    name: 'a source that no table and no peer knows is dropped as tunnel-source',
    needs: { features: ['any-source'] },
    async run(lab) {
      await startOverlay(lab)
      const source = IpAddress.parse(lab.family === 4 ? '203.0.113.77' : '2001:db8:ffff::77')
      expectDropped(await lab.fromUnderlay({ encapsulation: 'mpls-udp', source, packet: labelled([{ label: 101 }], v4) }), 'tunnel-source')
    },
  },
  {
    name: 'a label that is removed is unknown from then on',
    async run(lab) {
      const tables = await startOverlay(lab)
      await lab.program({ ...tables, labels: tables.labels.filter(({ label }) => label !== 101) })
      expectDropped(
        await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label: 101 }], v4) }),
        'label-unknown',
      )
    },
  },
  {
    name: 'a transit label is swapped, pushed upon, or popped above others',
    async run(lab) {
      const tables = overlay(lab)
      const nextHops = [
        ...tables.nextHops,
        { id: 21, action: tunnelTo(lab, 1, 3001) },
        { id: 22, action: tunnelTo(lab, 1, 3001, { transport: [3002], ttlModel: 'uniform' }) },
        { id: 23, action: { ...tunnelTo(lab, 1, 0), labels: [] } as ReturnType<typeof tunnelTo> },
      ]
      const labels = [21, 22, 23].map((nextHop) => ({ label: 200 + nextHop, action: { type: 'swap', nextHop }, sources: 1 }) as const)
      await lab.program({ ...tables, nextHops, labels: [...tables.labels, ...labels] })
      const send = (stack: TestLabel[]): ReturnType<typeof lab.fromUnderlay> =>
        lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled(stack, v4) })
      const below = { label: 777, ttl: 200, trafficClass: 1 }

      const swapped = labelled([{ label: 3001, ttl: 9, trafficClass: 5 }, below], v4)
      checkEqual(expectSent(await send([{ label: 221, ttl: 10, trafficClass: 5 }, below]), lab.peers[1]), swapped, 'swapped packet')
      const pushed = labelled(
        [
          { label: 3002, ttl: 9 },
          { label: 3001, ttl: 9 },
        ],
        v4,
      )
      checkEqual(expectSent(await send([{ label: 222, ttl: 10 }]), lab.peers[1]), pushed, 'pushed packet')
      const popped = labelled([{ ...below, ttl: 9 }], v4)
      checkEqual(expectSent(await send([{ label: 223, ttl: 10 }, below]), lab.peers[1]), popped, 'popped packet')
      expectDropped(await send([{ label: 223 }]), 'label-stack')
      expectDropped(await send([{ label: 221, ttl: 1 }]), 'ttl-expired')
    },
  },
]
