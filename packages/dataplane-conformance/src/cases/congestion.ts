import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectForwarded, type Lab, type Observed } from '../lab.js'
import { startOverlay, tunnelTo } from '../overlay.js'
import { labelled, testPacket } from '../packets.js'

const [NOT_ECT, ECT_1, ECT_0, CE] = [0, 1, 2, 3]

/** Sends a packet with `inner` behind a label, with `outer` in the outer header. */
function receive(lab: Lab, label: number, outer: number, inner: number, labelClass = 0): Promise<Observed> {
  const packet = testPacket({ source: '10.1.0.1', destination: '10.0.0.1', trafficClass: inner })
  const bytes = labelled([{ label, trafficClass: labelClass }], packet)
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: bytes, trafficClass: outer })
}

export const congestionCases: readonly ConformanceCase[] = [
  {
    name: 'congestion that the underlay marked reaches the packet inside, or drops it (RFC 6040 §4.2)',
    needs: { offers: ['ecn'], features: ['outer-traffic-class'] },
    async run(lab) {
      await startOverlay(lab)
      for (const label of [101, 110]) {
        for (const [inner, outer, expected] of [
          [NOT_ECT, NOT_ECT, NOT_ECT],
          [NOT_ECT, ECT_0, NOT_ECT],
          [ECT_0, NOT_ECT, ECT_0],
          [ECT_0, ECT_1, ECT_1],
          [ECT_1, ECT_0, ECT_1],
          [ECT_0, CE, CE],
          [ECT_1, CE, CE],
          [CE, NOT_ECT, CE],
        ]) {
          const found = expectDelivered(await receive(lab, label, outer, 0xb8 + inner), 1)
          const behind = testPacket({ source: '10.1.0.1', destination: '10.0.0.1', trafficClass: 0xb8 + expected, ttl: 63 })
          checkEqual(found, behind, `inner ${inner}, outer ${outer}`)
        }
        expectDropped(await receive(lab, label, CE, NOT_ECT), 'congestion')
      }
    },
  },
  {
    name: 'a tunnel in normal mode shows the ECN field, one in compatibility mode hides it (RFC 6040 §4.1)',
    needs: { offers: ['ecn'], features: ['outer-header'] },
    async run(lab) {
      const tables = await startOverlay(lab)
      for (const [ecn, expected] of [
        ['normal', ECT_0],
        ['compatibility', 0],
      ] as const) {
        const nextHops = tables.nextHops.map((hop) => (hop.action.type === 'tunnel' ? { ...hop, action: { ...hop.action, ecn } } : hop))
        await lab.program({ ...tables, nextHops })
        const output = expectForwarded(
          await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.1.0.1', trafficClass: ECT_0 })),
        )
        checkEqual(output.type === 'sent' && output.trafficClass, expected, `outer traffic class, ${ecn} mode`)
      }
    },
  },
  {
    name: 'a mark of congestion goes on in the next tunnel of a label that is swapped, or is a loss',
    needs: { offers: ['ecn'], features: ['outer-header', 'outer-traffic-class'] },
    async run(lab) {
      const tables = await startOverlay(lab)
      for (const ecn of ['normal', 'compatibility'] as const) {
        const action = { ...(tunnelTo(lab, 1, 3001) as Extract<ReturnType<typeof tunnelTo>, { type: 'tunnel' }>), ecn }
        await lab.program({
          ...tables,
          nextHops: [...tables.nextHops, { id: 21, action }],
          labels: [...tables.labels, { label: 301, action: { type: 'swap', nextHop: 21 }, sources: 1 }],
        })
        const observed = await receive(lab, 301, CE, ECT_0)
        if (ecn === 'compatibility') expectDropped(observed, 'congestion')
        else {
          const output = expectForwarded(observed)
          checkEqual(output.type === 'sent' && output.trafficClass, CE, 'outer traffic class')
        }
      }
    },
  },
  {
    name: 'a label of the uniform model gives its traffic class to the packet, one of the pipe model does not (RFC 3270 §2.6)',
    needs: { offers: ['traffic-class-pop'] },
    async run(lab) {
      const tables = await startOverlay(lab)
      for (const [trafficClassModel, labelClass, expected] of [
        ['uniform', 2, 0x40],
        ['uniform', 5, 0xb8],
        ['pipe', 2, 0xb8],
      ] as const) {
        await lab.program({ ...tables, labels: tables.labels.map((label) => ({ ...label, trafficClassModel })) })
        const found = expectDelivered(await receive(lab, 101, 0, 0xb8, labelClass), 1)
        checkEqual(
          found,
          testPacket({ source: '10.1.0.1', destination: '10.0.0.1', trafficClass: expected, ttl: 63 }),
          `${trafficClassModel}, class ${labelClass}`,
        )
      }
    },
  },
]
