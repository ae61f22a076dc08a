import { testDataplane, type TestContext } from '@heddle/dataplane-conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { missing, titled } from './support/requirements.js'
import { HarnessWorld, tunHarness } from './support/tun-harness.js'

describe.skipIf(missing() !== '')(titled('TUN devices and sockets in namespaces'), () => {
  let world: HarnessWorld
  beforeAll(() => {
    world = new HarnessWorld()
  })
  afterAll(() => world?.close())

  // A property makes a few hundred devices and as many packets, each of them through the kernel.
  const patient = (name: string, body: (context: TestContext) => Promise<void>): void => it(name, (context) => body(context), 120_000)

  testDataplane('tun, in process', () => tunHarness(world), { test: { describe, it: patient } })
})
