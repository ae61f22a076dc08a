import type { LogFields, Logger, LogLevel } from '../logger.js'

/** One line as it was logged, with the fields of the loggers it came through. */
export interface LogRecord {
  readonly level: Exclude<LogLevel, 'silent'>
  readonly message: string
  readonly fields: LogFields
}

/** A logger that keeps what it is told, for tests to look at. */
export interface RecordingLogger extends Logger {
  /** Lines in order, those of child loggers included. */
  readonly records: readonly LogRecord[]
}

/** Keeps every line of every level. */
export function recordingLogger(): RecordingLogger {
  const records: LogRecord[] = []
  return { ...recordInto(records, {}), records }
}

function recordInto(records: LogRecord[], context: LogFields): Logger {
  const at =
    (level: LogRecord['level']) =>
    (message: string, fields?: LogFields): void => {
      records.push({ level, message, fields: { ...context, ...fields } })
    }
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => recordInto(records, { ...context, ...fields }),
  }
}
