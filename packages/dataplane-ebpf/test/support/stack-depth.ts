/* The stack that programs may come to use, read from their object file: the kernel refuses more than 512 octets along any way of calls. */

/** Kernels count each frame in multiples of this; newer ones in multiples of half of it, or not at all. */
const GRAIN = 32
const INSTRUCTION = 8
const FRAME_POINTER = 10
/** Opcodes: a call, a load of 64 bits, `dst = src`, `dst += immediate`. */
const [CALL, LOAD_LONG, MOVE, ADD] = [0x85, 0x18, 0xbf, 0x07]
/** In the place of the source register of a call: it is one of a function of the object. */
const PSEUDO_CALL = 1
const [PROGBITS, SYMTAB, REL] = [1, 2, 9]
const EXECUTABLE = 4

interface Section {
  readonly type: number
  readonly flags: number
  readonly at: number
  readonly size: number
  readonly link: number
  readonly info: number
}

interface Function {
  readonly name: string
  readonly section: number
  readonly at: number
  readonly size: number
}

/** The longest way of calls from a program, deepest last. */
export interface StackDepth {
  readonly octets: number
  readonly way: readonly string[]
}

/** Of each program of an object file, by name. */
export function stackDepths(object: Uint8Array, programs: readonly string[]): ReadonlyMap<string, StackDepth> {
  const file = new ObjectFile(object)
  return new Map(programs.map((name) => [name, file.depth(name)]))
}

class ObjectFile {
  readonly #view: DataView
  readonly #sections: readonly Section[]
  readonly #functions = new Map<string, Function>()
  readonly #symbols: readonly { readonly section: number; readonly value: number }[]
  readonly #depths = new Map<string, StackDepth>()

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const [start, size, count] = [this.#long(0x28), this.#view.getUint16(0x3a, true), this.#view.getUint16(0x3c, true)]
    this.#sections = Array.from({ length: count }, (_, index) => {
      const at = start + index * size
      const word = (offset: number): number => this.#view.getUint32(at + offset, true)
      return { type: word(4), flags: word(8), at: this.#long(at + 24), size: this.#long(at + 32), link: word(40), info: word(44) }
    })
    const table = this.#sections.find(({ type }) => type === SYMTAB) as Section
    this.#symbols = Array.from({ length: table.size / 24 }, (_, index) => {
      const at = table.at + index * 24
      const symbol = { section: this.#view.getUint16(at + 6, true), value: this.#long(at + 8) }
      const isFunction = (this.bytes[at + 4] & 15) === 2
      const name = this.#text(this.#sections[table.link].at + this.#view.getUint32(at, true))
      if (isFunction) this.#functions.set(name, { name, section: symbol.section, at: symbol.value, size: this.#long(at + 16) })
      return symbol
    })
  }

  depth(name: string): StackDepth {
    const known = this.#depths.get(name)
    if (known !== undefined) return known
    const { octets, called } = this.#read(this.#functions.get(name) as Function)
    const deepest = called.map((callee) => this.depth(callee)).toSorted((a, b) => b.octets - a.octets)[0]
    const own = Math.max(GRAIN, Math.ceil(octets / GRAIN) * GRAIN)
    const found = { octets: own + (deepest?.octets ?? 0), way: [`${name} ${octets}`, ...(deepest?.way ?? [])] }
    this.#depths.set(name, found)
    return found
  }

  /** Octets of a function's frame, and what it calls or has called. */
  #read({ section, at, size }: Function): { readonly octets: number; readonly called: readonly string[] } {
    const start = this.#sections[section].at
    const targets = this.#relocations(section)
    const called = new Set<string>()
    let octets = 0
    for (let offset = at; offset < at + size; offset += INSTRUCTION) {
      const [code, registers] = [this.bytes[start + offset], this.bytes[start + offset + 1]]
      const [target, source] = [registers & 15, registers >> 4]
      const [short, immediate] = [this.#view.getInt16(start + offset + 2, true), this.#view.getInt32(start + offset + 4, true)]
      // Loads have the frame pointer as their source, stores as their target.
      const kind = code & 7
      if ((kind === 1 && source === FRAME_POINTER) || ((kind === 2 || kind === 3) && target === FRAME_POINTER))
        octets = Math.max(octets, -short)
      const next = start + offset + INSTRUCTION
      const isAddress = code === MOVE && source === FRAME_POINTER && this.bytes[next] === ADD && (this.bytes[next + 1] & 15) === target
      if (isAddress) octets = Math.max(octets, -this.#view.getInt32(next + 4, true))
      const symbol = targets.get(offset)
      if (code === CALL && source === PSEUDO_CALL) {
        const callee = this.#functionAt(symbol?.section ?? section, (symbol?.value ?? offset) + (immediate + 1) * INSTRUCTION)
        if (callee !== undefined) called.add(callee)
      } else if (code === LOAD_LONG && symbol !== undefined) {
        const callee = this.#functionAt(symbol.section, symbol.value + immediate)
        if (callee !== undefined) called.add(callee)
      }
    }
    return { octets, called: [...called] }
  }

  #relocations(section: number): ReadonlyMap<number, { readonly section: number; readonly value: number }> {
    const found = new Map<number, { readonly section: number; readonly value: number }>()
    for (const { type, at, size, info } of this.#sections) {
      if (type !== REL || info !== section) continue
      for (let entry = at; entry < at + size; entry += 16)
        found.set(this.#long(entry), this.#symbols[this.#view.getUint32(entry + 12, true)])
    }
    return found
  }

  #functionAt(section: number, at: number): string | undefined {
    const { type, flags } = this.#sections[section] ?? { type: 0, flags: 0 }
    if (type !== PROGBITS || (flags & EXECUTABLE) === 0) return undefined
    for (const { name, section: of, at: start } of this.#functions.values()) if (of === section && start === at) return name
    throw new RangeError(`no function begins at ${at} of section ${section}`)
  }

  #long(at: number): number {
    return Number(this.#view.getBigUint64(at, true))
  }

  #text(at: number): string {
    return new TextDecoder().decode(this.bytes.subarray(at, this.bytes.indexOf(0, at)))
  }
}
