import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { native } from '../src/native/load.js'
import { missingNative, titled } from './support/requirements.js'
import { probed } from './support/probed.js'

const LACK = 'Invalid argument (os error 22)'
/** What a dataplane cannot be without, and what it can. */
const NEEDED: readonly EbpfFeatureName[] = ['bpf', 'mmapable-array', 'redirect-neigh']
const OPTIONAL: readonly EbpfFeatureName[] = [
  'tcx',
  'clsact',
  'netkit',
  'redirect-peer',
  'decap-l3',
  'kernel-packet',
  'xdp',
  'vxlan',
  'vxlan-gpe',
  'btf',
]
const EVERYTHING = {
  uplink: 'tcx',
  devices: 'netkit',
  endpoints: 'clsact',
  mergesVxlan: true,
  mergesJoint: true,
  readsPackets: true,
  avoided: [],
} as const
/** What each feature changes when it is not there. */
const WITHOUT: Readonly<Partial<Record<EbpfFeatureName, object>>> = {
  tcx: { uplink: 'clsact' },
  clsact: { endpoints: 'tcx' },
  netkit: { devices: 'veth' },
  'redirect-peer': { avoided: ['redirect-peer'] },
  'decap-l3': { avoided: ['decap-l3'] },
  'kernel-packet': { readsPackets: false },
  vxlan: { mergesVxlan: false },
  'vxlan-gpe': { mergesJoint: false },
}

describe.skipIf(missingNative() !== '')(titled('what kernels differ in', missingNative()), () => {
  it('is all that is known to the native part', () => {
    const names = native().probeFeatures()
    expect(names.map(({ name }) => name).toSorted()).toEqual([...NEEDED, ...OPTIONAL].toSorted())
  })

  it('is told with the reason that trying gave, and is asked once', async () => {
    const { ebpfFeatures } = await probed({ tcx: LACK }, ['xdp'])
    const features = new Map(ebpfFeatures().map((feature) => [feature.name, feature]))
    expect(features.get('tcx')).toMatchObject({ available: false, reason: LACK, optional: true, otherwise: 'clsact', minimumKernel: '6.6' })
    expect(features.get('xdp')).toMatchObject({ available: false, reason: 'not known to the native part' })
    expect(features.get('bpf')).toMatchObject({ available: true, reason: '', optional: false, otherwise: '' })
    expect(features.get('btf')).toMatchObject({ available: true, optional: true, otherwise: '' })
    expect(ebpfFeatures()).toBe(ebpfFeatures())
  })

  it('can be told to do without, in the configuration of a node, by what something else takes the place of', async () => {
    const { ebpfFeatures } = await probed({})
    const schema = JSON.parse(readFileSync(new URL('../../../docs/schema/node.schema.json', import.meta.url), 'utf8')) as {
      properties: { dataplane: { properties: { without: { items: { enum: readonly string[] } } } } }
    }
    const replaced = ebpfFeatures().filter(({ otherwise }) => otherwise !== '')
    expect(schema.properties.dataplane.properties.without.items.enum).toEqual(replaced.map(({ name }) => name))
  })

  it.each([...NEEDED, ...OPTIONAL])('chooses by what is there: %s, or none, or what is to be done without', async (name) => {
    const expected = { ...EVERYTHING, ...WITHOUT[name] }
    const whole = await probed({})
    expect(whole.chooseMeans(undefined, [])).toMatchObject(EVERYTHING)
    expect(whole.chooseMeans(undefined, [name])).toMatchObject(expected)
    const lacking = await probed({ [name]: LACK })
    expect(lacking.chooseMeans(undefined, [])).toMatchObject(expected)
  })

  it.each(NEEDED)('cannot do without %s, and says so', async (name) => {
    const { missingEbpfFeatures, ebpfFeatures } = await probed({ [name]: LACK, netkit: LACK })
    const { purpose, minimumKernel } = ebpfFeatures().find((feature) => feature.name === name) ?? {}
    expect(missingEbpfFeatures()).toBe(`${name} (${purpose}, since Linux ${minimumKernel}): ${LACK}`)
    const whole = await probed({})
    expect(whole.missingEbpfFeatures([name])).toBe(`${name} (${purpose}, since Linux ${minimumKernel}): to be done without`)
  })

  it.each(OPTIONAL)('can do without %s', async (name) => {
    expect((await probed({ [name]: LACK })).missingEbpfFeatures()).toBe('')
    expect((await probed({})).missingEbpfFeatures([name])).toBe('')
  })

  it('needs tcx or clsact, found or allowed', async () => {
    const tcx = 'tcx (attaching to the uplink beside other programs, since Linux 6.6): '
    expect((await probed({ tcx: LACK, clsact: LACK })).missingEbpfFeatures()).toBe(`${tcx}${LACK}`)
    const older = await probed({ tcx: LACK })
    expect(older.missingEbpfFeatures(['clsact'])).toBe(`${tcx}${LACK}`)
    expect(older.missingEbpfFeatures(['tcx'])).toBe('')
    const newer = await probed({ clsact: LACK })
    expect(newer.missingEbpfFeatures(['tcx'])).toBe(`${tcx}to be done without`)
    expect((await probed({})).missingEbpfFeatures(['tcx', 'clsact'])).toBe(`${tcx}to be done without`)
    expect((await probed({ tcx: LACK, bpf: LACK })).missingEbpfFeatures(['clsact']).split('; ')).toHaveLength(2)
  })

  it('says why endpoints get the devices that they get', async () => {
    const older = await probed({ netkit: LACK })
    expect(older.missingNetkit()).toBe(`netkit (since Linux 6.7): ${LACK}`)
    expect(older.chooseMeans(undefined, []).devicesBecause).toBe(`there is no netkit (since Linux 6.7): ${LACK}`)
    // Asked for, it is refused elsewhere.
    expect(older.chooseMeans('netkit', [])).toMatchObject({ devices: 'netkit', devicesBecause: 'asked for by `devices: netkit`' })
    const newer = await probed({})
    expect([newer.missingNetkit(), newer.missingNetkit(['netkit'])]).toEqual(['', 'netkit (since Linux 6.7): to be done without'])
    expect(newer.chooseMeans('veth', []).devices).toBe('veth')
    expect(newer.chooseMeans(undefined, []).devicesBecause).toContain('past a queue')
  })
})
