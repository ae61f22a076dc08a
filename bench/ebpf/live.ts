import { readdirSync, readFileSync } from 'node:fs'
import { rotated, type Context } from '../harness/run.ts'
import { layOut } from '../tun/contender.ts'
import { Namespaces, outputOf } from '../tun/namespaces.ts'
import { bare, BARE, type BareKind } from './contender.ts'
import { CPU, FLOWS, compileGenerator, LEAST, linkOf, linksOf, taken, takeFrames } from './frames.ts'
import type { Node } from './kernel.ts'
import { compileObject, loadObject, type LoadedObject } from './objects.ts'

/** Packets out of pod a, and into it by its label from site b; with each the offset of the second of two octets that tell flows apart. */
export interface Frames {
  readonly out: Uint8Array
  readonly back: Uint8Array
  readonly outVaries: number
  readonly backVaries: number
}

/** Frames of one kind that pass a program one behind the other. */
interface Passing {
  readonly namespaces: Namespaces
  /** What makes frames, and its object. */
  readonly generator: readonly string[]
  /** They go out by this link, in batches of 64. */
  readonly from: { readonly short: string; readonly link: string }
  readonly frame: Uint8Array
  /** Offset of the second of two octets that tell flows apart. */
  readonly varies: number
  /** A power of two. */
  readonly flows: number
  /** Takes them where the program has sent them. */
  readonly sink: LoadedObject
  /** Numbers of the programs whose time is asked for. */
  readonly programs: readonly number[]
}

/** Takes all IPv4 that comes in on a link, behind a program that does nothing; what `Passing` calls a sink, and that program's number. */
async function takeAll(
  namespaces: Namespaces,
  short: string,
  ifindex: number,
): Promise<{ readonly sink: LoadedObject; readonly idle: number; close(): void }> {
  const [sink, nothing] = [loadObject('frames'), loadObject('minimal')]
  const namespace = namespaces.path(short)
  await nothing.attach({ program: 'nothing', namespace, ifindex, usesTcx: true })
  await sink.attach({ program: 'take', namespace, ifindex, usesTcx: true })
  const close = (): void => {
    sink.close()
    nothing.close()
  }
  return { sink, idle: numberOf(nothing.programs(), 'nothing'), close }
}

/** The kernel's number of a program. */
function numberOf(programs: readonly { readonly name: string; readonly id: number }[], wanted: string): number {
  const found = programs.find(({ name }) => name === wanted)
  if (found === undefined) throw new Error(`there is no program ${wanted}`)
  return found.id
}

/**
 * Nanoseconds a run of each of the programs, its statistics in the kernel (BPF_ENABLE_STATS) before and behind the frames.
 *
 * @throws Error where frames are lost, or did not pass by a program
 */
async function timeInTraffic(passing: Passing, seconds: number): Promise<number[]> {
  const { namespaces, generator, from, frame, varies, flows, sink, programs } = passing
  const argv = [...generator, from.link, Buffer.from(frame).toString('hex'), `${varies}`, `${flows}`]
  // The first frames find out who the neighbours are, and programs learn the flows.
  await outputOf(namespaces.start(from.short, [...argv, '0.02'], CPU))
  const [arrived, before] = [taken(sink), programs.map(runsOf)]
  const [sent] = (await outputOf(namespaces.start(from.short, [...argv, `${seconds}`, 'timed'], CPU))).split(' ').map(Number)
  const [more, after] = [taken(sink) - arrived, programs.map(runsOf)]
  if (more < sent * LEAST) throw new Error(`of ${sent} frames ${more} arrived`)
  return after.map(({ count, time }, index) => {
    const runs = count - before[index].count
    if (runs < sent * LEAST) throw new Error(`${sent} frames were sent, and a program ran ${runs} times`)
    return (time - before[index].time) / runs
  })
}

/** What the kernel knows of a program that this process has: how often it ran, and nanoseconds of all runs, while statistics were kept. */
function runsOf(program: number): { readonly count: number; readonly time: number } {
  for (const fd of readdirSync('/proc/self/fdinfo')) {
    const facts = new Map(
      textOf(`/proc/self/fdinfo/${fd}`)
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf(':')), Number(line.slice(line.indexOf(':') + 1))]),
    )
    const [count, time] = [facts.get('run_cnt'), facts.get('run_time_ns')]
    // A link names its program as well, and nothing more of it.
    if (facts.get('prog_id') === program && count !== undefined && time !== undefined) return { count, time }
  }
  throw new Error(`the kernel does not say how often program ${program} ran`)
}

/** Empty of a descriptor that is closed by now. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Programs of one contender at node a, and how frames come to them: out of pod a, and from node b. */
interface Ways extends Pick<Passing, 'namespaces' | 'generator'> {
  /** The router's end of the pod's device. */
  readonly host: string
  readonly out: number
  readonly back: number
}

/** Sinks of the frames that node a sends to its uplink, and to its pod. */
type Sinks = Awaited<ReturnType<typeof takeAll>>[]

