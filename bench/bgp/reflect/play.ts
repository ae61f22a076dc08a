import type { Daemon } from '../daemon/daemon.ts'
import { columnOctets } from '../daemon/heddle-metrics.ts'
import type { PeerProcess } from '../peer/peer-process.ts'
import { HOLD_TIME } from '../peer/session.ts'
import { readProbe } from '../probe/probed.ts'
import { TimerWatch } from '../probe/timer-watch.ts'
import type { Budget } from './budget.ts'
import { INJECTOR, LATE_JOINER, RECEIVER, STEPS, type Round, type Step } from './round.ts'
import type { Stage } from './stage.ts'

const OPEN_TIMEOUT = 30_000

export interface PlayOptions {
  readonly daemon: Daemon
  readonly address: string
  readonly port: number
  readonly stage: Stage
  readonly budget: Budget
  readonly last: Step
}

/** The steps of a round with one daemon that runs. */
export class Play {
  readonly #options: PlayOptions
  readonly #injector: PeerProcess
  readonly #receiver: PeerProcess
  readonly #timers: TimerWatch
  readonly #steps: Partial<Record<Step, number>> = {}

  constructor(options: PlayOptions) {
    const { daemon, stage } = options
    this.#options = options
    this.#injector = stage.injector
    this.#receiver = stage.receiver
    this.#timers = new TimerWatch(daemon.probe, stage.idle)
  }

  async run(): Promise<Round> {
    const { daemon } = this.#options
    await this.#open(this.#receiver, RECEIVER)
    await this.#open(this.#injector, INJECTOR)
    await this.#usage()
    const before = daemon.cpu
    let cpu: Round['cpu']
    await this.#step('reflect', async (signal) => {
      const seconds = await this.#until('announced', signal, () => this.#send('announcements'))
      cpu = { daemon: daemon.cpu - before, ...(await this.#usage()) }
      return seconds
    })
    const isOut = this.#steps.reflect !== undefined
    const peakReflected = isOut ? daemon.peakMemory : undefined
    const offHeap = !isOut || daemon.probe === undefined ? undefined : await offHeapOf(daemon.directory, daemon.probe)

    await this.#step('late-joiner', (signal) => this.#joinLate(signal))
    await this.#step('flap-down', (signal) => this.#until('withdrawn', signal, () => this.#break()))
    await this.#step('flap-up', async (signal) => {
      await this.#open(this.#injector, INJECTOR)
      return this.#until('announced', signal, () => this.#send('announcements'))
    })
    await this.#step('withdraw', (signal) => this.#until('withdrawn', signal, () => this.#send('withdrawals')))
    const silence = await this.#silence()
    await this.#break()
    await this.#receiver.call('break', { id: RECEIVER })
    return { steps: this.#steps, peakReflected, peak: daemon.peakMemory, offHeap, cpu, lateness: this.#timers.lateness, silence }
  }

  /** Takes the seconds of a step, and judges the table that it left. A step that builds on one that was left out is left out too. */
  async #step(step: Step, action: (signal: AbortSignal) => Promise<number>): Promise<void> {
    const { budget, last } = this.#options
    const place = STEPS.indexOf(step)
    if (place > STEPS.indexOf(last) || (place > 0 && this.#steps[STEPS[place - 1]] === undefined)) return
    const seconds = await budget.run((signal) => this.#timers.during(() => action(signal)))
    if (seconds === undefined) return
    this.#steps[step] = seconds
    const id = step === 'late-joiner' ? LATE_JOINER : RECEIVER
    const complete = step !== 'flap-down' && step !== 'withdraw'
    const { differences } = await this.#receiver.call('judge', { id, originator: INJECTOR, cluster: this.#options.address, complete })
    if (differences.length > 0) throw new TypeError(`the table after "${step}" is not what was announced:\n${differences.join('\n')}`)
    if (step === 'late-joiner') await this.#receiver.call('break', { id })
  }

  /** Seconds from the moment that `begin` tells until the receiver was told of every route. */
  async #until(what: 'announced' | 'withdrawn', signal: AbortSignal, begin: () => Promise<number>): Promise<number> {
    await this.#receiver.call('arm', { id: RECEIVER, target: { [what]: this.#options.stage.workload.routes } })
    const [from, { at }] = await Promise.all([begin(), this.#receiver.call('reached', { id: RECEIVER }, signal)])
    return (at - from) / 1000
  }

  async #joinLate(signal: AbortSignal): Promise<number> {
    const { establishedAt } = await this.#open(this.#receiver, LATE_JOINER)
    await this.#receiver.call('arm', { id: LATE_JOINER, target: { announced: this.#options.stage.workload.routes } })
    const { at } = await this.#receiver.call('reached', { id: LATE_JOINER }, signal)
    return (at - establishedAt) / 1000
  }

  /** When the first octet went out. */
  async #send(what: 'announcements' | 'withdrawals'): Promise<number> {
    return (await this.#injector.call('send', { id: INJECTOR, what })).first
  }

  /** When the injector broke off. */
  async #break(): Promise<number> {
    return (await this.#injector.call('break', { id: INJECTOR })).at
  }

  #open(peer: PeerProcess, id: string): Promise<{ readonly establishedAt: number }> {
    const { address, port } = this.#options
    return peer.call('open', { id, remote: address, port, timeout: OPEN_TIMEOUT })
  }

  /** Seconds of processor time of those that measure, since the last time. */
  async #usage(): Promise<{ readonly injector: number; readonly receiver: number }> {
    const [injector, receiver] = await Promise.all([this.#injector, this.#receiver].map((peer) => peer.call('usage', {})))
    return { injector: injector.cpu / 1000, receiver: receiver.cpu / 1000 }
  }

  /** Seconds without a message from the daemon, at most. @throws TypeError when it has ended a session */
  async #silence(): Promise<number> {
    const sessions = await Promise.all([this.#injector.call('session', { id: INJECTOR }), this.#receiver.call('session', { id: RECEIVER })])
    const ended = sessions.find((session) => session.ended !== undefined)
    if (ended !== undefined) throw new TypeError(`a session ended, of a hold time of ${HOLD_TIME} s: ${ended.ended}`)
    return Math.max(...sessions.map(({ longestSilence }) => longestSilence)) / 1000
  }
}

/** Octets outside of the JavaScript heap of a speaker. */
async function offHeapOf(directory: string, probe: string): Promise<NonNullable<Round['offHeap']>> {
  const { memory } = await readProbe(probe)
  return { all: memory.arrayBuffers, columns: await columnOctets(directory) }
}
