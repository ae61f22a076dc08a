import type { Measure } from '../harness/result.ts'
import type { Context, Part } from '../harness/run.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { LABEL, NAMES, NODE, POD, end, setUnderlay, type Contender } from './contender.ts'
import { datagramsTo } from './counters.ts'
import { outputOf } from './namespaces.ts'
import { compiled } from './native-tools.ts'
import { softwareOf } from './software.ts'
import { start } from './start.ts'

const OCTETS = 64
/** Inner flows in turn, so that no two packets that follow each other can be joined. */
const FLOWS = 8
const PORT = 9

/** Packets of 64 octets, as many as one processor forwards. */
export const packets: Part = {
  id: 'packets',
  title: 'Packets of 64 octets',
  about: `UDP of ${FLOWS} flows in turn, from a pod into the tunnel (encap) and out of the tunnel into a pod (decap), more than can be forwarded; the forwarder
under test is kept on one processor, who sends and who counts on another. Underlay "super".`,
  async run({ quick, wants, progress, signal }) {
    const [rounds, seconds] = quick ? [1, 0.6] : [5, 1.2]
    const contenders: Contender[] = []
    try {
      for (const kind of ['heddle', 'c'] as const) if (wants(NAMES[kind])) contenders.push(await start(kind, { sites: ['a'], cpu: 1 }))
      for (const { namespaces } of contenders) setUnderlay(namespaces, 'super')
      const figures = { encap: emptyRows(contenders), decap: emptyRows(contenders) }
      for (let round = 0; round < rounds; round++) {
        for (const contender of contenders) {
          signal.throwIfAborted()
          figures.encap.get(contender.name)?.push(report(await encap(contender, seconds), 'encap', contender, progress))
          figures.decap.get(contender.name)?.push(report(await decap(contender, seconds), 'decap', contender, progress))
        }
      }
      return {
        software: softwareOf(contenders),
        measures: [measureOf('encap', 0.95, figures.encap), measureOf('decap', 0.9, figures.decap)],
      }
    } finally {
      for (const contender of contenders) await contender.close()
    }
  },
}

/** Millions of packets a second that leave node a in tunnels, counted at node b. */
export async function encap({ namespaces }: Contender, seconds: number): Promise<number> {
  const traffic = compiled('traffic')
  const counter = await namespaces.serve('node-b', [traffic, 'udp-count', '6635', `${seconds + 0.4}`], 0)
  const counted = outputOf(counter)
  await outputOf(namespaces.start('pod-a', [traffic, 'udp-blast', POD.b, `${PORT}`, `${OCTETS}`, `${FLOWS}`, `${seconds}`, '0'], 0))
  const [count, time] = (await counted).split(' ').map(Number)
  return count / time / 1e6
}

/** Millions of packets a second that reach pod a: what its UDP took, or had no room for. */
export async function decap({ namespaces }: Contender, seconds: number): Promise<number> {
  const traffic = compiled('traffic')
  const sink = await namespaces.serve('pod-a', [traffic, 'udp-count', `${PORT}`, `${seconds + 5}`], 0)
  const blast = [traffic, 'label-blast', NODE.a, `${LABEL.a}`, POD.b, POD.a, `${OCTETS}`, `${FLOWS}`, `${seconds + 0.4}`]
  const blasting = outputOf(namespaces.start('node-b', blast, 0))
  // Counted while it is blasted, from when everything runs.
  await sleep(200)
  const count = (): number => datagramsTo(namespaces, 'pod-a')
  const [before, begin] = [count(), performance.now()]
  await sleep(seconds * 1000)
  const [after, time] = [count(), performance.now() - begin]
  await blasting
  await end(sink)
  return (after - before) / time / 1000
}

function emptyRows(contenders: readonly Contender[]): Map<string, number[]> {
  return new Map(contenders.map(({ name }) => [name, []]))
}

function report(figure: number, what: string, { name }: Contender, progress: Context['progress']): number {
  progress(`${what}: ${name} ${figure.toFixed(3)} Mpps`)
  return figure
}

function measureOf(id: string, factor: number, rows: ReadonlyMap<string, readonly number[]>): Measure {
  return {
    id: `packets-${id}`,
    title: id === 'encap' ? 'From the pod into the tunnel' : 'From the tunnel into the pod',
    unit: 'Mpps',
    better: 'higher',
    series: Array.from(rows, ([name, rounds]) => ({ name, rounds })),
    goals: [
      { kind: 'times-better', factor, than: NAMES.c },
      ...(factor < 0.95 ? ([{ kind: 'times-better', factor: 0.95, than: NAMES.c, beyond: true }] as const) : []),
    ],
  }
}
