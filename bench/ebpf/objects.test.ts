import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { anotherVersion, compileObject, PROGRAMS } from './objects.ts'

function missing(): string {
  if (!existsSync('/usr/include/bpf/bpf_helpers.h')) return 'needs the headers of libbpf'
  try {
    execFileSync('clang', ['--version'], { stdio: 'ignore' })
    return ''
  } catch {
    return 'needs clang'
  }
}

const lacking = missing()
/** Benches are not run with the tests, and their programs share headers with those of the dataplane. */
describe.skipIf(lacking !== '')(`programs of the bench${lacking === '' ? '' : ` (skipped: ${lacking})`}`, () => {
  it.each(PROGRAMS)('%s is compiled', (name) => {
    expect([...readFileSync(compileObject(name)).subarray(1, 4)]).toEqual([...Buffer.from('ELF')])
  })

  it('and so is another version of those of the dataplane', () => {
    expect(existsSync(anotherVersion())).toBe(true)
  })
})
