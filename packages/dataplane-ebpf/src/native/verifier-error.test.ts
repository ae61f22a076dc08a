import { LinuxError } from '@heddle/linux'
import { describe, expect, it } from 'vitest'
import { toVerifierError } from './verifier-error.js'

const refused = (log: string, operation = "load program 'egress'"): LinuxError =>
  new LinuxError('EACCES', 13, operation, `Permission denied; the verifier says:\n${log}`)

describe('what the verifier says', () => {
  it('is told with the instruction that it stumbled over', () => {
    const log = [
      '41: (61) r1 = *(u32 *)(r6 +8)       ; R1=scalar() R6=mem(sz=16)',
      ';  @ rules.h:64',
      '42: (71) r1 = *(u8 *)(r0 +0)        ; R0=map_value_or_null(id=3)',
      "R0 invalid mem access 'map_value_or_null'",
      'verification time 377 usec',
      'processed 43 insns (limit 1000000) max_states_per_insn 0 total_states 3',
    ].join('\n')
    const found = toVerifierError(refused(log))
    expect(found).toMatchObject({
      code: 'dataplane.device',
      program: 'egress',
      instruction: { index: 42, text: 'r1 = *(u8 *)(r0 +0)' },
      reason: "R0 invalid mem access 'map_value_or_null'",
    })
    expect(found?.message).toContain('egress at instruction 42 (r1 = *(u8 *)(r0 +0))')
  })

  it('is told without one where it is about the whole program, or names it itself', () => {
    expect(toVerifierError(refused('combined stack size of 6 calls is 544. Too large\nstack depth 144+8'))).toMatchObject({
      instruction: undefined,
      reason: 'combined stack size of 6 calls is 544. Too large',
    })
    const drawn =
      'At:\n  egress @ egress.bpf.c:45:23\n       | ^-- error: unreachable instruction\n         0 | (95) exit\n  >>>    1 | (61) r1 = *(u32 *)(r1 +40)\n'
    expect(toVerifierError(refused(drawn))).toMatchObject({
      reason: 'unreachable instruction',
      instruction: { index: 1, text: 'r1 = *(u32 *)(r1 +40)' },
    })
    expect(toVerifierError(refused('unreachable insn 1'))).toMatchObject({ instruction: { index: 1, text: undefined } })
  })

  it('is nothing when another call failed', () => {
    expect(toVerifierError(refused('unreachable insn 1', "update map 'fib'"))).toBeUndefined()
    expect(toVerifierError(refused(' '))).toBeUndefined()
    expect(toVerifierError(new LinuxError('EPERM', 1, "load program 'egress'", 'Operation not permitted'))).toBeUndefined()
  })
})
