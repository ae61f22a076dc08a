import { Daemon } from '../daemon/daemon.ts'
import { freePort } from '../daemon/free-port.ts'
import type { Reflector } from '../daemon/reflector.ts'
import type { Lateness } from '../probe/timer-watch.ts'
import type { Budget } from './budget.ts'
import { Play } from './play.ts'
import type { Stage } from './stage.ts'

export const INJECTOR = '127.0.61.1'
export const RECEIVER = '127.0.61.2'
export const LATE_JOINER = '127.0.61.3'

/** What happens to a daemon in a round, in this order. */
export const STEPS = ['reflect', 'late-joiner', 'flap-down', 'flap-up', 'withdraw'] as const
export type Step = (typeof STEPS)[number]

/** Figures of one daemon in one round; steps that did not fit into the budget are not there. */
export interface Round {
  /** Seconds. */
  readonly steps: Readonly<Partial<Record<Step, number>>>
  /** MiB: when the table was out for the first time, if it ever was, and at the end. */
  readonly peakReflected: number | undefined
  readonly peak: number
  /** Octets outside of the JavaScript heap when the table was out, of a daemon that can be asked: all of them, and those that are columns. */
  readonly offHeap: { readonly all: number; readonly columns: number } | undefined
  /** Seconds of processor time until the table was out: the daemon, and those that measure it. */
  readonly cpu: { readonly daemon: number; readonly injector: number; readonly receiver: number } | undefined
  readonly lateness: Lateness
  /** Seconds without a message from the daemon, at most. */
  readonly silence: number
}

/**
 * One round of one daemon: all steps, or those up to `last`.
 *
 * @throws TypeError when a session ends that should not, or a table is not what was announced
 */
export async function runRound(
  reflector: Reflector,
  address: string,
  stage: Stage,
  budget: Budget,
  last: Step = 'withdraw',
): Promise<Round> {
  const port = await freePort(address)
  await using daemon = new Daemon(reflector, {
    address,
    port,
    managementPort: await freePort(address),
    family: stage.family,
    clients: [INJECTOR, RECEIVER, LATE_JOINER],
  })
  try {
    return await new Play({ daemon, address, port, stage, budget, last }).run()
  } catch (error) {
    const output = daemon.output === '' ? '' : `\n${daemon.output}`
    throw new TypeError(`${reflector.name}: ${(error as Error).message}${output}`, { cause: error })
  }
}
