import type { Measure } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { NAMES, POD, setUnderlay, type Contender, type ContenderKind } from './contender.ts'
import { outputOf } from './namespaces.ts'
import { compiled } from './native-tools.ts'
import { softwareOf } from './software.ts'
import { start } from './start.ts'

const PORT = 5202
const CONTENDERS = ['heddle', 'c', 'vxlan', 'routing'] as const satisfies readonly ContenderKind[]

/** Round trips from pod to pod. */
export const latency: Part = {
  id: 'latency',
  title: 'Round trips from pod to pod',
  about:
    'A ping each millisecond, and one octet over TCP that is answered before the next one is sent. Underlay "super"; nothing else is sent.',
  async run({ quick, wants, progress, signal }) {
    const [rounds, seconds] = quick ? [1, 0.4] : [3, 1.2]
    const traffic = compiled('traffic')
    const contenders: Contender[] = []
    try {
      for (const kind of CONTENDERS) if (wants(NAMES[kind])) contenders.push(await start(kind))
      const rows = new Map<string, Map<string, number[]>>()
      const note = (measure: string, name: string, figure: number): void => {
        const row = rows.get(measure) ?? new Map<string, number[]>()
        rows.set(measure, row)
        row.set(name, [...(row.get(name) ?? []), figure])
      }
      for (const { namespaces } of contenders) {
        setUnderlay(namespaces, 'super')
        await namespaces.serve('pod-b', [traffic, 'tcp-serve', `${PORT}`])
      }
      for (let round = 0; round < rounds; round++) {
        for (const { name, namespaces } of contenders) {
          signal.throwIfAborted()
          const ping = await outputOf(namespaces.start('pod-a', ['ping', '-q', '-c', `${seconds * 1000}`, '-i', '0.001', POD.b]))
          note('ping', name, Number(/= [\d.]+\/([\d.]+)\//.exec(ping)?.[1]) * 1000)
          const asked = await outputOf(namespaces.start('pod-a', [traffic, 'tcp-ask', POD.b, `${PORT}`, `${seconds}`]))
          const [, p50, p99] = asked.split(' ').map(Number)
          note('rr-p50', name, p50)
          note('rr-p99', name, p99)
          progress(`${name}: TCP request and response ${p50} µs (p99 ${p99})`)
        }
      }
      const title: Readonly<Record<string, string>> = {
        ping: 'Ping, mean',
        'rr-p50': 'TCP request and response, median',
        'rr-p99': 'TCP request and response, 99th percentile',
      }
      const measures = Array.from(rows, ([id, row]): Measure => ({
        id,
        title: title[id],
        unit: 'µs',
        better: 'lower',
        series: Array.from(row, ([name, figures]) => ({ name, rounds: figures })),
      }))
      return { software: softwareOf(contenders), measures }
    } finally {
      for (const contender of contenders) await contender.close()
    }
  },
}
