import type { LogFields, Logger, LogLevel } from '../logger.js'

/** Where lines go: a Node writable stream, or anything with `write`. */
export interface LogSink {
  write(line: string): unknown
}

/** What is logged, and where to. */
export interface StreamLoggerOptions {
  /** Usually `process.stderr`. */
  readonly stream: LogSink
  /** The quietest level that is still written; `info` by default. */
  readonly level?: LogLevel
  /** Wall-clock time of a line; the system's by default. */
  readonly time?: () => Date
}

type WrittenLevel = Exclude<LogLevel, 'silent'>

/** From the loudest to the quietest, as `LogLevel` lists them. */
export const LOG_LEVELS: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent']

/** One JSON object a line: `time` (ISO 8601), `level`, `message`, then the fields. A field of one of these three names is left out. */
export function jsonLogger(options: StreamLoggerOptions): Logger {
  return streamLogger(options, (time, level, message, fields) =>
    JSON.stringify({ ...fields, time: time.toISOString(), level, message } satisfies Record<string, unknown>, jsonValue),
  )
}

/** `TIME LEVEL MESSAGE key=value …` for people. Values with spaces, quotes or control characters are quoted, so that a line stays a line. */
export function textLogger(options: StreamLoggerOptions): Logger {
  return streamLogger(options, (time, level, message, fields) => {
    const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${textValue(value)}`)
    return `${time.toISOString()} ${level.padEnd(5)} ${message}${pairs.join('')}`
  })
}

type Format = (time: Date, level: WrittenLevel, message: string, fields: LogFields) => string

function streamLogger({ stream, level = 'info', time = () => new Date() }: StreamLoggerOptions, format: Format): Logger {
  const threshold = LOG_LEVELS.indexOf(level)
  const withContext = (context: LogFields): Logger => {
    const at = (line: WrittenLevel) =>
      LOG_LEVELS.indexOf(line) < threshold
        ? (): void => undefined
        : (message: string, fields?: LogFields): void => {
            stream.write(`${format(time(), line, message, { ...context, ...fields })}\n`)
          }
    return {
      trace: at('trace'),
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => withContext({ ...context, ...fields }),
    }
  }
  return withContext({})
}

/** What JSON cannot say by itself: errors, big integers, octets, maps and sets. */
function jsonValue(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { ...Object.fromEntries(Object.entries(value)), name: value.name, message: value.message }
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Uint8Array) return Array.from(value, (octet) => octet.toString(16).padStart(2, '0')).join('')
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  return value
}

function textValue(value: unknown): string {
  if (value instanceof Error) return textValue(value.message)
  const json = JSON.stringify(value, jsonValue) ?? 'undefined'
  if (!json.startsWith('"')) return json
  const text = JSON.parse(json) as string
  return /^[\w.:/@%+-]+$/.test(text) ? text : json
}
