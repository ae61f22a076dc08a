import type { Logger } from '@heddle/io'
import { EventEmitter } from 'eventemitter3'

/** Takes what a callback of the speaker's user threw. */
export type Failed = (callback: string, error: unknown) => void

/** Logs what was thrown, so that it stops neither the speaker nor others who are told the same. */
export function failedTo(logger: Logger): Failed {
  return (callback, error) => logger.error('callback failed', { callback, error: error instanceof Error ? error.stack : String(error) })
}

/** Events of which each listener is told whatever another one throws, and whoever emits goes on. */
export class SafeEvents extends EventEmitter {
  constructor(private readonly failed: Failed) {
    super()
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const listeners = this.listeners(event)
    for (const listener of listeners) {
      // only where it is one of `once`: such a one is told no second time, also when it leads to the same event
      this.removeListener(event, listener, undefined, true)
      try {
        Reflect.apply(listener, this, args)
      } catch (error) {
        this.failed(`listener of ${String(event)}`, error)
      }
    }
    return listeners.length > 0
  }
}