/** Both ways together, without what a run of a program that does nothing takes. */
async function timeOfWays(ways: Ways, [uplink, pod]: Sinks, frames: Frames, seconds: number, flows = FLOWS): Promise<number> {
  const { namespaces, generator, host, out, back } = ways
  const to = (short: string, link: string, frame: Uint8Array): Uint8Array => {
    frame.set(linkOf(namespaces, short, link).mac)
    return frame
  }
  const [egress, idle] = await timeInTraffic(
    {
      namespaces,
      generator,
      from: { short: 'pod-a', link: 'eth0' },
      frame: to('node-a', host, frames.out),
      varies: frames.outVaries,
      flows,
      sink: uplink.sink,
      programs: [out, uplink.idle],
    },
    seconds,
  )
  const [ingress] = await timeInTraffic(
    {
      namespaces,
      generator,
      from: { short: 'node-b', link: 'up0' },
      frame: to('node-a', 'up0', frames.back),
      varies: frames.backVaries,
      flows,
      sink: pod.sink,
      programs: [back],
    },
    seconds,
  )
  return egress + ingress - 2 * idle
}

/** Sinks of node a's frames; that of the uplink goes before what another program does there. */
async function sinksOf(namespaces: Namespaces, others: () => Promise<void>): Promise<Sinks> {
  const uplink = await takeAll(namespaces, 'node-b', linkOf(namespaces, 'node-b', 'up0').ifindex)
  try {
    await others()
    const pod = await takeAll(namespaces, 'pod-a', linkOf(namespaces, 'pod-a', 'eth0').ifindex)
    takeFrames(namespaces, 'node-a', 'node-b', 'pod-a')
    return [uplink, pod]
  } catch (error) {
    uplink.close()
    throw error
  }
}

/** Flows whose decisions take more memory than the caches nearest to a CPU have. */
export const MANY = 8192

/** A minimal program in namespaces of its own, until `ending` is. */
async function waysOfBare(
  kind: BareKind,
  generator: readonly string[],
  ending: AsyncDisposableStack,
): Promise<{ readonly ways: Ways; readonly sinks: Sinks }> {
  const namespaces = ending.use(new Namespaces())
  layOut(namespaces)
  let object: LoadedObject | undefined
  const sinks = await sinksOf(namespaces, async () => {
    const complete = (_: Namespaces, at: string, loaded: LoadedObject): Promise<void> => {
      if (at === 'node-a') object = loaded
      return Promise.resolve()
    }
    ending.defer(await bare(namespaces, { ...BARE[kind], complete }))
  })
  for (const one of sinks) ending.defer(() => one.close())
  const programs = object?.programs() ?? []
  const [out, back] = [numberOf(programs, BARE[kind].encap), numberOf(programs, BARE[kind].decap)]
  return { ways: { namespaces, generator, host: 'pod0', out, back }, sinks }
}

/**
 * Rounds of the programs in traffic: of flows from pod to pod, of many of them, of some to the virtual address, and of the minimal programs.
 *
 * @param forgetful a node whose memory of flows is smaller than those many: each of their packets opens one
 */
export async function inTraffic(
  one: Node,
  forgetful: Node,
  frames: Readonly<Record<'direct' | 'served', Frames>>,
  { quick, signal, progress }: Context,
): Promise<Record<'direct' | 'many' | 'opening' | 'served' | BareKind, number[]>> {
  const figures: Awaited<ReturnType<typeof inTraffic>> = { direct: [], many: [], opening: [], served: [], minimal: [], minimalOnePort: [] }
  await using ending = new AsyncDisposableStack()
  const generator = [compileGenerator(), compileObject('frames')]
  const waysOf = async ({ dataplane, namespaces }: Node): Promise<{ readonly ways: Ways; readonly sinks: Sinks }> => {
    const { programs } = dataplane.inspect()
    const sinks = await sinksOf(namespaces, () => Promise.resolve())
    for (const one of sinks) ending.defer(() => one.close())
    const host = linksOf(namespaces, 'node-a').find(({ ifname }) => /^hd(?!.*(?:vxlan|joint)$)/.test(ifname))
    if (host === undefined) throw new Error('node-a has no device for its pod')
    const [out, back] = [numberOf(programs, 'egress'), numberOf(programs, 'ingress')]
    return { ways: { namespaces, generator, host: host.ifname, out, back }, sinks }
  }
  const [heddle, opening] = [await waysOf(one), await waysOf(forgetful)]
  const rivals = {
    minimal: await waysOfBare('minimal', generator, ending),
    minimalOnePort: await waysOfBare('minimalOnePort', generator, ending),
  }

  const [rounds, seconds] = quick ? [1, 0.1] : [5, 0.5]
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted()
    const turns = {
      direct: () => timeOfWays(heddle.ways, heddle.sinks, frames.direct, seconds),
      many: () => timeOfWays(heddle.ways, heddle.sinks, frames.direct, seconds, MANY),
      opening: () => timeOfWays(opening.ways, opening.sinks, frames.direct, seconds, MANY),
      served: () => timeOfWays(heddle.ways, heddle.sinks, frames.served, seconds),
      minimal: () => timeOfWays(rivals.minimal.ways, rivals.minimal.sinks, frames.direct, seconds),
      minimalOnePort: () => timeOfWays(rivals.minimalOnePort.ways, rivals.minimalOnePort.sinks, frames.direct, seconds),
    }
    for (const kind of rotated(Object.keys(turns) as (keyof typeof turns)[], round)) figures[kind].push(await turns[kind]())
    const said = Object.entries(figures).map(([name, one]) => `${name} ${one[round].toFixed(0)} ns`)
    progress(`in traffic: ${said.join(', ')}`)
  }
  return figures
}
