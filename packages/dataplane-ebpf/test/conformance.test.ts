import { testDataplane, type TestContext } from '@heddle/dataplane-conformance'
import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { missingNetkit } from '../src/probe.js'
import { EbpfHarnessWorld, ebpfHarness, hasXdp } from './support/ebpf-harness.js'
import { missing, titled } from './support/requirements.js'

/* What takes the place of what older kernels lack, all of it at once: with fewer tables for each property, since most of it is the same. */
const OLD: readonly EbpfFeatureName[] = ['tcx', 'redirect-peer', 'decap-l3', 'xdp']

describe.skipIf(missing() !== '')(titled('veth pairs in namespaces'), () => {
  let world: EbpfHarnessWorld
  beforeAll(() => {
    world = new EbpfHarnessWorld()
  })
  afterAll(() => world?.close())

  // As long as any test may take: a property makes a few hundred devices and as many packets, each of them through the kernel, which may be emulated.
  const patient = (name: string, body: (context: TestContext) => Promise<void>): void => it(name, (context) => body(context))
  const test = { describe, it: patient }

  testDataplane(`ebpf${hasXdp ? '' : ' (without XDP: needs ethtool)'}`, () => ebpfHarness(world, [], 'veth'), { test })
  const lack = missing() === '' ? missingNetkit() : ''
  describe.skipIf(lack !== '')(lack === '' ? 'netkit pairs' : `netkit pairs (skipped: needs ${lack})`, () => {
    testDataplane('ebpf on netkit', () => ebpfHarness(world, [], 'netkit'), { test, runs: 8 })
  })
  testDataplane(`ebpf without ${OLD.join(', ')}`, () => ebpfHarness(world, OLD, 'veth'), { test, runs: 8 })
})
