import type { LogLevel } from '@heddle/io'

/** What `--log-level` takes, from the loudest to the quietest. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const satisfies readonly LogLevel[]
