import type { DataplaneChoice, KernelPart } from '@heddle/core'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import type { InspectOptions } from '../src/inspect-kernel.js'
import type { NativeAttached, NativeObject } from '../src/native/binding.js'
import { native } from '../src/native/load.js'
import { pinsOf } from '../src/pins.js'
import type { EbpfChoice, EbpfFeatureName } from '../src/probe.js'
import { missingNative, titled } from './support/requirements.js'
import { probed } from './support/probed.js'

const LACK = 'Operation not supported (os error 95)'
const UPLINK = { name: 'uplink up0', index: 3, how: 'tcx', pin: 'uplink' } as const
const POD = { name: 'port 0: eth0', index: 4, how: 'clsact', pin: 'link-0' } as const
const MERGERS = { vxlan: { isMerging: true, because: 'of VXLAN' }, joint: { isMerging: false, because: 'of harm' } } as const
/** What can be done without, and what takes its place. */
const WITHOUT: readonly (readonly [name: EbpfFeatureName, instead: string])[] = [
  ['tcx', 'clsact'],
  ['clsact', 'tcx'],
  ['netkit', 'veth'],
  ['redirect-peer', 'delivering by the queue'],
  ['decap-l3', 'changing the family'],
  ['kernel-packet', 'calls of the kernel'],
  ['xdp', 'tc'],
  ['vxlan', 'one by one'],
  ['vxlan-gpe', 'one by one'],
  ['btf', 'nothing'],
]
const CHOICE: EbpfChoice = {
  uplink: 'tcx',
  devices: 'veth',
  devicesBecause: 'they are',
  endpoints: 'clsact',
  mergesVxlan: true,
  mergesJoint: true,
  readsPackets: true,
  avoided: [],
}

