import type { NumberRange } from '../dataplane/policy.js'
import type { ServiceIntent } from './traffic.js'

/** How it is found out whether a backend on this node answers. */
export interface HealthCheckIntent {
  /** `tcp`: a connection is accepted. `http`: a GET is answered with a status of `status`. */
  readonly type: 'tcp' | 'http'
  /** 1–65,535; the backend's own when left out, which only a TCP service has. */
  readonly port?: number
  /** Milliseconds from one question to the next, 100 and up. */
  readonly interval: number
  /** Milliseconds for the answer, 1 to `interval`. */
  readonly timeout: number
  /** Answers in a row that bring back a backend, 1 and up. */
  readonly rise: number
  /** Failures in a row that take it away, 1 and up. */
  readonly fall: number
  /** Of `http`, from `/` on; `/` when left out. */
  readonly path?: string
  /** Of `http`; 200–399 when left out. */
  readonly status?: NumberRange
}

/** Least interval of questions, milliseconds. */
const LEAST_INTERVAL = 100

/** What is wrong with the check of a service; empty when nothing is. */
export function healthProblems({ protocol, health }: Pick<ServiceIntent, 'protocol' | 'health'>): readonly string[] {
  if (health === undefined) return []
  const { port, interval, timeout, rise, fall, path = '/', status = { first: 200, last: 399 } } = health
  const within = (what: string, value: number, first: number, last: number): string[] =>
    Number.isInteger(value) && value >= first && value <= last ? [] : [`${what} ${value} of health is not within ${first}–${last}`]
  return [
    ...(port === undefined
      ? protocol === 'tcp'
        ? []
        : [`health needs a port, as nothing answers by TCP at that of a service of ${protocol}`]
      : within('port', port, 1, 65_535)),
    ...within('interval', interval, LEAST_INTERVAL, 86_400_000),
    ...within('timeout', timeout, 1, interval),
    ...within('rise', rise, 1, 1000),
    ...within('fall', fall, 1, 1000),
    ...(/^\/[!-~]*$/.test(path) ? [] : [`path ${JSON.stringify(path)} of health is none: it begins with / and has no blank`]),
    ...(status.first <= status.last ? [] : [`status ${status.first}–${status.last} of health is no range`]),
    ...within('status', status.first, 100, 599),
    ...within('status', status.last, 100, 599),
  ]
}
