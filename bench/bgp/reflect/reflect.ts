import type { Context, PartFigures } from '../../harness/run.ts'
import { figure } from '../../harness/figure.ts'
import { softwareOf, type Reflector } from '../daemon/reflector.ts'
import type { AddressFamily } from '../workload/family.ts'
import { Budget } from './budget.ts'
import { measuresOf } from './measures.ts'
import { STEPS, runRound, type Round, type Step } from './round.ts'
import { onStage } from './stage.ts'

/** A daemon with how often it is measured. */
export interface Participant {
  readonly reflector: Reflector
  readonly rounds: number
  /** The step behind which it is left alone. */
  readonly last?: Step
  /** Why not as the others. */
  readonly note?: string
}

/** Rounds of one participant, and why steps are missing. */
export interface Played {
  readonly participant: Participant
  readonly rounds: readonly Round[]
  readonly missing: string | undefined
}

/** Seconds that a daemon may take in a round. */
const BUDGET = { full: 160, quick: 20 }

/** Everyone in turn, round after round, over one workload. */
export async function reflect(
  family: AddressFamily['name'],
  routes: number,
  participants: readonly Participant[],
  context: Context,
): Promise<PartFigures> {
  const there = participants.filter(({ reflector }) => context.wants(reflector.name) && isInstalled(reflector, context))
  context.progress(`${routes} routes of ${family} are encoded`)
  return onStage(family, routes, async (stage) => {
    const played = there.map((participant) => ({ participant, rounds: [] as Round[], missing: undefined as string | undefined }))
    for (let round = 0; round < Math.max(...there.map(({ rounds }) => rounds)); round++) {
      for (const [at, one] of played.entries()) {
        if (round >= one.participant.rounds) continue
        const { reflector, last = 'withdraw' } = one.participant
        const budget = new Budget(context.quick ? BUDGET.quick : BUDGET.full, context.signal)
        try {
          const figures = await runRound(reflector, `127.0.60.${at + 1}`, stage, budget, last)
          one.rounds.push(figures)
          if (figures.steps[last] === undefined) one.missing = budget.reason
          context.progress(`round ${round + 1}, ${reflector.name}: ${describe(figures)}`)
        } catch (error) {
          // A rival that fails costs its own figures; without those of the subject there is nothing to show.
          if (at === 0 || context.signal.aborted) throw error
          one.missing = `failed in round ${round + 1}: ${(error as Error).message.split('\n', 1)[0]}`
          context.progress(one.missing)
        }
      }
    }
    return {
      software: softwareOf(there.map(({ reflector, note }) => ({ ...reflector, note: [reflector.note, note].filter(Boolean).join('; ') }))),
      measures: measuresOf(family, stage.workload, played),
    }
  })
}

function isInstalled({ name, executable }: Reflector, context: Context): boolean {
  if (executable === undefined) context.progress(`${name} is not installed, and left out`)
  return executable !== undefined
}

function describe({ steps, peak, cpu }: Round): string {
  const times = STEPS.map((step) => `${step} ${steps[step] === undefined ? '–' : figure(steps[step], 's')}`)
  const measuring =
    cpu === undefined ? '' : `; processor of injector ${figure(cpu.injector, 's')}, of receiver ${figure(cpu.receiver, 's')}`
  return `${times.join(', ')}; peak ${figure(peak, 'MiB')}${measuring}`
}
