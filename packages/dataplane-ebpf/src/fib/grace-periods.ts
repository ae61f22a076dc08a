import type { FibReaders } from '@heddle/core'

/** Waits for programs that are running: until each of them has come to its end. */
export interface ProgramsWait {
  /** Blocks the process meanwhile. */
  readonly wait: () => void
  /** Waits beside everything else. */
  readonly passed: () => Promise<void>
}

/**
 * Tells which of the words that programs were once led to none of them reads any more: a grace period of the kernel's RCU, in whose read-side sections
 * programs run, has passed since. Time alone does not tell: a CPU of a virtual machine stands still for as long as its host likes.
 */
export class GracePeriods implements FibReaders {
  readonly #programs: ProgramsWait
  #moment = 1
  #passed = 0
  /** The last moment that somebody asked for. */
  #asked = 0
  #isWaiting = false

  constructor(programs: ProgramsWait) {
    this.#programs = programs
  }

  /** For who has led programs elsewhere: a grace period begins, or follows the one that is under way. */
  get now(): number {
    const moment = this.#moment
    this.#asked = moment
    if (!this.#isWaiting) void this.#waitBeside()
    return moment
  }

  get passed(): number {
    return this.#passed
  }

  /** Waits until everything has passed that is asked for so far, milliseconds in which this process does nothing else. @throws LinuxError */
  wait(): void {
    const moment = this.#moment++
    this.#programs.wait()
    this.#passed = Math.max(this.#passed, moment)
  }

  async #waitBeside(): Promise<void> {
    this.#isWaiting = true
    try {
      while (this.#asked > this.#passed) {
        const moment = this.#moment++
        await this.#programs.passed()
        this.#passed = Math.max(this.#passed, moment)
      }
    } catch {
      // Nothing has passed: who asks next has it tried again, and who cannot go on without is told.
    } finally {
      this.#isWaiting = false
    }
  }
}
