import type { Measure } from '../../harness/result.ts'
import { histogram, quantile } from '../../harness/statistics.ts'
import { readProbe } from './probed.ts'

/** Milliseconds by which timers were late, of a process under load and of one that did nothing meanwhile. */
export interface Lateness {
  readonly daemon: number[]
  readonly idle: number[]
}

/** Takes the lateness of timers while something is done, and only then: what is idle would dilute it. */
export class TimerWatch {
  readonly lateness: Lateness = { daemon: [], idle: [] }
  readonly #sockets: readonly string[]

  /** @param daemon where it can be asked; without that nothing is taken */
  constructor(daemon: string | undefined, idle: string) {
    this.#sockets = daemon === undefined ? [] : [daemon, idle]
  }

  async during<T>(action: () => Promise<T>): Promise<T> {
    await Promise.all(this.#sockets.map(readProbe))
    const result = await action()
    const [daemon, idle] = await Promise.all(this.#sockets.map(readProbe))
    for (const late of daemon?.lateness ?? []) this.lateness.daemon.push(late)
    for (const late of idle?.lateness ?? []) this.lateness.idle.push(late)
    return result
  }
}

/** 99th percentile and worst of each round, less those of the idle process, with the histograms of all rounds. */
export function timerMeasures(name: string, rounds: readonly Lateness[]): Measure[] {
  const excess = (q: number) => (lateness: Lateness) => Math.max(0, quantile(lateness.daemon, q) - quantile(lateness.idle, q))
  const measure = (id: string, title: string, q: number, limit: number): Measure => ({
    id,
    title: `${title}, less that of an idle process`,
    unit: 'ms',
    better: 'lower',
    of: 'worst',
    series: [{ name, rounds: rounds.map(excess(q)) }],
    goals: [{ kind: 'at-most', limit }],
  })
  const all = (whose: keyof Lateness): number[] => rounds.flatMap((lateness) => lateness[whose])
  return [
    measure('timers-p99', 'Lateness of timers, 99th percentile', 0.99, 25),
    {
      ...measure('timers-worst', 'Lateness of timers, worst', 1, 50),
      histograms: [histogram(`timers of ${name}`, 'ms', all('daemon')), histogram('timers of an idle process', 'ms', all('idle'))],
    },
  ]
}
