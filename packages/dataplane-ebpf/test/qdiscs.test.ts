import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { allOf } from '../src/all-of.js'
import { readBpfObject } from '../src/bpf-object.js'
import type { NativeObject } from '../src/native/binding.js'
import { call, callAsync } from '../src/native/call.js'
import { missing, titled } from './support/requirements.js'
import { RouterLab } from './support/router-lab.js'

describe.skipIf(missing() !== '')(titled('the qdisc of a filter'), () => {
  const lab = new RouterLab('qdiscs')
  let object: NativeObject
  let ifindex: number
  let folder: string
  let pin: string
  const ends: (() => void)[] = []

  beforeAll(() => {
    object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1, flows: 1024 }))
    ends.push(() => call(() => object.close()))
    ;[{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
    folder = lab.path('pins')
    call((native) => native.bpffsEnsure(folder, 'mounted'))
    ends.push(() => call((native) => native.bpffsRelease(folder)))
    pin = join(folder, 'filter')
  })
  afterEach(() => {
    if (hasQdisc()) lab.inHost(...'tc qdisc delete dev up0 clsact'.split(' '))
    rmSync(pin, { recursive: true, force: true })
  })
  afterAll(() => allOf(ends))

  const hasQdisc = (): boolean => lab.inHost('tc', 'qdisc', 'show', 'dev', 'up0').includes('clsact')
  const addQdisc = (): string => lab.inHost(...'tc qdisc add dev up0 clsact'.split(' '))
  const attach = (options: Partial<Parameters<NativeObject['attach']>[0]> = {}): Promise<number> =>
    callAsync(() => object.attach({ program: 'sweep', namespace: lab.netns, ifindex, usesTcx: false, pin, ...options }))
  /** @param name of its pin; none when left out */
  const attachAt = (name?: string): Promise<number> => {
    const place = { program: 'sweep', namespace: lab.netns, ifindex, usesTcx: false }
    return callAsync(() => object.attach(name === undefined ? place : { ...place, pin: join(folder, name) }))
  }
  const detach = (attachment: number): Promise<void> => callAsync(() => object.detach(attachment))
  const marks = (): string[] => readdirSync(folder).filter((name) => name.includes('filter'))

  // It went with the qdisc.
  it.each(['ingress', 'egress'])('stays with a filter of somebody else that came later (%s)', async (where) => {
    const attachment = await attach()
    lab.inHost(...`tc filter add dev up0 ${where} prio 60 protocol all bpf bytecode`.split(' '), '1,6 0 0 0')
    await detach(attachment)
    expect(lab.inHost('tc', 'filter', 'show', 'dev', 'up0', where)).toContain('pref 60')
    expect(call((native) => native.programsOn(lab.netns, ifindex)).map(({ name }) => name)).not.toContain('sweep')
    expect(marks()).toEqual([])
  })

  it('stays where somebody else has made it, without a filter too', async () => {
    addQdisc()
    const attachment = await attach()
    expect(marks()).toEqual([])
    await detach(attachment)
    expect(hasQdisc()).toBe(true)
  })

  // The qdisc stayed, and nobody knew whose it was.
  it('is not left behind where the filter is refused', async () => {
    await expect(attach({ program: 'across' })).rejects.toThrow('attach program')
    expect([hasQdisc(), marks()]).toEqual([false, []])
  })

  // It came before its mark: with a process that ended in between, nobody took it away any more.
  it('is marked before it is made', async () => {
    await expect(attach({ pin: join(folder, 'none', 'filter') })).rejects.toThrow('make ')
    expect(hasQdisc()).toBe(false)
  })

  it.each([
    ['the mark is made', () => undefined],
    ['the qdisc is made', addQdisc],
  ])('goes with the next process, when one ended as soon as %s', async (_, step) => {
    mkdirSync(pin)
    step()
    await detach(await attach())
    expect([hasQdisc(), marks()]).toEqual([false, []])
  })

  // Nobody knew whose it was, and it stayed for good.
  it.each([
    [undefined, undefined],
    [undefined, 'filter'],
    ['filter', undefined],
  ])('goes with the next process, when one ended that had made it (with its pin at %s, and the next one at %s)', async (first, second) => {
    await attachAt(first)
    await attachAt(second)
    await detach(await attachAt(second))
    expect(hasQdisc()).toBe(false)
  })

  it('stays where somebody else has made it, behind any number of processes that pin nothing', async () => {
    addQdisc()
    await attachAt()
    await attachAt()
    await detach(await attachAt())
    expect(hasQdisc()).toBe(true)
  })

  it('is made anew on a link that had one before', async () => {
    await detach(await attach())
    const attachment = await attach()
    expect([hasQdisc(), marks()]).toEqual([true, ['filter']])
    await detach(attachment)
    expect([hasQdisc(), marks()]).toEqual([false, []])
  })
})
