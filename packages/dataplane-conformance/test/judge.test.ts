import { DROP_REASONS, dropReasonIndex, type Dataplane, type DropReason, type FibTransaction } from '@heddle/core'
import { expect, it } from 'vitest'
import { Judge } from '../src/cases/judge.js'
import { Lab, stateOf, testPacket, type Harness } from '../src/index.js'
import { deadEnds } from './support/dead-ends.js'

const tables = deadEnds({ first: 1, last: 65_535 })

/** A dataplane that drops everything; `programmed` has how many ports each transaction left. */
function dropping(reason: () => DropReason): { readonly lab: Lab; readonly programmed: number[] } {
  const drops = new Float64Array(DROP_REASONS.length)
  const programmed: number[] = []
  const dataplane = {
    capabilities: { encapsulations: [] },
    apply: async ({ generation, ports }: FibTransaction) => {
      programmed.push(ports.set.length)
      return { status: 'applied', generation, failures: [] }
    },
    dump: async () => ({ ...stateOf(tables), generation: 1, devices: [] }),
    attachPort: async () => ({ ifindex: 0, mtu: 1400 }),
    counters: async () => ({ drops: drops.slice() }),
  } as unknown as Dataplane
  const harness = {
    dataplane,
    underlayMtu: 1500,
    features: new Set(['takes-all']),
    deviceFor: () => ({}),
    inject: async () => void drops[dropReasonIndex(reason())]++,
    outputs: async () => [],
  } as unknown as Harness
  return { lab: new Lab(harness), programmed }
}

const flow = (sourcePort: number) =>
  ({ from: 'port', port: 1, packet: testPacket({ source: '10.0.0.1', destination: '10.1.0.1', sourcePort }) }) as const

it('has a dataplane forget what may be remembered in too many ways', async () => {
  const { lab, programmed } = dropping(() => 'no-next-hop')
  const judge = new Judge(lab)
  await judge.program(tables)
  // Each of a flow may have come to the pool or not: 2, 4, … 32 ways.
  for (let sourcePort = 1; sourcePort <= 5; sourcePort++) await judge.send(flow(sourcePort))
  expect(programmed).toEqual([1])
  for (let sourcePort = 6; sourcePort <= 10; sourcePort++) await judge.send(flow(sourcePort))
  expect(programmed).toEqual([1, 0, 1])
  await judge.program(tables)
  expect(programmed).toEqual([1, 0, 1, 0, 1])
})

it('begins anew when a packet has failed, and tells what was believed', async () => {
  let reason: DropReason = 'no-next-hop'
  const { lab, programmed } = dropping(() => reason)
  const judge = new Judge(lab)
  await judge.program(tables)
  await judge.send(flow(5000))
  reason = 'no-route'
  await expect(judge.send(flow(5001))).rejects.toThrow(/found {"type":"dropped","reason":"no-route"}.*10\.0\.0\.8.*5000/)
  await judge.program(tables)
  expect(programmed).toEqual([1, 0, 1])
  await expect(judge.send(flow(5001))).rejects.toThrow(/was one of \[{}\]$/)
})
