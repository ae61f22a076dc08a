import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Measure, Software } from '../harness/result.ts'
import { runBench, type Context, type PartFigures } from '../harness/run.ts'
import { bridge, heddle, type Contender } from './contender.ts'
import { Host } from './host.ts'

interface Figures {
  readonly add: number[]
  readonly del: number[]
  readonly addCpu: number[]
  readonly perSecond: number[]
}

/** Starts who takes part, hands them over one after the other, and cleans up. */
async function withContenders<T>(context: Context, use: (all: readonly Contender[], host: Host) => Promise<T>): Promise<T> {
  const host = new Host()
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-cni-'))
  const contenders: Contender[] = []
  try {
    if (context.wants('heddle')) {
      contenders.push(await heddle(host, join(folder, 'tun'), 'tun', true))
      contenders.push(await heddle(host, join(folder, 'ebpf'), 'ebpf', true))
    }
    if (context.wants('bridge')) contenders.push(await bridge(host, folder))
    return await use(contenders, host)
  } finally {
    for (const one of contenders) await one.close()
    host.close()
    rmSync(folder, { recursive: true })
  }
}

function software(contenders: readonly Contender[]): readonly Software[] {
  const version = execFileSync('dpkg-query', ['-W', '-f', '${Version}', 'containernetworking-plugins'], { encoding: 'utf8' })
  return contenders.map(({ name }) =>
    name === 'bridge'
      ? { name, version, role: 'rival', note: 'with `host-local`, from Debian' }
      : { name, version: '0.1.0', role: 'subject', note: 'the records on disk, flushed within 50 ms' },
  )
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

async function calls(context: Context): Promise<PartFigures> {
  // Processor time is told in hundredths of a second: a round has to have many.
  const [rounds, count, atOnce] = context.quick ? [1, 40, 80] : [5, 120, 160]
  return withContenders(context, async (contenders, host) => {
    const figures = new Map<string, Figures>(contenders.map(({ name }) => [name, { add: [], del: [], addCpu: [], perSecond: [] }]))
    const pods = host.pods(atOnce)
    for (const one of contenders) await bothWays(one, pods.slice(0, 8), 1) // loads what is loaded once
    for (let round = 0; round < rounds; round++) {
      for (const one of contenders) {
        context.signal.throwIfAborted()
        context.progress(`round ${round + 1} of ${rounds}: ${one.name}`)
        const into = figures.get(one.name) as Figures
        const serial = await bothWays(one, pods.slice(0, count), 1)
        into.add.push(median(serial.add.times))
        into.del.push(median(serial.del.times))
        into.addCpu.push(serial.add.cpu / count)
        const parallel = await bothWays(one, pods, 8)
        into.perSecond.push((2 * atOnce) / (parallel.add.seconds + parallel.del.seconds))
      }
    }
    const measure = (
      id: string,
      title: string,
      unit: string,
      better: Measure['better'],
      key: keyof Figures,
      goals: Measure['goals'],
    ): Measure => ({
      id,
      title,
      unit,
      better,
      series: contenders.map(({ name }) => ({ name, rounds: figures.get(name)?.[key] ?? [] })),
      ...(goals === undefined ? {} : { goals }),
    })
    return {
      software: software(contenders),
      measures: [
        measure('add', 'ADD, median', 'ms', 'lower', 'add', [{ kind: 'at-most', limit: 5 }]),
        measure('del', 'DEL, median', 'ms', 'lower', 'del', [{ kind: 'at-most', limit: 4 }]),
        measure('cpu', 'Processor time of an ADD, of all processes', 'ms', 'lower', 'addCpu', [{ kind: 'at-most', limit: 4 }]),
        measure('parallel', 'ADD and DEL, eight at once', 'op/s', 'higher', 'perSecond', [{ kind: 'at-least', limit: 250 }]),
      ],
    }
  })
}

async function bothWays(
  one: Contender,
  pods: Parameters<Contender['run']>[1],
  parallel: number,
): Promise<{ add: Awaited<ReturnType<Contender['run']>>; del: Awaited<ReturnType<Contender['run']>> }> {
  return { add: await one.run('ADD', pods, parallel), del: await one.run('DEL', pods, parallel) }
}

/** How ADD and DEL change with the pods that are there. */
async function crowd(context: Context): Promise<PartFigures> {
  const [full, sample] = context.quick ? [200, 25] : [1000, 100]
  return withContenders({ ...context, wants: (name) => name === 'heddle' && context.wants(name) }, async (contenders, host) => {
    const pods = host.pods(full)
    const growth: { name: string; add: number; del: number; last: number }[] = []
    for (const one of contenders) {
      context.progress(`${one.name}: ${full} pods`)
      const first = await bothWays(one, pods.slice(0, sample), 1)
      await one.run('ADD', pods.slice(0, full - sample), 8)
      const last = await bothWays(one, pods.slice(full - sample), 1)
      await one.run('DEL', pods.slice(0, full - sample), 8)
      const [add, del] = (['add', 'del'] as const).map((verb) => median(last[verb].times) / median(first[verb].times))
      growth.push({ name: one.name, add, del, last: median(last.add.times) })
    }
    const measure = (id: string, title: string, unit: string, key: 'add' | 'del' | 'last', limit: number): Measure => ({
      id,
      title,
      unit,
      better: 'lower',
      series: growth.map((one) => ({ name: one.name, rounds: [one[key]] })),
      goals: [{ kind: 'at-most', limit }],
    })
    return {
      software: software(contenders),
      measures: [
        measure('crowd-add', `ADD beside ${full} pods`, 'ms', 'last', 5),
        measure('crowd-add-growth', `ADD beside ${full} pods, against an empty node`, '×', 'add', 1.5),
        measure('crowd-del-growth', `DEL beside ${full} pods, against an empty node`, '×', 'del', 1.5),
      ],
    }
  })
}

await runBench({
  name: 'cni',
  title: 'Attaching containers',
  about:
    'A CNI plugin is called for containers as a runtime does it: its executable is started, with the environment and the configuration, in the namespace ' +
    'of the host. The time is that from the start of the process to its end, in a process that does nothing else. Heddle’s executable asks `heddle node`, ' +
    'whose processor time, and that of the forwarder, is counted with it.',
  parts: [
    {
      id: 'calls',
      title: 'ADD and DEL',
      about: 'Of containers one after the other, and eight at once, in rounds that alternate.',
      run: calls,
    },
    { id: 'crowd', title: 'A full node', about: 'The same beside 1,000 containers that are attached.', run: crowd },
  ],
})
