import { testDataplane, type TestContext } from '@heddle/dataplane-conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { EbpfHarnessWorld, ebpfHarness } from './support/ebpf-harness.js'
import { missing, titled } from './support/requirements.js'

describe.skipIf(missing() !== '')(titled('veth pairs in namespaces'), () => {
  let world: EbpfHarnessWorld
  beforeAll(() => {
    world = new EbpfHarnessWorld()
  })
  afterAll(() => world?.close())

  // A property makes a few hundred devices and as many packets, each of them through the kernel.
  const patient = (name: string, body: (context: TestContext) => Promise<void>): void => it(name, (context) => body(context), 120_000)

  testDataplane('ebpf', () => ebpfHarness(world), { test: { describe, it: patient } })
})
