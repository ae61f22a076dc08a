import { ConfigError } from './config/config-error.js'
import { ControlError } from './control/protocol.js'

/** What the process says when it ends. */
export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3 } as const
/** One of the values of `EXIT`. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What was asked for in a way that has no meaning: a wrong option, a missing value. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The exit code that `error` stands for. A configuration that is wrong was refused; only a wrong command line is wrong usage. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.usage
  if (error instanceof ConfigError) return EXIT.refused
  if (error instanceof ControlError && (error.code === 'control.unreachable' || error.code === 'control.closed')) return EXIT.unreachable
  return EXIT.refused
}
