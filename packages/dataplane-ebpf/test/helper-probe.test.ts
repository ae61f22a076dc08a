import { DataplaneError } from '@heddle/core'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BPF_OBJECT, readBpfObject } from '../src/bpf-object.js'
import { HELPERS, lackOf, probeHelpers } from '../src/helper-probe.js'
import { ObjectFile } from './support/object-file.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL } from './support/router.js'

const [CALL, OF_THE_KERNEL] = [0x85, 0]
/** `BPF_FUNC_task_pt_regs`, the last one of Linux 5.15. */
const LAST_OF_5_15 = 175

describe.skipIf(missing() !== '')(titled('functions of the kernel that programs call'), () => {
  it('are there', () => {
    expect(probeHelpers()).toEqual(Object.keys(HELPERS).map((name) => ({ name, reason: '' })))
  })

  it('are told from such ones that are not there, or not for the kind of program', () => {
    expect(lackOf({ number: 9999, section: 'classifier' })).toMatch(/^invalid func unknown#9999$/)
    expect(lackOf({ number: 9999, section: 'xdp' })).toMatch(/^invalid func unknown#9999$/)
    // `bpf_skb_adjust_room`, and `bpf_xdp_store_bytes`: before Linux 6.11 the verifier says of these, too, that it does not know them.
    expect(lackOf({ number: 50, section: 'xdp' })).toMatch(/^(unknown func|program of this type cannot use helper) bpf_skb_adjust_room#50$/)
    expect(lackOf({ number: 50, section: 'classifier' })).toBe('')
    expect(lackOf({ ...HELPERS['xdp-store-bytes'], section: 'classifier' })).toMatch(/ bpf_xdp_store_bytes#190$/)
  })

  it.each(Object.keys(HELPERS) as (keyof typeof HELPERS)[])(
    'are needed: without %s no dataplane opens, and the error names it',
    async (name) => {
      const opening = ebpfDataplane({ addresses: [LOCAL[4]], uplink: 'lo', without: [name] })
      await expect(opening).rejects.toThrow(DataplaneError)
      await expect(opening).rejects.toMatchObject({
        code: 'dataplane.device',
        message: expect.stringMatching(new RegExp(`^this kernel: lacks ${name} \\(.+, since Linux 5\\.1[78]\\): to be done without `)),
      })
    },
  )
})

const lacksObject = existsSync(BPF_OBJECT) ? '' : 'needs the BPF programs, which clang compiles: npm run build:native'
it.skipIf(lacksObject !== '')(titled('programs call nothing that is newer than Linux 5.15 but what is asked for', lacksObject), () => {
  const file = new ObjectFile(readBpfObject())
  const called = new Set<number>()
  for (const of of file.functions.values())
    for (const { code, source, immediate } of file.instructions(of)) if (code === CALL && source === OF_THE_KERNEL) called.add(immediate)
  expect(called.size).toBeGreaterThan(20)
  const newer = [...called].filter((number) => number > LAST_OF_5_15)
  expect(newer.toSorted((a, b) => a - b)).toEqual(Object.values(HELPERS).map(({ number }) => number))
})
