import type { Clock } from '@heddle/io'

/** Tells whether something that was due at one moment has been done. */
export type Done = () => boolean

/** What a wait is made of: what must be decided first, and then what must be written. Each is asked for once, when its turn comes. */
export interface FlushSteps {
  /** Looks at what is to be decided now. */
  decided(): Done
  /** Looks at what is to be written now. */
  written(): Done
}

interface Wait {
  step: 'decide' | 'write'
  done: Done
  readonly end: () => void
}

/**
 * Waits for what was announced and withdrawn up to a moment: its destinations are decided, and then what this put into the queues of the
 * sessions is written. What comes later is not waited for, so that a wait ends however busy the speaker is.
 */
export class FlushWaits {
  readonly #waits = new Set<Wait>()

  constructor(
    private readonly clock: Clock,
    private readonly steps: FlushSteps,
  ) {}

  /** @param timeout milliseconds after which the wait is over in any case */
  wait(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(timeout, () => wait.end())
      const wait: Wait = {
        step: 'decide',
        done: this.steps.decided(),
        end: () => {
          timer.cancel()
          this.#waits.delete(wait)
          resolve()
        },
      }
      this.#waits.add(wait)
      this.check()
    })
  }

  /** Something was decided or written, or need not be any more. */
  check(): void {
    for (const wait of this.#waits) {
      if (wait.step === 'decide' && wait.done()) {
        wait.step = 'write'
        wait.done = this.steps.written()
      }
      if (wait.step === 'write' && wait.done()) wait.end()
    }
  }

  /** Nothing will be written any more. */
  stop(): void {
    for (const wait of this.#waits) wait.end()
  }
}
