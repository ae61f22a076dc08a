/* The functions of a BPF object file, their instructions, and the kinds of its types. */

const INSTRUCTION = 8
/** Opcodes: a call, and a load of 64 bits. */
const [CALL, LOAD_LONG] = [0x85, 0x18]
/** In the place of the source register of a call: it is one of a function of the object. */
const PSEUDO_CALL = 1
const [PROGBITS, SYMTAB, REL] = [1, 2, 9]
const EXECUTABLE = 4

/** Octets behind the twelve that every type of BTF has (Documentation/bpf/btf.rst of Linux), by its kind: `[some, some for each member]`; none when left out. */
const BTF_SIZES: Readonly<Record<number, readonly [fixed: number, each: number]>> = {
  1: [4, 0],
  3: [12, 0],
  4: [0, 12],
  5: [0, 12],
  6: [0, 8],
  13: [0, 8],
  14: [4, 0],
  15: [0, 12],
  17: [4, 0],
  19: [0, 12],
}

interface Section {
  readonly name: number
  readonly type: number
  readonly flags: number
  readonly at: number
  readonly size: number
  readonly link: number
  readonly info: number
}

/** A place that the file names by a symbol. */
export interface Place {
  readonly section: number
  readonly value: number
}

/** A function of the file: where it lies in its section, and its size, in octets. */
export interface ObjectFunction {
  readonly name: string
  readonly section: number
  readonly at: number
  readonly size: number
}

/** An instruction; of one that has 16 octets, the first eight. */
export interface Instruction {
  /** Octets from the beginning of the section. */
  readonly at: number
  readonly code: number
  readonly target: number
  readonly source: number
  readonly offset: number
  readonly immediate: number
  /** What it names, if it does. */
  readonly symbol: Place | undefined
}

export class ObjectFile {
  readonly functions: ReadonlyMap<string, ObjectFunction>
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #sections: readonly Section[]
  readonly #symbols: readonly Place[]

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const [start, size, count] = [this.#long(0x28), this.#view.getUint16(0x3a, true), this.#view.getUint16(0x3c, true)]
    this.#sections = Array.from({ length: count }, (_, index) => {
      const at = start + index * size
      const word = (offset: number): number => this.#view.getUint32(at + offset, true)
      return {
        name: word(0),
        type: word(4),
        flags: word(8),
        at: this.#long(at + 24),
        size: this.#long(at + 32),
        link: word(40),
        info: word(44),
      }
    })
    const table = this.#sections.find(({ type }) => type === SYMTAB) as Section
    const functions = new Map<string, ObjectFunction>()
    this.#symbols = Array.from({ length: table.size / 24 }, (_, index) => {
      const at = table.at + index * 24
      const symbol = { section: this.#view.getUint16(at + 6, true), value: this.#long(at + 8) }
      const isFunction = (bytes[at + 4] & 15) === 2
      const name = this.#text(this.#sections[table.link].at + this.#view.getUint32(at, true))
      if (isFunction) functions.set(name, { name, section: symbol.section, at: symbol.value, size: this.#long(at + 16) })
      return symbol
    })
    this.functions = functions
  }

  /** Numbers of the kinds of types that its BTF has. */
  btfKinds(): ReadonlySet<number> {
    const names = this.#sections[this.#view.getUint16(0x3e, true)].at
    const { at: start } = this.#sections.find(({ name }) => this.#text(names + name) === '.BTF') as Section
    const word = (at: number): number => this.#view.getUint32(start + at, true)
    const [headerSize, first, size] = [word(4), word(8), word(12)]
    const kinds = new Set<number>()
    for (let at = headerSize + first; at < headerSize + first + size;) {
      const info = word(at + 4)
      const [kind, members] = [(info >> 24) & 31, info & 0xffff]
      const [fixed, each] = BTF_SIZES[kind] ?? [0, 0]
      kinds.add(kind)
      at += 12 + fixed + each * members
    }
    return kinds
  }

  /** Those of the file that are a function's. */
  octets({ section, at, size }: ObjectFunction): Uint8Array {
    return this.#bytes.subarray(this.#sections[section].at + at, this.#sections[section].at + at + size)
  }

  instructions({ section, at: first, size }: ObjectFunction): Instruction[] {
    const start = this.#sections[section].at
    const symbols = this.#relocations(section)
    return Array.from({ length: size / INSTRUCTION }, (_, index) => {
      const at = first + index * INSTRUCTION
      const [code, registers] = [this.#bytes[start + at], this.#bytes[start + at + 1]]
      const [offset, immediate] = [this.#view.getInt16(start + at + 2, true), this.#view.getInt32(start + at + 4, true)]
      return { at, code, target: registers & 15, source: registers >> 4, offset, immediate, symbol: symbols.get(at) }
    })
  }

  /** Name of the function that an instruction of a section calls, or has called; or the map that it names. */
  namedBy(
    { at, code, source, immediate, symbol }: Instruction,
    section: number,
  ): { readonly called?: string | undefined; readonly map?: Place } {
    if (code === CALL && source === PSEUDO_CALL)
      return { called: this.#functionAt(symbol?.section ?? section, (symbol?.value ?? at) + (immediate + 1) * INSTRUCTION) }
    if (code !== LOAD_LONG || symbol === undefined) return {}
    const called = this.#functionAt(symbol.section, symbol.value + immediate)
    return called === undefined ? { map: symbol } : { called }
  }

  /** Name of the function that begins there; undefined where there is no code. */
  #functionAt(section: number, at: number): string | undefined {
    const { type, flags } = this.#sections[section] ?? { type: 0, flags: 0 }
    if (type !== PROGBITS || (flags & EXECUTABLE) === 0) return undefined
    for (const { name, section: of, at: start } of this.functions.values()) if (of === section && start === at) return name
    throw new RangeError(`no function begins at ${at} of section ${section}`)
  }

  #relocations(section: number): ReadonlyMap<number, Place> {
    const found = new Map<number, Place>()
    for (const { type, at, size, info } of this.#sections) {
      if (type !== REL || info !== section) continue
      for (let entry = at; entry < at + size; entry += 16)
        found.set(this.#long(entry), this.#symbols[this.#view.getUint32(entry + 12, true)])
    }
    return found
  }

  #long(at: number): number {
    return Number(this.#view.getBigUint64(at, true))
  }

  #text(at: number): string {
    return new TextDecoder().decode(this.#bytes.subarray(at, this.#bytes.indexOf(0, at)))
  }
}
