import type { Goal, Measure, Series } from '../../harness/result.ts'
import { histogram, quantile } from '../../harness/statistics.ts'
import type { WorkloadFiles } from '../peer/protocol.ts'
import type { AddressFamily } from '../workload/family.ts'
import type { Played } from './reflect.ts'
import { HOLD_TIME, type Round } from './round.ts'

const NOT_SLOWER: Goal = { kind: 'times-better', factor: 1 }

/** What is asked for of each family, and what lies beyond. */
const REFLECT_GOALS: Readonly<Record<AddressFamily['name'], readonly Goal[]>> = {
  vpnv4: [
    { kind: 'times-better', factor: 2 },
    { kind: 'at-most', limit: 2, beyond: true },
  ],
  ipv4: [
    { kind: 'times-better', factor: 1, than: 'BIRD' },
    { kind: 'times-better', factor: 2, than: 'BIRD', beyond: true },
  ],
}
const MEMORY_GOALS: readonly Goal[] = [{ kind: 'at-most-lowest-plus', plus: 64 }]
const BEYOND_MEMORY: Readonly<Record<AddressFamily['name'], readonly Goal[]>> = {
  vpnv4: [{ kind: 'at-most', limit: 250e6 / 2 ** 20, beyond: true }],
  ipv4: [],
}

/** The figures of all rounds as measures with their goals. */
export function measuresOf(family: AddressFamily['name'], { routes }: WorkloadFiles, played: readonly Played[]): Measure[] {
  const series = (pick: (round: Round) => number | undefined): Series[] =>
    played.map(({ participant, rounds, note }) => ({
      name: participant.reflector.name,
      rounds: rounds.flatMap((round) => pick(round) ?? []),
      ...(note === undefined ? {} : { note }),
    }))
  const seconds = (id: string, title: string, pick: (round: Round) => number | undefined, goals: readonly Goal[]): Measure => ({
    id,
    title,
    unit: 's',
    better: 'lower',
    series: series(pick),
    goals,
  })
  const memory = (id: string, title: string, pick: (round: Round) => number, goals: readonly Goal[]): Measure => ({
    ...seconds(id, title, pick, goals),
    unit: 'MiB',
  })
  return [
    seconds('reflect', 'First byte in to last route out', ({ steps }) => steps.reflect, REFLECT_GOALS[family]),
    seconds('late-joiner', 'Dump for a peer that joins late', ({ steps }) => steps['late-joiner'], [NOT_SLOWER]),
    seconds('withdraw', 'Withdraw storm', ({ steps }) => steps.withdraw, [NOT_SLOWER]),
    seconds('flap', 'Peer flap: all gone, and all back', flap, [NOT_SLOWER]),
    memory('peak-reflected', 'Peak resident memory when all routes are out', (round) => round.peakReflected, [
      ...MEMORY_GOALS,
      ...BEYOND_MEMORY[family],
    ]),
    memory('peak', 'Peak resident memory of the whole round', (round) => round.peak, MEMORY_GOALS),
    seconds('cpu', 'Processor time until all routes are out', ({ cpu }) => cpu.daemon, []),
    seconds('cpu-injector', 'Processor time of the injector meanwhile', ({ cpu }) => cpu.injector, []),
    seconds('cpu-receiver', 'Processor time of the receiver meanwhile', ({ cpu }) => cpu.receiver, []),
    seconds('silence', `Longest time without a message from the daemon, of a hold time of ${HOLD_TIME} s`, ({ silence }) => silence, [
      { kind: 'at-most', limit: HOLD_TIME },
    ]),
    ...timers(played),
    ...offHeap(played, routes),
  ]
}

function flap({ steps }: Round): number | undefined {
  const [down, up] = [steps['flap-down'], steps['flap-up']]
  return down === undefined || up === undefined ? undefined : down + up
}

/** Lateness of timers under load, of daemons that can be asked, less what a process shows that did nothing meanwhile. */
function timers(played: readonly Played[]): Measure[] {
  return played
    .filter(({ participant }) => participant.reflector.probed)
    .flatMap(({ participant: { reflector }, rounds }) => {
      const excess =
        (q: number) =>
        ({ lateness }: Round) =>
          Math.max(0, quantile(lateness.daemon, q) - quantile(lateness.idle, q))
      const measure = (id: string, title: string, q: number, limit: number): Measure => ({
        id,
        title: `${title}, less that of an idle process`,
        unit: 'ms',
        better: 'lower',
        series: [{ name: reflector.name, rounds: rounds.map(excess(q)) }],
        goals: [{ kind: 'at-most', limit }],
      })
      const worst = measure('timers-worst', 'Lateness of timers, worst', 1, 50)
      return [
        measure('timers-p99', 'Lateness of timers, 99th percentile', 0.99, 25),
        {
          ...worst,
          histograms: [
            histogram(
              `timers of ${reflector.name}`,
              'ms',
              rounds.flatMap(({ lateness }) => lateness.daemon),
            ),
            histogram(
              'timers of an idle process',
              'ms',
              rounds.flatMap(({ lateness }) => lateness.idle),
            ),
          ],
        },
      ]
    })
}

function offHeap(played: readonly Played[], routes: number): Measure[] {
  return played
    .filter(({ participant }) => participant.reflector.probed)
    .map(({ participant: { reflector }, rounds }) => ({
      id: 'off-heap',
      title: 'Octets off the heap a path',
      unit: 'B',
      better: 'lower',
      series: [{ name: reflector.name, rounds: rounds.flatMap(({ arrayBuffers }) => (arrayBuffers ?? Number.NaN) / routes) }],
      goals: [{ kind: 'at-most', limit: 64, beyond: true }],
    }))
}
