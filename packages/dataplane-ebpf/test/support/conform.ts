import { conformanceCases, missingFor, testDataplane, type Harness, type TestContext } from '@heddle/dataplane-conformance'
import type { EbpfDeviceKind, EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { EbpfHarnessWorld, ebpfHarness } from './ebpf-harness.js'

/** Each case that is not run, and why: more is to be a reason to look. */
const DECLARED = {
  // docs/adr/0018
  'mpls over IPv4 carries both families, both ways': 'the dataplane does not offer mpls',
  'mpls over IPv6 carries both families, both ways': 'the dataplane does not offer mpls',
  'a joint label is none in MPLS on Ethernet: label-unknown': 'the dataplane does not offer mpls',
  // No kernel hands on a frame that ends within its Ethernet header, by a device or a test run.
  'ethernet: a frame that is shorter than its header goes nowhere': 'the harness cannot do short-frames',
  // Programs leave these to the host: `left-to-host.test.ts`.
  'at the old port 51234 an unknown label, or another source, is dropped by reason': 'the harness cannot do takes-all',
  'GRE with another protocol is dropped as outer-malformed': 'the harness cannot do takes-all',
  'without any VNI, VXLAN is dropped as vni-unknown': 'the harness cannot do takes-all',
  // The time of programs is the kernel's own.
  'property: what passes as time goes by is what a bucket of tokens lets pass, packet by packet': 'the harness cannot do clock',
}

export interface Conformance {
  readonly name: string
  readonly devices: EbpfDeviceKind
  /** Features of the kernel to do without. */
  readonly without?: readonly EbpfFeatureName[]
  /** Tables that each property tries: fewer where most of it is the same as elsewhere. */
  readonly runs?: number
}

/** Defines the conformance suite for one way of doing what kernels differ in. Each is a file of its own, so that they run at the same time. */
export function conform({ name, devices, without = [], runs }: Conformance): void {
  let world: EbpfHarnessWorld
  beforeAll(() => {
    world = new EbpfHarnessWorld()
  })
  afterAll(() => world?.close())
  const factory = (): Promise<Harness> => ebpfHarness(world, without, devices)

  // As long as any test may take: a property makes a few hundred devices and as many packets, each of them through the kernel, which may be emulated.
  const patient = (title: string, body: (context: TestContext) => Promise<void>): void => it(title, (context) => body(context))
  testDataplane(name, factory, { test: { describe, it: patient }, ...(runs !== undefined && { runs }) })

  it('runs every case but those that are declared', async () => {
    const harness = await factory()
    const skipped = conformanceCases.flatMap((one) => {
      const reason = missingFor(one.needs, harness)
      return reason === undefined ? [] : [[one.name, reason] as const]
    })
    await harness.close()
    expect(Object.fromEntries(skipped)).toEqual(DECLARED)
  })
}
