import { mkdirSync, renameSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allOf } from '../src/all-of.js'
import { readBpfObject } from '../src/bpf-object.js'
import type { NativeObject } from '../src/native/binding.js'
import { call, callAsync } from '../src/native/call.js'
import { ebpfFeatures } from '../src/probe.js'
import { missing, titled } from './support/requirements.js'
import { RouterLab } from './support/router-lab.js'

const lacks = missing() !== '' || ebpfFeatures().some(({ name, available }) => name === 'tcx' && available) ? '' : ' (skipped: needs tcx)'

describe.skipIf(missing() !== '')(titled('a program that cannot be detached at first'), () => {
  const lab = new RouterLab('detaching')
  let object: NativeObject
  let ifindex: number
  let folder: string
  /** What gives back what there is. */
  const ends: (() => void)[] = []

  beforeAll(() => {
    object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1, flows: 1024 }))
    ends.push(() => call(() => object.close()))
    ;[{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
    folder = lab.path('pins')
    call((native) => native.bpffsEnsure(folder, 'mounted'))
    ends.push(() => call((native) => native.bpffsRelease(folder)))
  })
  afterAll(() => allOf(ends))

  // The first attempt forgot it, so that the next one did nothing and said that all was well.
  async function expectRetries(usesTcx: boolean, fault: (pin: string) => () => void): Promise<void> {
    const pin = join(folder, usesTcx ? 'link' : 'filter')
    const there = (): string[] => call((native) => native.programsOn(lab.netns, ifindex)).map(({ name }) => name)
    const attachment = await callAsync(() => object.attach({ program: 'sweep', namespace: lab.netns, ifindex, usesTcx, pin }))
    const detach = (): Promise<void> => callAsync(() => object.detach(attachment))
    const mend = fault(pin)
    try {
      for (let attempt = 0; attempt < 2; attempt++) {
        await expect(detach()).rejects.toThrow(pin)
        expect(there()).toEqual(['sweep'])
      }
    } finally {
      mend()
      await detach()
    }
    expect(there()).toEqual([])
    await detach()
  }

  it('is detached by a further attempt: a filter', () =>
    expectRetries(false, (pin) => {
      const obstacle = join(pin, 'obstacle')
      mkdirSync(obstacle)
      return () => rmdirSync(obstacle)
    }))

  it.skipIf(lacks !== '')(`is detached by a further attempt: by tcx${lacks}`, () =>
    expectRetries(true, (pin) => {
      const aside = `${pin}-aside`
      renameSync(pin, aside)
      mkdirSync(pin)
      return () => {
        rmdirSync(pin)
        renameSync(aside, pin)
      }
    }),
  )
})
