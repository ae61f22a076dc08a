import { EventEmitter } from 'eventemitter3'
import type { Logger } from './logger.js'

/** Takes what a callback threw that was given by the user of a library; `callback` names it. */
export type CallbackFailed = (callback: string, error: unknown) => void

/** Logs what was thrown, so that it stops neither whoever calls nor others who are told the same. */
export function logFailedCallback(logger: Logger): CallbackFailed {
  return (callback, error) => logger.error('callback failed', { callback, error: error instanceof Error ? error.stack : String(error) })
}

/** Events of which each listener is told whatever another one throws, and whoever emits goes on. */
export class SafeEvents extends EventEmitter {
  constructor(private readonly failed: CallbackFailed) {
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
