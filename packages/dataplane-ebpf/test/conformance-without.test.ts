import { conformanceCases, Lab, missingFor } from '@heddle/dataplane-conformance'
import { ebpfDataplane, ebpfFeatures, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EbpfHarnessWorld, ebpfHarness } from './support/ebpf-harness.js'
import { LACKING } from './support/lacking.js'
import { missing, missingNative, titled } from './support/requirements.js'
import { LOCAL } from './support/router.js'

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
/** What a dataplane cannot do without. */
const NEEDED: readonly EbpfFeatureName[] = ['bpf', 'mmapable-array', 'bpf-loop', 'xdp-store-bytes', 'redirect-neigh']
/** A case of the suite for what newer kernels may lack, by itself, and what is then not in the router's namespace: it is asked what it has. */
const ALONE: readonly (readonly [name: EbpfFeatureName, title: string, ask: string, absent: RegExp])[] = [
  [
    'clsact',
    'ethernet: packets go out and come in behind a header of the link, to whoever sent last, and before that to the device, or all',
    'tc qdisc',
    /clsact/,
  ],
  ['vxlan', 'vxlan over IPv4 carries both families, both ways', 'ip -o link', /: hd\w+vxlan/],
  ['vxlan-gpe', 'mpls-udp over IPv4 carries both families, both ways', 'ip -o link', /: hd\w+joint/],
]
/** Each run of the suite on veth pairs is without netkit, and no packet goes another way without messages of the verifier. */
const ELSEWHERE: readonly EbpfFeatureName[] = ['netkit', 'btf']

it.skipIf(missingNative() !== '')(titled('everything that kernels differ in is forced absent by some run', missingNative()), () => {
  const absent = [...NEEDED, ...LACKING, ...ALONE.map(([name]) => name), ...ELSEWHERE]
  expect(absent.toSorted()).toEqual(
    ebpfFeatures()
      .map(({ name }) => name)
      .toSorted(),
  )
})

describe.skipIf(missing() !== '')(titled('a dataplane that does without'), () => {
  let world: EbpfHarnessWorld
  beforeAll(() => {
    world = new EbpfHarnessWorld()
  })
  afterAll(() => world?.close())

  it.each(NEEDED)('%s is refused by that name', async (name) => {
    const options = { addresses: [LOCAL[4]], uplink: 'up0', underlayNetns: world.namespaces.path('ebpf-router'), without: [name] }
    await expect(ebpfDataplane(options)).rejects.toMatchObject({
      code: 'dataplane.device',
      message: expect.stringContaining(`lacks ${name} (`),
    })
  })

  for (const [name, title, ask, absent] of ALONE) {
    // Something has to take its place.
    const lack = name === 'clsact' && !hasTcx ? ' (skipped: needs tcx)' : ''
    it.skipIf(lack !== '')(`${name}: ${title}${lack}`, async () => {
      const one = conformanceCases.find(({ name: known }) => known === title)
      const harness = await ebpfHarness(world, [name], 'veth')
      try {
        expect(one).toBeDefined()
        expect(missingFor(one?.needs, harness)).toBeUndefined()
        await one?.run(new Lab(harness))
        expect(world.namespaces.in('ebpf-router', ...ask.split(' '))).not.toMatch(absent)
      } finally {
        await harness.close()
      }
    })
  }
})
