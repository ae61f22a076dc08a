import { DataplaneError } from '@heddle/core'
import type { LinuxError } from '@heddle/linux'

const SAYS = '; the verifier says:\n'

/** The kernel's verifier refuses a program of this package: most likely a kernel that nobody has tried. */
export class EbpfVerifierError extends DataplaneError {
  constructor(
    /** Name of the program. */
    readonly program: string,
    /** Instruction that it stumbled over, by its number and, where the verifier told it, its text. */
    readonly instruction: { readonly index: number; readonly text: string | undefined } | undefined,
    /** The verifier's verdict. */
    readonly reason: string,
    /** The last lines of its log. */
    readonly log: string,
    cause: LinuxError,
  ) {
    const place =
      instruction === undefined
        ? ''
        : ` at instruction ${instruction.index}${instruction.text === undefined ? '' : ` (${instruction.text})`}`
    super('dataplane.device', `the kernel refuses the program ${program}${place}: ${reason}; report it with the kernel's version`, {
      cause,
    })
  }
}

/** What the verifier said, if it is why a program could not be loaded. */
export function toVerifierError(error: LinuxError): EbpfVerifierError | undefined {
  const [, program] = /^load program '(.*)'$/.exec(error.operation) ?? []
  const at = error.detail.indexOf(SAYS)
  if (program === undefined || at < 0) return undefined
  const log = error.detail.slice(at + SAYS.length)
  if (log.trim() === '') return undefined
  const lines = log.split('\n').filter((line) => !STATISTICS.test(line))
  const reason = lines.findLast((line) => line.trim() !== '' && !INSTRUCTION.test(line) && !line.startsWith(';')) ?? 'without a reason'
  const [, newer = reason.trim()] = MARKED.exec(log) ?? []
  return new EbpfVerifierError(program, instructionIn(lines, reason), newer, log, error)
}

/** `17: (85) call bpf_redirect#23   ; R0=scalar()` */
const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\) ([^;]*)/
/** Newer kernels draw the line of the source, and mark what is wrong with it. */
const POINTED = /^\s*>>>\s+(\d+) \| \([0-9a-f]{2}\) (.*)/m
const MARKED = /\^-- error: (.*)/
const STATISTICS = /^(processed \d+ insns|verification time|stack depth|mark_precise:)/

function instructionIn(lines: readonly string[], reason: string): EbpfVerifierError['instruction'] {
  const [, at, drawn = ''] = POINTED.exec(lines.join('\n')) ?? []
  if (at !== undefined) return { index: Number(at), text: drawn.trim() }
  const told = lines.findLast((line) => INSTRUCTION.test(line))
  const [, index = '', text = ''] = INSTRUCTION.exec(told ?? '') ?? []
  const [, named] = /\binsn (\d+)/.exec(reason) ?? []
  if (named !== undefined && named !== index) return { index: Number(named), text: undefined }
  return told === undefined ? undefined : { index: Number(index), text: text.trim() }
}
