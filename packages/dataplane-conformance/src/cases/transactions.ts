import { RouteBatch, type FibTransaction } from '@heddle/core'
import { IpPrefix } from '@heddle/wire'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual } from '../conformance-error.js'
import { expectDelivered, type Lab } from '../lab.js'
import { overlay, RED, startOverlay } from '../overlay.js'
import { testPacket } from '../packets.js'
import { comparable, EMPTY, only, stateOf, transition } from '../tables.js'

/** A transaction that must be refused, and the code of its failure. */
interface Refusal {
  readonly name: string
  readonly code: string
  readonly part: (lab: Lab) => Partial<FibTransaction>
}

const refusals: readonly Refusal[] = [
  {
    name: 'a route to a group that does not exist',
    code: 'dataplane.dangling-reference',
    part: () => ({ routes: routes(RED, '10.5.0.0/16', 999) }),
  },
  {
    name: 'a route in a VRF that does not exist',
    code: 'dataplane.dangling-reference',
    part: () => ({ routes: routes(99, '10.5.0.0/16', 1) }),
  },
  {
    name: 'removing a group that a route uses',
    code: 'dataplane.dangling-reference',
    part: () => ({ groups: { set: [], remove: [11] } }),
  },
  {
    name: 'removing a VRF that a route uses',
    code: 'dataplane.dangling-reference',
    part: () => ({ vrfs: { set: [], remove: [RED] } }),
  },
  {
    name: 'a route with bits behind its prefix',
    code: 'dataplane.range',
    part: () => {
      const batch = routes(RED, '10.5.0.0/16', 1)
      batch.address[0]++
      return { routes: batch }
    },
  },
  {
    name: 'a route of a family that there is not',
    code: 'dataplane.range',
    part: () => {
      const batch = routes(RED, '10.5.0.0/16', 1)
      batch.family[0] = 5
      return { routes: batch }
    },
  },
  {
    name: 'a route longer than its family',
    code: 'dataplane.range',
    part: () => {
      const batch = routes(RED, '10.5.0.0/16', 1)
      batch.length[0] = 33
      return { routes: batch }
    },
  },
  {
    name: 'removing a next hop that a group uses',
    code: 'dataplane.dangling-reference',
    part: () => ({ nextHops: { set: [], remove: [1] } }),
  },
  {
    name: 'a label whose tunnel sources do not exist',
    code: 'dataplane.dangling-reference',
    part: () => ({ labels: { set: [{ label: 300, action: { type: 'pop-lookup', vrf: RED }, sources: 77 }], remove: [] } }),
  },
  {
    name: 'a label in the special-purpose range',
    code: 'dataplane.range',
    part: () => ({ labels: { set: [{ label: 3, action: { type: 'pop-lookup', vrf: RED }, sources: 1 }], remove: [] } }),
  },
  {
    name: 'a label beyond 20 bits',
    code: 'dataplane.range',
    part: () => ({ labels: { set: [{ label: 1_048_576, action: { type: 'pop-lookup', vrf: RED }, sources: 1 }], remove: [] } }),
  },
  {
    name: 'an entry for the joint label',
    code: 'dataplane.joint-label',
    part: () => ({ labels: { set: [{ label: 49_152, action: { type: 'pop-lookup', vrf: RED }, sources: 1 }], remove: [] } }),
  },
  {
    name: 'a label stack deeper than the limit',
    code: 'dataplane.limit',
    part: (lab) => {
      const { labelStackDepth } = lab.harness.dataplane.capabilities.limits
      const labels = Array.from({ length: labelStackDepth + 1 }, (_, index) => 100 + index)
      const action = {
        type: 'tunnel',
        encapsulation: 'mpls-udp',
        local: lab.local,
        remote: lab.peers[0],
        labels,
        ttlModel: 'pipe',
        trafficClassModel: 'pipe',
      } as const
      return { nextHops: { set: [{ id: 500, action }], remove: [] } }
    },
  },
]

