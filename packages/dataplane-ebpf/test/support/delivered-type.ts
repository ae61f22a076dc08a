import { ObjectFile, type Instruction } from './object-file.js'

/* What programs do before they hand a packet to the other end of a device, read from their object file. */

const INSTRUCTION = 8
/** Opcodes: a call, the end, a jump, a load of 64 bits and one of 32. */
const [CALL, EXIT, JUMP, LOAD_LONG, LOAD_WORD] = [0x85, 0x95, 0x05, 0x18, 0x61]
const [CHANGE_TYPE, REDIRECT_PEER] = [32, 155]
/** Of `struct __sk_buff`, octets. */
const PACKET_TYPE = 4
/** Comparisons of a register with zero, of 64 and 32 bits: those that jump where it is zero, and where it is not. */
const [IF_ZERO, IF_OTHER] = [
  [0x15, 0x16],
  [0x55, 0x56],
]
/** Classes of opcodes that jump. */
const JUMPS: readonly number[] = [5, 6]

/** Places of an object file where a packet goes to the other end of a device. */
export interface Deliveries {
  readonly all: readonly string[]
  /** Those that some way leads to on which the packet may have come as one for somebody else. */
  readonly asItCame: readonly string[]
}

export function deliveriesIn(object: Uint8Array): Deliveries {
  const file = new ObjectFile(object)
  const [all, asItCame]: [string[], Set<string>] = [[], new Set()]
  for (const of of file.functions.values()) {
    const instructions = file.instructions(of)
    const isDelivery = ({ code, source, immediate }: Instruction): boolean => code === CALL && source === 0 && immediate === REDIRECT_PEER
    const named = ({ at }: Instruction): string => `${of.name} + ${(at - of.at) / INSTRUCTION}`
    all.push(...instructions.filter(isDelivery).map(named))
    for (const index of reachedAsItCame(instructions)) if (isDelivery(instructions[index])) asItCame.add(named(instructions[index]))
  }
  return { all, asItCame: [...asItCame] }
}

/** Instructions that can be reached from the beginning without the packet's type being changed, or found to be that of the host. */
function reachedAsItCame(instructions: readonly Instruction[]): ReadonlySet<number> {
  const reached = new Set<number>()
  const open = [0]
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (reached.has(index) || index >= instructions.length) continue
    reached.add(index)
    open.push(...nextAsItCame(instructions, index))
  }
  return reached
}

function nextAsItCame(instructions: readonly Instruction[], index: number): readonly number[] {
  const { code, target, source, offset, immediate } = instructions[index]
  if (code === EXIT || (code === CALL && source === 0 && immediate === CHANGE_TYPE)) return []
  if (code === LOAD_LONG) return [index + 2]
  if (code === CALL || !JUMPS.includes(code & 7)) return [index + 1]
  const there = index + 1 + offset
  if (code === JUMP) return [there]
  const before = instructions[index - 1]
  const isOfType = immediate === 0 && before?.code === LOAD_WORD && before.offset === PACKET_TYPE && before.target === target
  if (isOfType && IF_ZERO.includes(code)) return [index + 1]
  if (isOfType && IF_OTHER.includes(code)) return [there]
  return [index + 1, there]
}
