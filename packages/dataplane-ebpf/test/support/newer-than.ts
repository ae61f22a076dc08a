import { ObjectFile, type Instruction } from './object-file.js'

/** The last function of a kernel that programs can call, and the last kind of types that its BTF knows. */
export interface Known {
  readonly helper: number
  readonly btfKind: number
}

/** `BPF_FUNC_task_pt_regs`, `BTF_KIND_FLOAT`. */
export const LINUX_5_15: Known = { helper: 175, btfKind: 16 }

const CALL = 0x85
/** In the place of the source register of a call: a function of the kernel by its number, or one by its name (`BPF_PSEUDO_KFUNC_CALL`). */
const [HELPER, NAMED] = [0, 2]
/** A call in whose place the loader puts what the kernel has, or nothing: `kernel_packet` in `bpf/packet.h`. */
const KERNEL_PACKET = 0x4865_0001

/** What of an object file's instructions and types a kernel that is older than Linux 6.6 does not know, in words. */
export function unknownTo({ helper, btfKind }: Known, object: Uint8Array): string[] {
  const file = new ObjectFile(object)
  const found = new Set<string>()
  for (const of of file.functions.values())
    for (const instruction of file.instructions(of)) {
      const newer = newerOf(instruction, helper)
      if (newer !== undefined) found.add(`${newer} in ${of.name}`)
    }
  for (const kind of file.btfKinds()) if (kind > btfKind) found.add(`types of kind ${kind}`)
  return [...found]
}

/** Of the instruction set, version 4 (Linux 6.6) is newer: https://www.rfc-editor.org/rfc/rfc9669. */
function newerOf({ code, source, offset, immediate }: Instruction, lastHelper: number): string | undefined {
  if (code === CALL && source === HELPER && immediate === KERNEL_PACKET) return undefined
  if (code === CALL && source === HELPER && immediate > lastHelper) return `function ${immediate}`
  if (code === CALL && source === NAMED) return 'a function by its name'
  const [kind, operation] = [code & 7, code & 0xf0]
  const isArithmetic = kind === 4 || kind === 7
  if (kind === 1 && (code & 0xe0) === 0x80) return 'a load that extends the sign'
  if (isArithmetic && operation === 0xb0 && offset !== 0) return 'a move that extends the sign'
  if (isArithmetic && (operation === 0x30 || operation === 0x90) && offset !== 0) return 'a signed division'
  if (code === 0xd7) return 'an unconditional swap of octets'
  return code === 0x06 ? 'a long jump' : undefined
}
