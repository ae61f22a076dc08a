import { median } from '../harness/statistics.ts'
import type { Goal, Measure } from '../harness/result.ts'
import { rotated, type Context, type Part, type PartFigures } from '../harness/run.ts'
import { end, POD, setUnderlay } from '../tun/contender.ts'
import { datagramsTo } from '../tun/counters.ts'
import { outputOf } from '../tun/namespaces.ts'
import { compiled } from '../tun/native-tools.ts'
import { KINDS, NAMES, softwareOf, start, TCP_KINDS, type Contender, type Kind } from './contender.ts'

export const PORT = 5201
/** Clients, servers of TCP and the kernel's work for both are kept here: what a core carries. */
export const CPU = 0

/** How many rounds, and turns of each. Streams that a network cuts have one turn: losses at the beginning would count for more. */
const TIMES = { super: { count: 15, turns: 12 }, wire: { count: 15 } } as const

type Once = (contender: Contender, seconds: number) => Promise<number>

/**
 * Rounds of all contenders in turn.
 *
 * @param times how many of them, unless they are quick ones; and `turns`: parts of a round, each of all contenders: the machine's own ups and downs, which are longer, fall on all alike
 */
export async function rounds(
  contenders: readonly Contender[],
  { quick, signal, progress }: Context,
  label: string,
  once: Once,
  times: { readonly count?: number; readonly turns?: number } = {},
): Promise<Map<string, number[]>> {
  const { turns = 1 } = times
  const [count, seconds] = quick ? [1, 0.5] : [times.count ?? 5, 1.2]
  const figures = new Map(contenders.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round < count; round++) {
    const sums = new Map<string, number>()
    for (let turn = 0; turn < turns; turn++) {
      for (const contender of rotated(contenders, round + turn)) {
        signal.throwIfAborted()
        sums.set(contender.name, (sums.get(contender.name) ?? 0) + (await once(contender, seconds / turns)))
      }
    }
    for (const [name, sum] of sums) figures.get(name)?.push(sum / turns)
  }
  for (const [name, one] of figures) progress(`${label}: ${name} ${median(one).toFixed(2)}`)
  return figures
}

export const tcpOnce: Once = async ({ namespaces }, seconds) => {
  const argv = [compiled('traffic'), 'tcp-blast', POD.b, `${PORT}`, '1', `${seconds}`]
  const [octets, time] = (await outputOf(namespaces.start('pod-a', argv, CPU))).split(' ').map(Number)
  return (octets * 8) / time / 1e9
}

/**
 * Packets of 64 octets that reach pod b, millions a second: what its UDP took, or had no room for. Who reads them is on another core: beside a sender that never
 * waits it would take turns with it, and what is counted is that core's work and not the reader's.
 */
const packetsOnce: Once = async ({ namespaces }, seconds) => {
  const sink = await namespaces.serve('pod-b', [compiled('traffic'), 'udp-count', `${PORT + 1}`, `${seconds + 10}`], 1)
  const before = datagramsTo(namespaces, 'pod-b')
  const argv = [compiled('traffic'), 'udp-blast', POD.b, `${PORT + 1}`, '64', '16', `${seconds}`, '0']
  await outputOf(namespaces.start('pod-a', argv, CPU))
  const after = datagramsTo(namespaces, 'pod-b')
  await end(sink)
  return (after - before) / seconds / 1e6
}

async function withContenders(
  context: Context,
  kinds: readonly Kind[],
  work: (contenders: readonly Contender[]) => Promise<Measure[]>,
): Promise<PartFigures> {
  const contenders: Contender[] = []
  try {
    for (const kind of kinds) if (context.wants(NAMES[kind])) contenders.push(await start(kind))
    return { software: softwareOf(contenders.map(({ kind }) => kind)), measures: await work(contenders) }
  } finally {
    for (const contender of contenders) await contender.close()
  }
}

