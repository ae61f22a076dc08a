import type { Part } from '../harness/run.ts'
import type { Measure } from '../harness/result.ts'
import { NAMES, POD, setUnderlay, type Contender, type ContenderKind, type Underlay } from './contender.ts'
import { outputOf } from './namespaces.ts'
import { compiled } from './native-tools.ts'
import { softwareOf } from './software.ts'
import { start } from './start.ts'

const PORT = 5201
const CONTENDERS = ['heddle', 'c', 'vxlan', 'routing'] as const satisfies readonly ContenderKind[]

/** Bulk TCP from pod to pod. */
export const tcp: Part = {
  id: 'tcp',
  title: 'TCP from pod to pod',
  about: `Two nodes joined by a veth of MTU 1,500, cubic, everything on this machine's cores at once. Underlay "super": large segments cross the veth whole.
"wire": they are cut in software into frames of 1,500 octets before it, and joined by GRO behind it. Heddle and the forwarder in C have a process a node, in a session of its own, and
two threads in each, so they may use two cores where the kernel's tunnel mostly uses one.`,
  async run({ quick, wants, progress, signal }) {
    const [rounds, seconds] = quick ? [1, 0.5] : [3, 2]
    const traffic = compiled('traffic')
    const contenders: Contender[] = []
    try {
      for (const kind of CONTENDERS) if (wants(NAMES[kind])) contenders.push(await start(kind))
      for (const { namespaces } of contenders) {
        await namespaces.serve('pod-b', [traffic, 'tcp-serve', `${PORT}`])
        // Steady state is measured: code is compiled while it runs, and a congestion window has to open.
        await outputOf(namespaces.start('pod-a', [traffic, 'tcp-blast', POD.b, `${PORT}`, '2', `${seconds}`]))
      }
      const measures: Measure[] = []
      for (const underlay of ['super', 'wire'] as const) {
        for (const { namespaces } of contenders) setUnderlay(namespaces, underlay)
        for (const streams of [1, 4]) {
          const figures = new Map(contenders.map(({ name }) => [name, [] as number[]]))
          for (let round = 0; round < rounds; round++) {
            for (const { name, namespaces } of contenders) {
              signal.throwIfAborted()
              const argv = [traffic, 'tcp-blast', POD.b, `${PORT}`, `${streams}`, `${seconds}`]
              const [octets, time] = (await outputOf(namespaces.start('pod-a', argv))).split(' ').map(Number)
              figures.get(name)?.push((octets * 8) / time / 1e9)
              progress(`${underlay}, ${streams} streams: ${name} ${((octets * 8) / time / 1e9).toFixed(2)} Gbit/s`)
            }
          }
          measures.push(measureOf(underlay, streams, figures))
        }
      }
      return { software: softwareOf(contenders), measures }
    } finally {
      for (const contender of contenders) await contender.close()
    }
  },
}

function measureOf(underlay: Underlay, streams: number, figures: ReadonlyMap<string, readonly number[]>): Measure {
  const [factor, beyond] = streams === 1 ? [0.95, 0.95] : [0.9, 0.95]
  return {
    id: `tcp-${streams}-${underlay}`,
    title: `${streams === 1 ? 'One stream' : `${streams} streams`}, underlay "${underlay}"`,
    unit: 'Gbit/s',
    better: 'higher',
    series: Array.from(figures, ([name, one]) => ({ name, rounds: one })),
    goals: [
      { kind: 'times-better', factor, than: NAMES.c },
      ...(beyond > factor ? [{ kind: 'times-better', factor: beyond, than: NAMES.c, beyond: true } as const] : []),
      ...(underlay === 'wire'
        ? ([
            { kind: 'times-better', factor: 0.7, than: NAMES.vxlan },
            { kind: 'times-better', factor: 0.8, than: NAMES.vxlan, beyond: true },
          ] as const)
        : []),
    ],
  }
}
