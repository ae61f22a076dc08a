import type { Goal, Measure, Series } from '../../harness/result.ts'
import type { WorkloadFiles } from '../peer/protocol.ts'
import { HOLD_TIME } from '../peer/session.ts'
import { timerMeasures } from '../probe/timer-watch.ts'
import type { AddressFamily } from '../workload/family.ts'
import type { Played } from './reflect.ts'
import type { Round } from './round.ts'

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
    played.map(({ participant, rounds, missing }) => {
      const figures = rounds.flatMap((round) => pick(round) ?? [])
      const why = missing ?? participant.note
      const complete = figures.length === participant.rounds
      return { name: participant.reflector.name, rounds: figures, ...(complete || why === undefined ? {} : { note: why }) }
    })
  const seconds = (id: string, title: string, pick: (round: Round) => number | undefined, goals: readonly Goal[]): Measure => ({
    id,
    title,
    unit: 's',
    better: 'lower',
    series: series(pick),
    goals,
  })
  const memory = (id: string, title: string, pick: (round: Round) => number | undefined, goals: readonly Goal[]): Measure => ({
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
    seconds('cpu', 'Processor time until all routes are out', ({ cpu }) => cpu?.daemon, []),
    seconds('cpu-injector', 'Processor time of the injector meanwhile', ({ cpu }) => cpu?.injector, []),
    seconds('cpu-receiver', 'Processor time of the receiver meanwhile', ({ cpu }) => cpu?.receiver, []),
    {
      ...seconds('silence', `Longest time without a message from the daemon, of a hold time of ${HOLD_TIME} s`, ({ silence }) => silence, [
        { kind: 'at-most', limit: HOLD_TIME },
      ]),
      of: 'worst',
    },
    ...played.filter(isProbed).flatMap(({ participant: { reflector }, rounds }) => [
      ...timerMeasures(
        reflector.name,
        rounds.map(({ lateness }) => lateness),
      ),
      ...offHeap(reflector.name, rounds, routes),
    ]),
  ]
}

function flap({ steps }: Round): number | undefined {
  const [down, up] = [steps['flap-down'], steps['flap-up']]
  return down === undefined || up === undefined ? undefined : down + up
}

function isProbed({ participant }: Played): boolean {
  return participant.reflector.probed === true
}

/** All array buffers, sockets' included, and the columns that the speaker counts itself. */
function offHeap(name: string, rounds: readonly Round[], routes: number): Measure[] {
  const measure = (id: 'all' | 'columns', title: string): Measure => ({
    id: `off-heap-${id}`,
    title,
    unit: 'B',
    better: 'lower',
    series: [{ name, rounds: rounds.flatMap((round) => (round.offHeap === undefined ? [] : round.offHeap[id] / routes)) }],
    goals: [{ kind: 'at-most', limit: 64, beyond: true }],
  })
  return [
    measure('all', 'Octets off the heap a path, all array buffers of the process'),
    measure('columns', 'Octets off the heap a path, columns of tables, attribute sets and export groups'),
  ]
}