describe.skipIf(missingNative() !== '')(titled('what is told of what is in the kernel', missingNative()), () => {
  let directory: string
  beforeEach(() => {
    directory = makeFolder('inspection')
    mkdirSync(pinsOf(directory))
  })
  afterEach(() => {
    vi.restoreAllMocks()
    rmSync(directory, { recursive: true })
  })

  const optionsOf = (options: Partial<InspectOptions> = {}): InspectOptions => ({
    object: {
      programs: () =>
        ['ingress', 'egress'].map((name, id) => ({ name, id: id + 7, tag: 'cafe', instructions: 9, verified: 12, machineCode: 80 })),
      maps: () => ['vrfs', 'fib'].map((name) => ({ name, maxEntries: 16, keySize: 4, valueSize: 8, octets: 512 })),
    } as unknown as NativeObject,
    choice: CHOICE,
    without: [],
    transit: { isAttached: false, because: 'nobody wants it' },
    mergers: MERGERS,
    room: { sizes: [], usedBlocks: 0 },
    survival: { goesOn: true, because: 'pins are there' },
    links: [UPLINK, POD],
    underlayNetns: undefined,
    pinDirectory: directory,
    ...options,
  })
  const partsOf = async (options?: Partial<InspectOptions>, there: readonly NativeAttached[] = []): Promise<readonly KernelPart[]> => {
    const { inspectKernel } = await probed({})
    const asked = vi.spyOn(native(), 'programsFound').mockResolvedValue([...there])
    const { parts } = await inspectKernel(optionsOf(options))
    const links = new Set((options?.links ?? [UPLINK, POD]).map(({ index }) => index))
    expect(asked.mock.calls).toEqual(Array.from(links, (index) => [undefined, index]))
    asked.mockRestore()
    return parts
  }
  const choiceOf = async (
    what: string,
    lacking: Parameters<typeof probed>[0],
    options: Partial<InspectOptions> = {},
  ): Promise<Omit<DataplaneChoice, 'what'> | undefined> => {
    const { inspectKernel } = await probed(lacking)
    vi.spyOn(native(), 'programsFound').mockResolvedValue([])
    return (await inspectKernel(optionsOf(options))).choices.find((one) => one.what === what)
  }

  it('has each program and map with its figures, in order of their names', async () => {
    const parts = await partsOf({ pinDirectory: undefined })
    const details = '9 instructions, 12 looked at by the verifier'
    expect(parts).toEqual([
      { kind: 'program', name: 'egress', id: 8, version: 'cafe', octets: 80, details },
      { kind: 'program', name: 'ingress', id: 7, version: 'cafe', octets: 80, details },
      ...['fib', 'vrfs'].map((name) => ({ kind: 'map', name, octets: 512, capacity: 16, details: '4 octets a key, 8 a value' })),
      { kind: 'link', name: 'uplink up0', id: 3, details: 'ingress by tcx' },
      { kind: 'link', name: 'port 0: eth0', id: 4, details: 'ingress by clsact' },
    ])
  })

  // The directory that says whose a qdisc is was told of as the pin of its filter, which has none.
  it('has the pin of what is pinned, and of nothing else', async () => {
    const pin = (name: string): string => join(pinsOf(directory), name)
    for (const name of ['fib', 'uplink']) writeFileSync(pin(name), '')
    mkdirSync(pin('link-0'))
    const pins = (await partsOf()).flatMap((part) => (part.pin === undefined ? [] : [[part.name, part.pin]]))
    expect(pins).toEqual([
      ['fib', pin('fib')],
      ['uplink up0', pin('uplink')],
    ])
    expect((await partsOf({ pinDirectory: undefined })).filter((part) => part.pin !== undefined)).toEqual([])
  })

  it('has programs of others on its links, once a link and with their places, and its own not among them', async () => {
    const there = [
      { id: 0, name: '', how: 'xdp', isOurs: false },
      { id: 98, name: 'first', how: 'tcx', isOurs: false },
      { id: 7, name: 'ingress', how: 'tcx', isOurs: false },
      { id: 99, name: 'theirs', how: 'tcx', isOurs: false },
    ]
    const links = [UPLINK, { ...UPLINK, how: 'xdp', pin: 'uplink-xdp' }] as const
    const foreignOf = async (attached: readonly NativeAttached[]): Promise<readonly KernelPart[]> =>
      (await partsOf({ links }, attached)).filter(({ kind }) => kind === 'foreign')
    expect(await foreignOf(there)).toEqual([
      { kind: 'foreign', name: 'unknown', details: 'ingress of uplink up0 by xdp, before ours' },
      { kind: 'foreign', name: 'first', id: 98, details: 'ingress of uplink up0 by tcx, before ours' },
      { kind: 'foreign', name: 'theirs', id: 99, details: 'ingress of uplink up0 by tcx, behind ours' },
    ])
    // By XDP they have one besides, before that of somebody else.
    const both = [{ id: 8, name: 'egress', how: 'xdp', isOurs: false }, ...there.slice(1)]
    expect((await foreignOf(both)).map(({ details }) => details.split(', ')[1])).toEqual(['before ours', 'behind ours'])
    // Somebody has taken theirs away.
    expect((await foreignOf([there[3]])).map(({ details }) => details)).toEqual(['ingress of uplink up0 by tcx'])
  })

  // BGP, CNI and the control socket stood still for as long as it took to ask about all ports of a large node.
  it('asks about many links beside everything else, some at a time, and about none for what is chosen alone', async () => {
    const { inspectKernel } = await probed({})
    const links = Array.from({ length: 1000 }, (_, index) => ({ ...POD, name: `port ${index}: eth0`, index: index + 10 }))
    let [turns, open, most, isDone] = [0, 0, 0, false]
    const turn = (): void => {
      turns++
      if (!isDone) setImmediate(turn)
    }
    setImmediate(turn)
    const beside = vi.spyOn(native(), 'programsFound').mockImplementation(async (_netns, index) => {
      most = Math.max(most, ++open)
      // As if the kernel had answered at once.
      await Promise.resolve()
      open--
      if (index === 12) throw new Error(['ENODEV', '19', 'find a link', 'No such device'].join('\u0001'))
      return [{ id: 99, name: 'theirs', how: 'tcx', isOurs: false }]
    })
    const here = vi.spyOn(native(), 'programsOn')
    const { parts } = await inspectKernel(optionsOf({ links, pinDirectory: undefined }))
    isDone = true
    expect(parts.filter(({ kind }) => kind === 'link').map(({ name }) => name)).toEqual(links.map(({ name }) => name))
    expect(parts.filter(({ details }) => details === 'the link is gone').map(({ id }) => id)).toEqual([12])
    expect(parts.filter(({ kind }) => kind === 'foreign').length).toBe(links.length - 1)
    expect(turns).toBeGreaterThan(15)
    expect(most).toBeLessThanOrEqual(64)
    expect([beside.mock.calls.length, here.mock.calls.length]).toEqual([links.length, 0])

    beside.mockClear()
    const { choices, parts: none } = await inspectKernel(optionsOf({ links, parts: false }))
    expect([choices.length > 0, none, beside.mock.calls.length, here.mock.calls.length]).toEqual([true, [], 0, 0])
  })

  it('says by what packets go from tunnel to tunnel, and why', async () => {
    const what = 'packets from one tunnel into another'
    expect(await choiceOf(what, {})).toMatchObject({ chosen: 'tc', because: 'nobody wants it' })
    expect(await choiceOf(what, {}, { transit: { isAttached: true, because: 'it is' } })).toMatchObject({ chosen: 'xdp', because: 'it is' })
  })

  it('says whether forwarding goes on behind the process, and why', async () => {
    const what = 'forwarding behind the process'
    expect(await choiceOf(what, {})).toEqual({ what, chosen: 'goes on', because: 'pins are there' })
    const survival = { goesOn: false, because: 'pins are not' }
    expect(await choiceOf(what, {}, { survival })).toEqual({ what, chosen: 'ends', because: 'pins are not' })
  })

  // What was in the log alone.
  it.each([
    { what: 'segments that come in by VXLAN', kind: 'vxlan', choice: 'mergesVxlan', feature: 'vxlan', since: '5.18' },
    { what: 'segments that come in behind joint labels', kind: 'joint', choice: 'mergesJoint', feature: 'vxlan-gpe', since: '6.5' },
  ] as const)('says whether $what are merged, and why', async ({ what, kind, choice, feature, since }) => {
    for (const [isMerging, chosen] of [[true, 'merged'] as const, [false, 'one by one'] as const]) {
      const mergers = { ...MERGERS, [kind]: { isMerging, because: 'it is so' } }
      expect(await choiceOf(what, {}, { mergers })).toEqual({ what, chosen, because: 'it is so' })
    }
    const lacking = { choice: { ...CHOICE, [choice]: false }, mergers: { ...MERGERS, [kind]: { isMerging: false, because: 'unasked' } } }
    const lack = `${feature} is not there (since Linux ${since}): `
    expect(await choiceOf(what, { [feature]: LACK }, lacking)).toMatchObject({ chosen: 'one by one', because: `${lack}${LACK}` })
    const without = { ...lacking, without: [feature] }
    expect(await choiceOf(what, {}, without)).toMatchObject({ chosen: 'one by one', because: `${lack}to be done without` })
  })

  it('says why programs are attached as they are', async () => {
    const uplink = 'programs on the uplink'
    const endpoints = 'programs on devices of endpoints'
    const beside = { chosen: 'tcx', because: 'other programs on the link go on, and a pinned link outlives the process' }
    const filter = { chosen: 'clsact', because: expect.stringMatching(/^no grace period passes .* are moved to tcx/) }
    expect(await choiceOf(uplink, {})).toMatchObject(beside)
    expect(await choiceOf(endpoints, {})).toMatchObject(filter)
    const older = { ...CHOICE, uplink: 'clsact' } as const
    const lack = { chosen: 'clsact', because: `tcx is not there (since Linux 6.6): ${LACK}` }
    for (const what of [uplink, endpoints]) expect(await choiceOf(what, { tcx: LACK }, { choice: older })).toMatchObject(lack)
    // It said that no grace period passes.
    const without = { chosen: 'clsact', because: 'tcx is not there (since Linux 6.6): to be done without' }
    for (const what of [uplink, endpoints]) expect(await choiceOf(what, {}, { choice: older, without: ['tcx'] })).toMatchObject(without)
    const later = { ...CHOICE, endpoints: 'tcx' } as const
    const lacksClsact = 'clsact is not there (since Linux 4.5): '
    expect(await choiceOf(endpoints, { clsact: LACK }, { choice: later })).toMatchObject({
      chosen: 'tcx',
      because: `${lacksClsact}${LACK}`,
    })
    expect(await choiceOf(endpoints, {}, { choice: later, without: ['clsact'] })).toMatchObject({
      chosen: 'tcx',
      because: `${lacksClsact}to be done without`,
    })
    const netkit = { ...CHOICE, devices: 'netkit' } as const
    expect(await choiceOf(endpoints, {}, { choice: netkit })).toMatchObject({
      chosen: 'netkit',
      because: expect.stringContaining('place of their own'),
    })
    expect(await choiceOf('devices of new endpoints', {}, { choice: netkit })).toMatchObject({ chosen: 'netkit', because: 'they are' })
  })

  it('says of each feature that nothing else tells of whether it is there, or what takes its place', async () => {
    const delivering = 'delivering into a namespace, past a queue'
    const there = { chosen: 'redirect-peer', because: 'redirect-peer is there (since Linux 5.10)' }
    const lack = { chosen: 'delivering by the queue', because: `redirect-peer is not there (since Linux 5.10): ${LACK}` }
    expect(await choiceOf(delivering, {})).toMatchObject(there)
    expect(await choiceOf(delivering, { 'redirect-peer': LACK })).toMatchObject(lack)
    expect(await choiceOf('readable messages of the verifier', { btf: LACK })).toMatchObject({ chosen: 'nothing' })
  })

  it('says of no feature that it is chosen where it is there and something else was chosen', async () => {
    const { inspectKernel, chooseMeans } = await probed({})
    vi.spyOn(native(), 'programsFound').mockResolvedValue([])
    const merger = { isMerging: false, because: 'of harm' }
    const { choices } = await inspectKernel(optionsOf({ choice: chooseMeans('veth', []), mergers: { vxlan: merger, joint: merger } }))
    const chosen = choices.map((one) => one.chosen)
    for (const name of ['netkit', 'xdp', 'vxlan', 'vxlan-gpe']) expect(chosen).not.toContain(name)
    expect(chosen).toEqual(
      expect.arrayContaining(['tcx', 'veth', 'clsact', 'tc', 'one by one', 'redirect-peer', 'decap-l3', 'kernel-packet', 'btf']),
    )
  })

  // One row said that it was there, and chosen, and another that it was not.
  it.each(WITHOUT)('says of %s that it is done without where it is to be, and in no row that it is chosen', async (name, instead) => {
    const { inspectKernel, chooseMeans } = await probed({})
    vi.spyOn(native(), 'programsFound').mockResolvedValue([])
    const devices = name === 'clsact' || name === 'tcx' ? 'veth' : undefined
    const transit = { isAttached: false, because: name === 'xdp' ? 'xdp is not there (since Linux 5.9): to be done without' : 'it is so' }
    const merger = { isMerging: true, because: 'they are' }
    const common = { transit, mergers: { vxlan: merger, joint: merger } }
    const { choices } = await inspectKernel(optionsOf({ ...common, choice: chooseMeans(devices, [name]), without: [name] }))
    const told = choices.filter(({ because }) => because.endsWith('to be done without'))
    expect(told).not.toEqual([])
    for (const { because, chosen } of told) expect([because, chosen]).toEqual([expect.stringContaining(`${name} `), instead])
    expect(choices.filter(({ chosen }) => chosen === name)).toEqual([])
    expect(choices.filter(({ because }) => because.startsWith(`${name} is there`))).toEqual([])
    const all = await inspectKernel(
      optionsOf({ ...common, transit: { isAttached: true, because: 'it is' }, choice: chooseMeans(devices, []) }),
    )
    expect(all.choices.filter(({ because }) => because.includes('done without'))).toEqual([])
  })
})
