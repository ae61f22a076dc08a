import type { ChildProcess } from 'node:child_process'
import { Daemon } from '../daemon/daemon.ts'
import { freePort } from '../daemon/free-port.ts'
import type { Reflector } from '../daemon/reflector.ts'
import type { PeerProcess } from '../peer/peer-process.ts'
import type { WorkloadFiles } from '../peer/protocol.ts'
import { readProbe } from '../probe/probed.ts'
import type { AddressFamily } from '../workload/family.ts'
import type { Budget } from './budget.ts'

export const INJECTOR = '127.0.61.1'
export const RECEIVER = '127.0.61.2'
export const LATE_JOINER = '127.0.61.3'
/** Seconds; short, so that a daemon that is busy with anything else for long is found out. */
export const HOLD_TIME = 9
const OPEN_TIMEOUT = 30_000

/** What takes part in every round beside the daemon. */
export interface Stage {
  readonly family: AddressFamily
  readonly workload: WorkloadFiles
  readonly injector: PeerProcess
  readonly receiver: PeerProcess
  readonly idle: ChildProcess
}

/** What happens to a daemon in a round, in this order. */
export const STEPS = ['reflect', 'late-joiner', 'flap-down', 'flap-up', 'withdraw'] as const
export type Step = (typeof STEPS)[number]

/** Figures of one daemon in one round; steps that did not fit into the budget are not there. */
export interface Round {
  /** Seconds. */
  readonly steps: Partial<Record<Step, number>>
  /** MiB: when the table was out for the first time, and at the end. */
  readonly peakReflected: number
  readonly peak: number
  /** Octets of array buffers when the table was in, of a daemon that can be asked. */
  readonly arrayBuffers?: number
  /** Seconds of processor time until the table was out: the daemon, and those that measure it. */
  readonly cpu: { readonly daemon: number; readonly injector: number; readonly receiver: number }
  /** Milliseconds by which timers were late while the daemon worked, and those of a process that did nothing meanwhile. */
  readonly lateness: { readonly daemon: readonly number[]; readonly idle: readonly number[] }
  /** Seconds without a message from the daemon, at most. */
  readonly silence: number
}

/**
 * One round of one daemon.
 *
 * @throws TypeError when a session ends that should not, or a table is not what was announced
 */
export async function runRound(reflector: Reflector, address: string, stage: Stage, budget: Budget): Promise<Round> {
  const port = await freePort(address)
  await using daemon = new Daemon(reflector, {
    address,
    port,
    managementPort: await freePort(address),
    family: stage.family,
    clients: [INJECTOR, RECEIVER, LATE_JOINER],
  })
  try {
    return await new Play(daemon, reflector.probed === true, { address, port }, stage, budget).run()
  } catch (error) {
    throw new TypeError(`${reflector.name}: ${(error as Error).message}${daemon.output === '' ? '' : `\n${daemon.output}`}`, {
      cause: error,
    })
  }
}

interface Place {
  readonly address: string
  readonly port: number
}

class Play {
  readonly #daemon: Daemon
  readonly #probed: boolean
  readonly #at: Place
  readonly #stage: Stage
  readonly #budget: Budget
  readonly #steps: Partial<Record<Step, number>> = {}
  readonly #lateness = { daemon: [] as number[], idle: [] as number[] }

  constructor(daemon: Daemon, probed: boolean, at: Place, stage: Stage, budget: Budget) {
    this.#daemon = daemon
    this.#probed = probed
    this.#at = at
    this.#stage = stage
    this.#budget = budget
  }

