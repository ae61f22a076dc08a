import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../harness/machine.ts'
import { median } from '../harness/statistics.ts'
import { rotated, type Context } from '../harness/run.ts'
import { outputOf, type Namespaces } from '../tun/namespaces.ts'
import { compileObject, loadObject, OUT, words, type LoadedObject } from './objects.ts'

/** Flows that frames are of, in turn. */
export const FLOWS = 16
/** Where frames are made: with them goes all that follows, as far as it is done at once. */
export const CPU = 0
/** Least part of frames that has to arrive; a few may wait for a neighbour. */
export const LEAST = 0.99

/** A chain of devices: frames go out by one, and arrive at another, the same one for all chains in the same namespaces. */
export interface Chain {
  readonly name: string
  readonly namespaces: Namespaces
  readonly from: { readonly short: string; readonly link: string }
  readonly to: { readonly short: string; readonly link: string }
  readonly frame: Uint8Array
  /** Offset of the second of two octets that tell flows apart. */
  readonly varies: number
}

/** A link inside a namespace, as `ip` tells it. */
export interface LinkFacts {
  readonly ifname: string
  readonly ifindex: number
  readonly address: string
}

export function linksOf(namespaces: Namespaces, short: string): readonly LinkFacts[] {
  return JSON.parse(namespaces.run(short, 'ip -j link show')) as LinkFacts[]
}

export function linkOf(namespaces: Namespaces, short: string, name: string): LinkFacts & { readonly mac: readonly number[] } {
  const link = linksOf(namespaces, short).find(({ ifname }) => ifname === name)
  if (link === undefined) throw new Error(`there is no link ${name} in ${short}`)
  return { ...link, mac: link.address.split(':').map((octet) => Number.parseInt(octet, 16)) }
}

/** Has every veth of a namespace take frames by NAPI, which those need that no packet was made of. */
export function takeFrames(namespaces: Namespaces, ...shorts: readonly string[]): void {
  for (const short of shorts) {
    for (const { ifname } of JSON.parse(namespaces.run(short, 'ip -j link show type veth')) as LinkFacts[])
      namespaces.run(short, `ethtool -K ${ifname} gro on`)
  }
}

/** Nanoseconds of processor time a frame that arrives, that of `ksoftirqd` included, chains in turn. @throws Error where frames are lost */
export async function timeOfFrames(chains: readonly Chain[], { quick, signal, progress }: Context): Promise<Map<string, number[]>> {
  const program = compileGenerator()
  const object = compileObject('frames')
  const sinks = new Map<Namespaces, LoadedObject>()
  try {
    for (const { namespaces, to } of chains) {
      if (sinks.has(namespaces)) continue
      const sink = loadObject('frames')
      sinks.set(namespaces, sink)
      const { ifindex } = linkOf(namespaces, to.short, to.link)
      await sink.attach({ program: 'take', namespace: namespaces.path(to.short), ifindex, usesTcx: true })
    }
    const figures = new Map(chains.map(({ name }) => [name, [] as number[]]))
    const [rounds, seconds] = quick ? [1, 0.2] : [15, 0.5]
    for (let round = 0; round < rounds; round++) {
      for (const { name, namespaces, from, frame, varies } of rotated(chains, round)) {
        signal.throwIfAborted()
        const sink = sinks.get(namespaces) as LoadedObject
        const argv = [program, object, from.link, Buffer.from(frame).toString('hex'), `${varies}`, `${FLOWS}`]
        // The first frames find out who the neighbours are.
        await outputOf(namespaces.start(from.short, [...argv, '0.02'], CPU))
        const [before, beside] = [taken(sink), takenOver()]
        const [sent, time] = (await outputOf(namespaces.start(from.short, [...argv, `${seconds}`], CPU))).split(' ').map(Number)
        const arrived = taken(sink) - before
        if (arrived < sent * LEAST) throw new Error(`of ${sent} frames by ${name}, ${arrived} arrived`)
        figures.get(name)?.push((time * 1e9 + takenOver() - beside) / arrived)
      }
    }
    for (const [name, one] of figures) progress(`${name} ${median(one).toFixed(0)} ns`)
    return figures
  } finally {
    for (const sink of sinks.values()) sink.close()
  }
}

/** Nanoseconds that the core has spent in the thread to which the kernel leaves what takes it too long at once. */
function takenOver(): number {
  const thread = `ksoftirqd/${CPU}`
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (commandOf(id) === thread) return Number(readFileSync(`/proc/${id}/schedstat`, 'utf8').split(' ')[0])
  }
  throw new Error(`${thread} is not to be seen, which may do a part of the work`)
}

/** Empty of a process that has ended meanwhile. */
function commandOf(id: string): string {
  try {
    return readFileSync(`/proc/${id}/comm`, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Frames that a program of `frames.bpf.c` has taken. */
export function taken(sink: LoadedObject): number {
  const count = sink.lookup('taken', words(0))
  return count === null ? 0 : Number(new DataView(count.buffer, count.byteOffset).getBigUint64(0, true))
}

/** The program that makes frames, compiled. */
export function compileGenerator(): string {
  mkdirSync(OUT, { recursive: true })
  const path = join(OUT, 'frames')
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', join(root, 'bench', 'ebpf', 'native', 'frames.c'), '-lbpf', '-o', path])
  return path
}