const series = (figures: ReadonlyMap<string, readonly number[]>): Measure['series'] =>
  Array.from(figures, ([name, one]) => ({ name, rounds: one }))

export const tcp: Part = {
  id: 'tcp',
  title: 'TCP from pod to pod',
  about: `One stream, cubic, clients, servers and all work of the kernel for them on one core. Underlay "super": large segments cross the veth whole. "wire": they
are cut in software into frames of 1,500 octets before it, and joined by GRO behind it. Fifteen rounds of each: one of "super" is twelve streams of a tenth of a second, in turn
with the others, and one of "wire" a single stream.`,
  run: (context) =>
    withContenders(context, TCP_KINDS, async (contenders) => {
      for (const { namespaces } of contenders) await namespaces.serve('pod-b', [compiled('traffic'), 'tcp-serve', `${PORT}`], CPU)
      const measures: Measure[] = []
      for (const underlay of ['super', 'wire'] as const) {
        for (const { namespaces } of contenders) setUnderlay(namespaces, underlay)
        const figures = await rounds(contenders, context, underlay, tcpOnce, TIMES[underlay])
        const common = { unit: 'Gbit/s', better: 'higher' } as const
        const of = (first: string, ...without: readonly string[]): Measure['series'] =>
          series(new Map([first, ...figures.keys()].flatMap((name) => (without.includes(name) ? [] : [[name, figures.get(name) ?? []]]))))
        const { heddle, heddleJoint, heddleVxlan, minimal, vxlan } = NAMES
        if (underlay === 'super') {
          const goals: readonly Goal[] = [
            { kind: 'times-better', factor: 0.97, than: minimal },
            { kind: 'times-better', factor: 1.4, than: vxlan },
          ]
          measures.push({ id: 'tcp-super', title: 'Underlay "super"', ...common, series: of(heddle), goals })
          continue
        }
        const byLabel: readonly Goal[] = [{ kind: 'times-better', factor: 0.8, than: vxlan }]
        const beyond: readonly Goal[] = [{ kind: 'times-better', factor: 1, than: vxlan, beyond: true }]
        const byVni: readonly Goal[] = [{ kind: 'times-better', factor: 0.97, than: vxlan }]
        measures.push(
          {
            id: 'tcp-wire-joint',
            title: 'Underlay "wire", joint labels',
            ...common,
            series: of(heddleJoint, heddle, heddleVxlan),
            goals: beyond,
          },
          {
            id: 'tcp-wire',
            title: 'Underlay "wire"',
            ...common,
            series: of(heddle, heddleJoint, heddleVxlan),
            goals: [...byLabel, ...beyond],
          },
          {
            id: 'tcp-wire-vxlan',
            title: 'Underlay "wire", VXLAN chosen',
            ...common,
            series: of(heddleVxlan, heddle, heddleJoint),
            goals: byVni,
          },
        )
      }
      // Of a run with some participants alone.
      return measures.filter(({ series: [first] }) => first.rounds.length > 0)
    }),
}

export const packets: Part = {
  id: 'packets',
  title: 'Packets of 64 octets from pod to pod',
  about: `UDP by 16 flows, as fast as one core sends and carries them up to the socket of the other pod: the whole chain from pod to pod. Who reads that socket is
on the other core, so that it takes nothing from the one that is measured, and what the socket has no room for is counted as well as what it takes. Most of the time is the
sockets', the same for all: what the devices and programs between them take is measured by itself in the chain of devices, and has its goal
there. The goal here is one beyond: with the sockets of both ends in it, which no router can make less, less is left of a ratio.`,
  run: (context) =>
    withContenders(context, KINDS, async (contenders) => {
      const figures = await rounds(contenders, context, '64 octets', packetsOnce)
      const goals: readonly Goal[] = [{ kind: 'times-better', factor: 1.9, than: NAMES.vxlan, beyond: true }]
      return [{ id: 'packets', title: 'Packets that arrive', unit: 'Mpps', better: 'higher', series: series(figures), goals }]
    }),
}
