import { LinuxError } from '@heddle/linux'
import type { NativeFeature } from './native/binding.js'
import { call } from './native/call.js'
import { toVerifierError } from './native/verifier-error.js'

/** A function of the kernel that programs call: its number, and the kind of program that does. */
interface Helper {
  readonly number: number
  readonly section: 'classifier' | 'xdp'
}

/** Those that are newer than what the native part tries. */
export const HELPERS = {
  'bpf-loop': { number: 181, section: 'classifier' },
  'xdp-store-bytes': { number: 190, section: 'xdp' },
} as const satisfies Readonly<Record<string, Helper>>

/** Tries each of them; why it is missing, and nothing where it is there. @throws DataplaneError `dataplane.device` without the native part */
export function probeHelpers(): NativeFeature[] {
  return Object.entries(HELPERS).map(([name, helper]) => ({ name, reason: lackOf(helper) }))
}

/** What the verifier says of a function that it does not know, or not for programs of the kind. */
const UNKNOWN = /^(invalid|unknown) func |cannot use helper/

/** Why the kernel has no such function for programs: one that only calls it is loaded. */
export function lackOf(helper: Helper): string {
  try {
    call((native) => native.objectLoad(programThatCalls(helper), {})).close()
    return ''
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    const refused = toVerifierError(error)
    if (refused === undefined) return error.message
    // One that is known is refused for what it is called with.
    return UNKNOWN.test(refused.reason) ? refused.reason : ''
  }
}

const INSTRUCTION = 8
/** `call helper`, `exit` */
const [CALL, EXIT] = [0x85, 0x95]

/** ELF of 64 bits (elf(5)): its header, and entries of its tables of sections and symbols. */
const [HEADER, SECTION, SYMBOL] = [64, 64, 24]
const [RELOCATABLE, MACHINE_BPF] = [1, 247]
const [PROGBITS, SYMTAB, STRTAB] = [1, 2, 3]
const CODE = 6
const GLOBAL_FUNCTION = 0x12

/** An object file of one program, `probe`, that calls a helper and ends. */
function programThatCalls({ number, section }: Helper): Uint8Array {
  const names = ['', 'probe', section, '.symtab', '.strtab']
  const text = new TextEncoder().encode(names.map((name) => `${name}\0`).join(''))
  // Blanks in place of the zeros.
  const nameAt = (name: string): number => names.slice(0, names.indexOf(name)).join(' ').length + 1
  const sizes = [2 * INSTRUCTION, 2 * SYMBOL, text.length]
  const [program, symbols, strings] = sizes.map((_, index) => HEADER + sizes.slice(0, index).reduce((sum, size) => sum + size, 0))
  const table = Math.ceil((strings + text.length) / 8) * 8
  const bytes = new Uint8Array(table + 4 * SECTION)
  const view = new DataView(bytes.buffer)
  const long = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true)
  // Little-endian, as all machines with a native part are.
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  for (const [at, value] of [
    [16, RELOCATABLE],
    [18, MACHINE_BPF],
    [20, 1],
    [52, HEADER],
    [58, SECTION],
    [60, 4],
    [62, 3],
  ])
    view.setUint16(at, value, true)
  long(40, table)
  bytes[program] = CALL
  view.setInt32(program + 4, number, true)
  bytes[program + INSTRUCTION] = EXIT
  view.setUint32(symbols + SYMBOL, nameAt('probe'), true)
  bytes[symbols + SYMBOL + 4] = GLOBAL_FUNCTION
  view.setUint16(symbols + SYMBOL + 6, 1, true)
  long(symbols + SYMBOL + 16, 2 * INSTRUCTION)
  bytes.set(text, strings)
  const sections = [
    { name: section, type: PROGBITS, flags: CODE, at: program, link: 0, info: 0, align: 8, entry: 0 },
    // Of its symbols only the first, which is none, is local.
    { name: '.symtab', type: SYMTAB, flags: 0, at: symbols, link: 3, info: 1, align: 8, entry: SYMBOL },
    { name: '.strtab', type: STRTAB, flags: 0, at: strings, link: 0, info: 0, align: 1, entry: 0 },
  ]
  for (const [index, { name, type, flags, at, link, info, align, entry }] of sections.entries()) {
    const place = table + (index + 1) * SECTION
    for (const [offset, value] of [
      [0, nameAt(name)],
      [4, type],
      [40, link],
      [44, info],
    ])
      view.setUint32(place + offset, value, true)
    for (const [offset, value] of [
      [8, flags],
      [24, at],
      [32, sizes[index]],
      [48, align],
      [56, entry],
    ])
      long(place + offset, value)
  }
  return bytes
}
