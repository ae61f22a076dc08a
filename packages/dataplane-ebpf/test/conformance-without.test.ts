import { conformanceCases, Lab, missingFor } from '@heddle/dataplane-conformance'
import { ebpfDataplane, ebpfFeatures, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { chooseMeans } from '../src/probe.js'
import { EbpfHarnessWorld, ebpfHarness, hasXdp } from './support/ebpf-harness.js'
import { missing, missingNative, titled } from './support/requirements.js'
import { LOCAL } from './support/router.js'

/*
 * What kernels differ in, each absent by itself: in `conformance-older.test.ts` much of it is absent at once, and what takes the place of one thing could
 * work only where another is absent, too. The whole suite would take minutes for each. What a feature cannot change is left out:
 *
 *     redirect-peer, decap-l3, xdp    programs do otherwise with packets: every property, which draws ways, families, labels and lengths, and the cases
 *                                     whose packets take just that way
 *     kernel-packet                   programs ask otherwise what the kernel knows of checksums: the same. Those that a stack leaves to its device, no packet of
 *                                     the suite has: `left-sums.test.ts` and `nat-flows.test.ts` do without it too
 *     tcx, clsact, netkit             programs are the same and come to links otherwise: cases in which devices come and go, and one property, whose
 *                                     packets take all ways once the programs are there
 *     vxlan, vxlan-gpe                a device beside the uplink is not there: cases of what it would have merged, and that property
 *
 * Tables, policies, services and pools are judged alike wherever a packet came from and goes: they have no cases of their own here, but properties.
 */

/** What a dataplane cannot do without. */
const NEEDED = ['bpf', 'mmapable-array', 'redirect-neigh'] as const satisfies readonly EbpfFeatureName[]
/** What changes nothing that a dataplane does. */
const UNUSED = ['btf'] as const satisfies readonly EbpfFeatureName[]
type Replaced = Exclude<EbpfFeatureName, (typeof NEEDED | typeof UNUSED)[number]>

type Asked = readonly [command: string, pattern: RegExp]

interface Absence {
  readonly properties: RegExp
  /** Named cases. */
  readonly cases: RegExp
  /** What is then in its place in the router's namespace, which is asked before the case, and what is not there, which it is asked behind it. */
  readonly instead?: Asked
  readonly gone?: Asked
}

/** But for the one that needs a clock of its own. */
const EVERY_PROPERTY = /^property: (?!what passes as time goes by)/
const ONE_PROPERTY = /^property: whatever the tables and packets/
const LINKS = /^attaching a port twice|^detaching a port|was detached can be attached|^events tell|^close may be called/

const WITHOUT: Readonly<Record<Replaced, Absence>> = {
  tcx: { properties: ONE_PROPERTY, cases: LINKS, instead: ['tc qdisc show dev up0', /clsact/] },
  clsact: {
    properties: ONE_PROPERTY,
    cases: new RegExp(`${LINKS.source}|^ethernet: packets go out and come in|^ethernet: frames for others`),
    gone: ['tc qdisc', /clsact/],
  },
  netkit: { properties: ONE_PROPERTY, cases: LINKS, gone: ['ip -d link', /netkit/] },
  'redirect-peer': {
    properties: EVERY_PROPERTY,
    // Whatever is delivered: to whom, how often, and behind which header of the link.
    cases:
      /^ethernet: packets go out|^ethernet: whoever else|^ports count|^between two|^the label of a|^rate limit: what is delivered|^mirror: a stream/,
  },
  'decap-l3': {
    properties: EVERY_PROPERTY,
    // Whatever comes out of a tunnel of the other family.
    cases:
      /^(mpls-|vxlan).* carries both families|^the label of a|^explicit null|TTL, source and family|^congestion that the underlay|the far router|^ethernet: packets go out/,
  },
  'kernel-packet': {
    properties: EVERY_PROPERTY,
    // Whatever is translated, or cut.
    cases: /^service: |^nat: |^a packet that may be fragmented/,
  },
  xdp: {
    properties: EVERY_PROPERTY,
    // Whatever goes from one tunnel into another.
    cases: /^a transit label|in the next tunnel|is sent on|from one joint label|^VRFs, labels and next hops count|^a label counts the same/,
    gone: ['ip link show dev up0', /xdp/],
  },
  vxlan: { properties: ONE_PROPERTY, cases: /^vxlan over|^VXLAN/, gone: ['ip -o link', /: hd\w+vxlan/] },
  'vxlan-gpe': {
    properties: ONE_PROPERTY,
    cases: /^mpls-udp over|a joint label (is passed over|and without)|^behind a joint label|from one joint label/,
    gone: ['ip -o link', /: hd\w+joint/],
  },
}
const REPLACED = Object.keys(WITHOUT) as Replaced[]

const found = new Map((missingNative() === '' ? ebpfFeatures() : []).map((feature) => [feature.name, feature]))
/** Why there is no run without a feature; empty when there is. */
function lackOf(name: Replaced): string {
  if (found.get(name)?.available === false) return `this kernel has no ${name}, in no run`
  if (name === 'clsact' && found.get('tcx')?.available === false) return 'needs tcx in its place'
  return name === 'xdp' && !hasXdp ? 'needs ethtool' : ''
}

/** What tests of this file are defined for. */
const absent = new Set<EbpfFeatureName>()

describe.skipIf(missing() !== '')(titled('a dataplane that does without'), () => {
  let world: EbpfHarnessWorld
  beforeAll(() => {
    world = new EbpfHarnessWorld()
  })
  afterAll(() => world?.close())

  const ask = (command: string): string => world.namespaces.in('ebpf-router', ...command.split(' '))

  for (const name of NEEDED) {
    absent.add(name)
    it(`${name} is refused by that name`, async () => {
      const options = { addresses: [LOCAL[4]], uplink: 'up0', underlayNetns: world.namespaces.path('ebpf-router'), without: [name] }
      await expect(ebpfDataplane(options)).rejects.toMatchObject({
        code: 'dataplane.device',
        message: expect.stringContaining(`lacks ${name} (`),
      })
    })
  }

  for (const name of REPLACED) {
    const { properties, cases, instead, gone } = WITHOUT[name]
    absent.add(name)
    const lack = lackOf(name)
    describe.skipIf(lack !== '')(titled(name, lack), () => {
      // Where there may be netkit, it takes netkit to be absent for pairs of veth to be chosen.
      const devices = name === 'netkit' ? undefined : 'veth'
      const chosen = conformanceCases.filter((one) => properties.test(one.name) || cases.test(one.name))
      for (const one of chosen) {
        it(one.name, async () => {
          const harness = await ebpfHarness(world, [name], devices)
          try {
            expect(missingFor(one.needs, harness)).toBeUndefined()
            if (instead !== undefined) expect(ask(instead[0])).toMatch(instead[1])
            await one.run(new Lab(harness, 4))
            if (gone !== undefined) expect(ask(gone[0])).not.toMatch(gone[1])
          } finally {
            await harness.close()
          }
        })
      }
    })
  }

  for (const name of UNUSED) {
    absent.add(name)
    // The file that tells the kernel's types. The kernel itself knows them on: the verifier needs them for functions that are given a context.
    it(`${name} loads the same programs, and chooses the same`, () => {
      expect(chooseMeans(undefined, [name])).toEqual(chooseMeans(undefined, []))
      const script = fileURLToPath(new URL('support/without-types.ts', import.meta.url))
      const hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
      const told = execFileSync('unshare', ['--mount', 'sh', '-c', hide, 'sh', process.execPath, ...RUN_SOURCES, script], {
        encoding: 'utf8',
      })
      expect(JSON.parse(told)).toEqual({ btf: false, missing: '', programs: expect.arrayContaining(['ingress', 'egress', 'across']) })
    })
  }
})

it.skipIf(missingNative() !== '')(titled('everything that kernels differ in is absent by itself in some test', missingNative()), () => {
  expect([...absent].toSorted()).toEqual([...found.keys()].toSorted())
})
