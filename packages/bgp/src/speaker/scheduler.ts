import type { Clock, Logger, Timer } from '@heddle/io'

/**
 * Classes of work, most urgent first. Timers and keepalives are above all of them: they fire between slices, which are short, and the API is
 * carried out when it is called.
 */
export type WorkClass = 'ingest' | 'decide' | 'export' | 'deliver'

/** Work that comes back: `run` does a bounded piece and says whether there is more. What throws is run again, since what comes behind must not wait for it. */
export interface Task {
  readonly work: WorkClass
  run(): boolean
}

const ORDER: readonly WorkClass[] = ['ingest', 'decide', 'export', 'deliver']

/** Milliseconds that a slice may take. */
const SLICE = 2
/** Pieces that a slice may have, which bounds it on a clock that stands still. */
const PIECES = 64
/** Milliseconds that a task which throws time and again waits between two attempts, at most; they double from 1. */
const LONGEST_PAUSE = 100

/** What is known of a task that threw when it ran last. */
interface Failure {
  readonly times: number
  /** Until it is tried again. */
  readonly pause: Timer | undefined
}

/** One cooperative scheduler: pieces of the most urgent class in turn, in slices between which the world gets its time. */
export class Scheduler {
  readonly #queues: Record<WorkClass, Task[]> = { ingest: [], decide: [], export: [], deliver: [] }
  readonly #waiting = new Set<Task>()
  readonly #failed = new Map<Task, Failure>()
  #timer: Timer | undefined
  #stopped = false
  #due = 0
  #lastLag = 0
  #longestLag = 0

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  /** Tasks that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Milliseconds between the moment at which a slice was due and the one at which it began. */
  get lag(): { readonly last: number; readonly longest: number } {
    return { last: this.#lastLag, longest: this.#longestLag }
  }

  /** Has the task run soon; once, however often it is asked for. */
  wake(task: Task): void {
    if (this.#stopped || this.#waiting.has(task)) return
    this.#waiting.add(task)
    this.#queues[task.work].push(task)
    this.#arm()
  }

  /** Does at once what waits of some classes, and what it leads to. */
  drain(classes: readonly WorkClass[]): void {
    for (let task = this.#next(classes); task !== undefined; task = this.#next(classes)) this.#run(task)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
    this.#waiting.clear()
    for (const { pause } of this.#failed.values()) pause?.cancel()
    this.#failed.clear()
    for (const work of ORDER) this.#queues[work].length = 0
  }

  #arm(): void {
    if (this.#timer !== undefined) return
    this.#due = this.clock.now()
    this.#timer = this.clock.setTimer(0, () => this.#slice())
  }

  #slice(): void {
    this.#timer = undefined
    this.#lastLag = this.clock.now() - this.#due
    this.#longestLag = Math.max(this.#longestLag, this.#lastLag)
    const end = this.clock.now() + SLICE
    for (let pieces = 0; pieces < PIECES; pieces++) {
      const task = this.#next()
      if (task === undefined) return
      this.#run(task)
      if (this.clock.now() >= end) break
    }
    if (this.#waiting.size > 0) this.#arm()
  }

  #run(task: Task): void {
    this.#waiting.delete(task)
    try {
      const isLeft = task.run()
      if (this.#failed.size > 0) this.#recovered(task)
      if (isLeft) this.wake(task)
    } catch (error) {
      this.#retry(task)
      this.logger.error('work failed', { work: task.work, error: error instanceof Error ? error.stack : String(error) })
    }
  }

  #recovered(task: Task): void {
    this.#failed.get(task)?.pause?.cancel()
    this.#failed.delete(task)
  }

  /** Once at once: most often one message or route is at fault. What goes on throwing must not keep the process busy. */
  #retry(task: Task): void {
    if (this.#stopped) return
    const { times: before = 0, pause: earlier } = this.#failed.get(task) ?? {}
    earlier?.cancel()
    const times = before + 1
    const pause = times === 1 ? undefined : this.clock.setTimer(Math.min(2 ** (times - 2), LONGEST_PAUSE), () => this.wake(task))
    this.#failed.set(task, { times, pause })
    if (pause === undefined) this.wake(task)
  }

  #next(classes: readonly WorkClass[] = ORDER): Task | undefined {
    for (const work of classes) {
      const task = this.#queues[work].shift()
      if (task !== undefined) return task
    }
    return undefined
  }
}
