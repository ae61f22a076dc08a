import type { DropReason, TracedPacket, TraceFilter, TraceObject } from '@heddle/core'
import { IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { arbitraryInput, type PacketInput } from '../arbitrary/packets.js'
import { arbitraryTables } from '../arbitrary/tables.js'
import type { ConformanceCase } from '../conformance-case.js'
import { check, checkEqual, printed } from '../conformance-error.js'
import type { Lab, Observed } from '../lab.js'
import { Observer } from '../observer.js'
import { BLUE, RED, startOverlay } from '../overlay.js'
import { labelled, testPacket, testSegment } from '../packets.js'
import { isLeftToHost, sendInput, surroundings } from './surroundings.js'

const needs = { offers: ['trace'] } as const
const ONE = '10.0.0.1'
const FAR = '10.1.0.1'

/** The names of steps, in the order in which a packet takes them. */
const FROM_PORT = ['parse', 'port', 'flow', 'service', 'policy', 'lookup', 'nexthop', 'encap', 'send', 'deliver']
const FROM_UNDERLAY = ['parse outer', 'label', 'flow', 'service', 'policy', 'lookup', 'nexthop', 'encap', 'send', 'deliver']

/** Steps that may come again: a lookup may lead to another, and delivery brings policy and services of the port. */
const AGAIN = new Set(['lookup', 'nexthop', 'policy', 'service', 'label'])

async function startWith(lab: Lab, filters: readonly TraceFilter[]): Promise<Observer> {
  const observer = new Observer(lab)
  const tables = await startOverlay(lab)
  await lab.program({ ...tables, traces: filters.map((filter, id) => ({ id, filter })) })
  return observer
}

function receive(lab: Lab, packet: Uint8Array, label = 101): Promise<Observed> {
  return lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet: labelled([{ label }], packet) })
}

function firstsOf(names: readonly string[], wanted: readonly string[]): string[] {
  const firsts = [...new Set(names)]
  return firsts.filter((name) => wanted.includes(name))
}

