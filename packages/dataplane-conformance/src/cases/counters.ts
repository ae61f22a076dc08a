import { countersOf, type CounterSnapshot } from '@heddle/core'
import type { ConformanceCase } from '../conformance-case.js'
import { checkEqual } from '../conformance-error.js'
import { expectDelivered, expectDropped, expectSent, type Lab } from '../lab.js'
import { BLUE, RED, startOverlay } from '../overlay.js'
import { labelled, testPacket } from '../packets.js'

const LABEL = 101
const VRF_LABEL = 110
const TUNNEL = 11
const PORT_HOP = 2

function moved(before: CounterSnapshot, after: CounterSnapshot): Readonly<Record<string, readonly number[]>> {
  const rows = [
    ['red', 'vrfs', RED],
    ['blue', 'vrfs', BLUE],
    ['label', 'labels', LABEL],
    ['VRF label', 'labels', VRF_LABEL],
    ['tunnel', 'nextHops', TUNNEL],
    ['port', 'nextHops', PORT_HOP],
  ] as const
  return Object.fromEntries(
    rows.map(([name, kind, id]) => {
      const then = countersOf(before[kind], id) ?? []
      return [name, (countersOf(after[kind], id) ?? []).map((value, column) => value - then[column])]
    }),
  )
}

async function counting(lab: Lab, act: () => Promise<void>): Promise<Readonly<Record<string, readonly number[]>>> {
  const before = await lab.harness.dataplane.counters()
  await act()
  return moved(before, await lab.harness.dataplane.counters())
}

export const counterCases: readonly ConformanceCase[] = [
  {
    name: 'VRFs, labels and next hops count the packets that came to them, and their octets',
    needs: { offers: ['table-counters'] },
    async run(lab) {
      const tables = await startOverlay(lab)
      const near = testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })
      const far = testPacket({ source: '10.0.0.1', destination: '10.1.0.1', size: 40 })
      const back = testPacket({ source: '10.1.0.1', destination: '10.0.0.2', size: 80 })
      const [n, f, b] = [near.length, far.length, back.length]
      const receive = (label: number, packet: Uint8Array): ReturnType<typeof lab.fromUnderlay> =>
        lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label }], packet) })
      const found = await counting(lab, async () => {
        expectDelivered(await lab.fromPort(1, near), 2)
        expectSent(await lab.fromPort(1, far), lab.peers[0])
        expectDropped(await lab.fromPort(1, testPacket({ source: '10.0.0.1', destination: '10.77.0.1' })), 'no-route')
        expectDelivered(await receive(VRF_LABEL, back), 2)
        expectDelivered(await receive(LABEL, testPacket({ source: '10.1.0.1', destination: '10.0.0.1', size: 80 })), 1)
        expectDropped(await receive(999, back), 'label-unknown')
      })
      const expected = { red: [3, n + f + b], blue: [0, 0], label: [1, b], 'VRF label': [1, b], tunnel: [1, f], port: [2, n + b] }
      checkEqual(found, expected, 'counters that moved')
      const kept = await counting(lab, () => lab.program(tables))
      checkEqual(
        Object.values(kept).flat(),
        Array.from({ length: 12 }, () => 0),
        'counters of objects that were set again',
      )
    },
  },
]
