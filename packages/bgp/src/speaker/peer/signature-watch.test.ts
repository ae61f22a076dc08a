import type { SignatureDrops, Transport } from '@heddle/io'
import { ManualClock } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import { SignatureWatch, describeDrops } from './signature-watch.js'

const NONE: SignatureDrops = { unsigned: 0, unexpected: 0, wrong: 0 }

function watched(answers: () => Promise<SignatureDrops>) {
  const clock = new ManualClock()
  const unused = (): never => expect.unreachable()
  const transport: Transport = { connect: unused, listen: unused, signatureDrops: answers }
  return { clock, watch: new SignatureWatch(clock, transport) }
}

describe('what a system drops because of signatures', () => {
  it('is told from when somebody is looked for until then, and not what was before', async () => {
    let drops: SignatureDrops = { ...NONE, wrong: 7 }
    const { clock, watch } = watched(async () => drops)
    watch.start(5)
    await clock.run(12_000)
    expect(watch.words).toBeUndefined()
    drops = { unsigned: 2, unexpected: 0, wrong: 10 }
    await clock.run(5000)
    expect(watch.words).toBe('this system has dropped segments meanwhile: 3 with a wrong signature, 2 without the signature that they need')
    watch.stop()
    expect([watch.words, clock.pending]).toEqual([undefined, []])
  })

  it('is nothing where an answer comes late, or none can be had', async () => {
    const waiting: ((drops: SignatureDrops) => void)[] = []
    const { clock, watch } = watched(() => new Promise((resolve) => waiting.push(resolve)))
    watch.start(1)
    watch.start(1)
    for (const answer of waiting) answer(NONE)
    await clock.run(0)
    expect(clock.pending).toHaveLength(1) // of the second alone
    watch.stop()
    const broken = watched(() => Promise.reject(new TypeError('no /proc')))
    broken.watch.start(1)
    await broken.clock.run(5000)
    expect([broken.watch.words, broken.clock.pending]).toEqual([undefined, []])
  })

  it('is told by kind', () => {
    expect(describeDrops(NONE, NONE)).toBeUndefined()
    expect(describeDrops(NONE, { ...NONE, unexpected: 1 })).toMatch(/: 1 with a signature that nobody expects$/)
  })
})