export const traceCases: readonly ConformanceCase[] = [
  {
    name: 'trace: a packet is told with where it came from, each step in order, and what became of it',
    needs,
    async run(lab) {
      await using observer = await startWith(lab, [{}])
      const out = testPacket({ source: ONE, destination: FAR, size: 200 })
      const lost = testPacket({ source: ONE, destination: '10.77.0.1' })
      const back = labelled([{ label: 101 }], testPacket({ source: FAR, destination: ONE }))
      const stray = labelled([{ label: 999 }], testPacket({ source: FAR, destination: ONE }))
      await lab.fromPort(1, out)
      await lab.fromPort(1, lost)
      for (const packet of [back, stray]) await lab.fromUnderlay({ encapsulation: 'mpls-udp', source: lab.peers[0], packet })
      const packets = await observer.packets(4)
      const port = { type: 'port', port: 1 } as const
      const underlay = { type: 'underlay', encapsulation: 'mpls-udp', source: lab.peers[0] } as const
      checkEqual(
        packets.map(({ sequence, from, outcome, reason, length, packet }) => [sequence, from, outcome, reason ?? '', length, packet]),
        [
          [0, port, 'send', '', out.length, out.slice(0, 128)],
          [1, port, 'drop', 'no-route', lost.length, lost],
          [2, underlay, 'deliver', '', back.length, back],
          [3, underlay, 'drop', 'label-unknown', stray.length, stray],
        ],
        'packets',
      )
      const steps = packets.map((packet) => packet.steps.map(({ step }) => step))
      checkEqual(firstsOf(steps[0], FROM_PORT), FROM_PORT.slice(0, 9), 'steps of a packet that was sent')
      checkEqual(steps[1].at(-1), 'lookup', 'last step of a packet without a route')
      checkEqual(firstsOf(steps[2], FROM_UNDERLAY).at(-1), 'deliver', 'last step of a packet that was delivered')
      checkEqual(steps[3], ['parse outer', 'label'], 'steps of a packet with a label that nobody knows')
    },
  },
  {
    name: 'trace: a filter takes what fits each of its conditions, either way, and nothing else',
    needs,
    async run(lab) {
      const ends = (...prefixes: string[]): TraceFilter => ({ ends: prefixes.map((prefix) => IpPrefix.parse(prefix)) })
      const filters: TraceFilter[] = [
        { vrf: RED },
        { vrf: BLUE },
        ends('10.1.0.1/32'),
        ends('10.1.0.0/16', '10.0.0.2/32'),
        { protocol: 6 },
        { port: 80 },
        { dropped: true },
        { ...ends('fd01::/64'), protocol: 17 },
      ]
      await using observer = await startWith(lab, filters)
      const fitting = async (act: () => Promise<Observed>): Promise<number[]> => {
        await act()
        await lab.outputs()
        // Every packet is one of a VRF here, except the last: what is told of it is there when this is.
        return (await observer.packets(1)).map(({ trace }) => trace)
      }
      const udp = testPacket({ source: ONE, destination: FAR })
      checkEqual(await fitting(() => lab.fromPort(1, udp)), [0, 2], 'UDP from red')
      checkEqual(await fitting(() => lab.fromPort(3, udp)), [1, 2], 'UDP from blue')
      checkEqual(
        await fitting(() => lab.fromPort(2, testSegment({ source: '10.0.0.2', destination: FAR }))),
        [0, 2, 3, 4, 5],
        'TCP from red',
      )
      const reply = testSegment({ source: FAR, destination: ONE, sourcePort: 80, destinationPort: 40_000 })
      checkEqual(await fitting(() => receive(lab, reply)), [0, 2, 4, 5], 'TCP to red')
      checkEqual(await fitting(() => receive(lab, reply, 120)), [1, 2, 4, 5], 'TCP to blue')
      checkEqual(await fitting(() => lab.fromPort(1, testPacket({ source: 'fd00::1', destination: 'fd01::1' }))), [0, 7], 'IPv6')
      checkEqual(await fitting(() => lab.fromPort(1, testPacket({ source: ONE, destination: '10.77.0.1' }))), [0, 6], 'dropped')
      checkEqual(await fitting(() => receive(lab, udp, 999)), [2, 6], 'dropped before it was in any VRF')
    },
  },
  {
    name: 'trace: one that is replaced counts on, and one that is there again begins anew',
    needs,
    async run(lab) {
      await using observer = new Observer(lab)
      const tables = await startOverlay(lab)
      const program = (...traces: TraceObject[]): Promise<void> => lab.program({ ...tables, traces })
      const told = async (packet: Uint8Array, count: number): Promise<(readonly [trace: number, sequence: number])[]> => {
        await lab.fromPort(1, packet)
        return (await observer.packets(count)).map(({ trace, sequence }) => [trace, sequence] as const).toSorted(([a], [b]) => a - b)
      }
      const [udp, tcp] = [testPacket({ source: ONE, destination: FAR }), testSegment({ source: ONE, destination: FAR })]
      const all = { id: 0, filter: {} }
      await program(all, { id: 1, filter: {} })
      checkEqual(await told(udp, 2), [[0, 0], [1, 0]], 'a first packet') // prettier-ignore
      await program(all, { id: 1, filter: { protocol: 17 } })
      checkEqual(await told(tcp, 1), [[0, 1]], 'a packet that the new filter does not take')
      checkEqual(await told(udp, 2), [[0, 2], [1, 1]], 'a packet that it takes') // prettier-ignore
      await program(all)
      await program(all, { id: 1, filter: {} })
      checkEqual(await told(udp, 2), [[0, 3], [1, 0]], 'a packet when the trace is there again') // prettier-ignore
    },
  },
  {
    name: 'property: a trace tells what became of each packet, by steps that are in order',
    needs,
    async run(lab) {
      const around = surroundings(lab)
      await using observer = new Observer(lab)
      await fc.assert(
        fc.asyncProperty(
          arbitraryTables(around),
          fc.array(arbitraryInput(around), { minLength: 10, maxLength: 10 }),
          async (tables, inputs) => {
            await lab.program({ ...tables, traces: [{ id: 0, filter: {} }] })
            await lab.attach()
            for (const input of inputs) {
              if (isLeftToHost(lab, tables, input)) continue
              const observed = await sendInput(lab, input)
              const isForwarderless = input.from === 'port' && !tables.ports.some(({ id }) => id === input.port)
              if (isForwarderless) continue
              const [traced, ...more] = await observer.packets(1)
              checkEqual(more, [], 'more packets than were sent')
              checkTold(traced, input, observed)
            }
          },
        ),
        { numRuns: lab.runs },
      )
    },
  },
]

function checkTold({ outcome, reason, steps }: TracedPacket, input: PacketInput, { outputs, drops }: Observed): void {
  const [dropped] = drops.keys()
  const [output] = outputs
  const expected: readonly [string, DropReason | undefined] =
    dropped !== undefined ? ['drop', dropped] : [outputs.length > 1 ? 'cut' : output?.type === 'sent' ? 'send' : 'deliver', undefined]
  checkEqual([outcome, reason ?? ''], [expected[0], expected[1] ?? ''], `what is told of ${printed(input)}`)
  const order = input.from === 'port' ? FROM_PORT : FROM_UNDERLAY
  const names = steps.map(({ step }) => step)
  const strays = names.filter((name) => !order.includes(name))
  checkEqual(strays, [], 'steps that are none')
  let last = 0
  for (const name of names) {
    const place = order.indexOf(name)
    check(place >= last || AGAIN.has(name), `${name} comes behind ${order[last]} in ${names.join(', ')}`)
    last = Math.max(last, place)
  }
}