export const transactionCases: readonly ConformanceCase[] = [
  {
    name: 'a dump equals what was applied',
    async run(lab) {
      const tables = overlay(lab)
      await lab.program(tables)
      checkEqual(comparable(await lab.dump()), comparable(stateOf(tables)), 'dump')
    },
  },
  {
    name: 'a dump tells the last generation, and 0 before the first',
    async run(lab) {
      checkEqual((await lab.dump()).generation, 0, 'generation of empty tables')
      await lab.program(overlay(lab))
      checkEqual((await lab.dump()).generation, lab.generation, 'generation after a transaction')
    },
  },
  {
    name: 'applying a transaction twice is the same as once',
    async run(lab) {
      const { dataplane } = lab.harness
      const transaction = transition(1, EMPTY, overlay(lab))
      await dataplane.apply(transaction)
      const once = await lab.dump()
      const report = await dataplane.apply(transaction)
      checkEqual(report, { status: 'applied', generation: 1, failures: [] }, 'report of the second time')
      checkEqual(comparable(await lab.dump()), comparable(once), 'dump after the second time')
    },
  },
  {
    name: 'what is removed is gone, and removing it again is no error',
    async run(lab) {
      await lab.program(overlay(lab))
      await lab.program(EMPTY)
      checkEqual(comparable(await lab.dump()), comparable(stateOf(EMPTY)), 'dump after everything was removed')
      const report = await lab.harness.dataplane.apply(only(lab.generation + 1, { labels: { set: [], remove: [101] } }))
      checkEqual(report.status, 'applied', 'removing what is not there')
    },
  },
  {
    name: 'the later of two rows for one route wins',
    async run(lab) {
      const tables = overlay(lab)
      await lab.program(tables)
      const batch = routes(RED, '10.7.0.0/16', 1)
      batch.push(RED, IpPrefix.parse('10.7.0.0/16'), 2)
      await lab.harness.dataplane.apply(only(lab.generation + 1, { routes: batch }))
      const expected = { ...tables, routes: [...tables.routes, { vrf: RED, prefix: '10.7.0.0/16', group: 2 }] }
      checkEqual(comparable(await lab.dump()), comparable(stateOf(expected)), 'dump')
    },
  },
  {
    name: 'objects may refer to each other in any order inside a transaction',
    async run(lab) {
      const transaction = transition(1, EMPTY, overlay(lab))
      const reversed = { ...transaction, nextHops: { set: transaction.nextHops.set.toReversed(), remove: [] } }
      checkEqual((await lab.harness.dataplane.apply(reversed)).status, 'applied', 'report')
    },
  },
  {
    name: 'replacing a next hop moves its traffic, without a packet lost',
    async run(lab) {
      const tables = await startOverlay(lab)
      const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2' })
      expectDelivered(await lab.fromPort(1, packet), 2)
      const nextHops = tables.nextHops.map((nextHop) =>
        nextHop.id === 2 ? { id: 2, action: { type: 'port', port: 1 } as const } : nextHop,
      )
      await lab.program({ ...tables, nextHops })
      expectDelivered(await lab.fromPort(1, packet), 1)
    },
  },
  ...refusals.map(({ name, code, part }): ConformanceCase => ({
    name: `${name} is refused, and nothing changes`,
    async run(lab) {
      await lab.program(overlay(lab))
      const before = await lab.dump()
      const harmless = { set: [{ id: 50, name: 'green' }], remove: [] }
      const report = await lab.harness.dataplane.apply(only(lab.generation + 1, { vrfs: harmless, ...part(lab) }))
      checkEqual(report.status, 'refused', 'report')
      check(
        report.failures.some((failure) => failure.code === code),
        `expected a failure ${code}, found ${report.failures.map((failure) => failure.code).join()}`,
      )
      const after = await lab.dump()
      checkEqual(comparable(after), comparable(before), 'dump after a refusal')
      checkEqual(after.generation, before.generation, 'generation after a refusal')
    },
  })),
]

function routes(vrf: number, prefix: string, group: number): RouteBatch {
  const batch = new RouteBatch()
  batch.push(vrf, IpPrefix.parse(prefix), group)
  return batch
}
