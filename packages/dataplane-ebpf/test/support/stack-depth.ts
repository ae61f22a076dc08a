import { ObjectFile, type Instruction, type ObjectFunction } from './object-file.js'

/* The stack that programs may come to use, read from their object file: the kernel refuses more than 512 octets along any way of calls. */

/** Kernels count each frame in multiples of this; newer ones in multiples of half of it, or not at all. */
const GRAIN = 32
const FRAME_POINTER = 10
/** Opcodes: `dst = src`, `dst += immediate`. */
const [MOVE, ADD] = [0xbf, 0x07]

/** The longest way of calls from a program, deepest last. */
export interface StackDepth {
  readonly octets: number
  readonly way: readonly string[]
}

/** Of each program of an object file, by name. */
export function stackDepths(object: Uint8Array, programs: readonly string[]): ReadonlyMap<string, StackDepth> {
  const depths = new Depths(new ObjectFile(object))
  return new Map(programs.map((name) => [name, depths.of(name)]))
}

class Depths {
  readonly #known = new Map<string, StackDepth>()

  constructor(private readonly file: ObjectFile) {}

  of(name: string): StackDepth {
    const known = this.#known.get(name)
    if (known !== undefined) return known
    const { octets, called } = this.#read(this.file.functions.get(name) as ObjectFunction)
    const deepest = called.map((callee) => this.of(callee)).toSorted((a, b) => b.octets - a.octets)[0]
    const own = Math.max(GRAIN, Math.ceil(octets / GRAIN) * GRAIN)
    const found = { octets: own + (deepest?.octets ?? 0), way: [`${name} ${octets}`, ...(deepest?.way ?? [])] }
    this.#known.set(name, found)
    return found
  }

  /** Octets of a function's frame, and what it calls or has called. */
  #read(of: ObjectFunction): { readonly octets: number; readonly called: readonly string[] } {
    const instructions = this.file.instructions(of)
    const called = instructions.flatMap((instruction) => this.file.namedBy(instruction, of.section).called ?? [])
    return { octets: Math.max(0, ...instructions.map(reachOf)), called: [...new Set(called)] }
  }
}

/** Octets of the frame that an instruction reads, writes, or takes the address of. */
function reachOf({ code, target, source, offset }: Instruction, index: number, all: readonly Instruction[]): number {
  // Loads have the frame pointer as their source, stores as their target.
  const kind = code & 7
  if ((kind === 1 && source === FRAME_POINTER) || ((kind === 2 || kind === 3) && target === FRAME_POINTER)) return -offset
  const next = all[index + 1]
  return code === MOVE && source === FRAME_POINTER && next?.code === ADD && next.target === target ? -next.immediate : 0
}