  async run(): Promise<Round> {
    const { injector, receiver } = this.#stage
    await this.#open(receiver, RECEIVER)
    await this.#open(injector, INJECTOR)
    await Promise.all([injector.call('usage', {}), receiver.call('usage', {})])
    const before = this.#daemon.cpu
    const all = { announced: this.#stage.workload.routes }
    const none = { withdrawn: this.#stage.workload.routes }
    const sent = (what: 'announcements' | 'withdrawals') => async (): Promise<number> =>
      (await injector.call('send', { id: INJECTOR, what })).first

    await this.#step('reflect', all, sent('announcements'), true)
    const [{ cpu: injected }, { cpu: received }] = await Promise.all([injector.call('usage', {}), receiver.call('usage', {})])
    const cpu = { daemon: this.#daemon.cpu - before, injector: injected / 1000, receiver: received / 1000 }
    const peakReflected = this.#daemon.peakMemory
    const arrayBuffers = this.#probed ? (await readProbe(this.#daemon.process)).memory.arrayBuffers : undefined

    await this.#lateJoiner()
    await this.#step('flap-down', none, async () => (await injector.call('break', { id: INJECTOR })).at, false)
    if (this.#steps['flap-down'] !== undefined) {
      await this.#open(injector, INJECTOR)
      await this.#step('flap-up', all, sent('announcements'), true)
      await this.#step('withdraw', none, sent('withdrawals'), false)
    }
    const silence = await this.#silence()
    await Promise.all([injector.call('break', { id: INJECTOR }), receiver.call('break', { id: RECEIVER })])
    const peak = this.#daemon.peakMemory
    return {
      steps: this.#steps,
      peakReflected,
      peak,
      ...(arrayBuffers === undefined ? {} : { arrayBuffers }),
      cpu,
      lateness: this.#lateness,
      silence: silence / 1000,
    }
  }

  /** From the moment that `begin` returns to the last route at the receiver, whose table is judged then. */
  async #step(
    step: Step,
    target: { announced?: number; withdrawn?: number },
    begin: () => Promise<number>,
    complete: boolean,
  ): Promise<void> {
    const { receiver } = this.#stage
    if (this.#isOver) return
    await this.#budget.run(async (signal) => {
      await receiver.call('arm', { id: RECEIVER, target })
      await this.#observed(async () => {
        const [from, { at }] = await Promise.all([begin(), receiver.call('reached', { id: RECEIVER }, signal)])
        this.#steps[step] = (at - from) / 1000
      })
      await this.#judge(RECEIVER, complete, step)
    })
  }

  async #lateJoiner(): Promise<void> {
    const { receiver, workload } = this.#stage
    if (this.#isOver) return
    await this.#budget.run(async (signal) => {
      await this.#observed(async () => {
        const { establishedAt } = await this.#open(receiver, LATE_JOINER)
        await receiver.call('arm', { id: LATE_JOINER, target: { announced: workload.routes } })
        const { at } = await receiver.call('reached', { id: LATE_JOINER }, signal)
        this.#steps['late-joiner'] = (at - establishedAt) / 1000
      })
      await this.#judge(LATE_JOINER, true, 'late-joiner')
    })
    await receiver.call('break', { id: LATE_JOINER })
  }

  /** Whether a step was left out already: those behind it build on it. */
  get #isOver(): boolean {
    const done = STEPS.filter((step) => this.#steps[step] !== undefined).length
    return done < this.#begun++
  }
  #begun = 0

  /** Takes the timers' lateness while something is done, and only then. */
  async #observed(action: () => Promise<void>): Promise<void> {
    const processes = this.#probed ? [this.#daemon.process, this.#stage.idle] : []
    await Promise.all(processes.map(readProbe))
    await action()
    const [daemon, idle] = await Promise.all(processes.map(readProbe))
    for (const late of daemon?.lateness ?? []) this.#lateness.daemon.push(late)
    for (const late of idle?.lateness ?? []) this.#lateness.idle.push(late)
  }

  #open(peer: PeerProcess, id: string): Promise<{ readonly establishedAt: number }> {
    return peer.call('open', { id, remote: this.#at.address, port: this.#at.port, holdTime: HOLD_TIME, timeout: OPEN_TIMEOUT })
  }

  async #judge(id: string, complete: boolean, step: Step): Promise<void> {
    const { receiver } = this.#stage
    const { differences } = await receiver.call('judge', { id, originator: INJECTOR, cluster: this.#at.address, complete })
    if (differences.length > 0) throw new TypeError(`the table after "${step}" is not what was announced:\n${differences.join('\n')}`)
  }

  async #silence(): Promise<number> {
    const { injector, receiver } = this.#stage
    const sessions = await Promise.all([injector.call('session', { id: INJECTOR }), receiver.call('session', { id: RECEIVER })])
    const ended = sessions.find((session) => session.ended !== undefined)
    if (ended !== undefined) throw new TypeError(`a session ended: ${ended.ended}`)
    return Math.max(...sessions.map(({ longestSilence }) => longestSilence))
  }
}
