import type { Dataplane } from '@heddle/core'
import { silentLogger } from '@heddle/io'
import { rmSync } from 'node:fs'
import type { Socket } from 'node:net'
import { testDataplane, type TestContext } from '@heddle/dataplane-conformance'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { makeFolder } from './support/folders.js'
import { claim, connectToClaim } from '../src/process/claim.js'
import { ForwarderServer } from '../src/process/forwarder-server.js'
import { RemoteDataplane } from '../src/process/remote-dataplane.js'
import { bundledForwarder } from './support/bundled.js'
import { missing, titled } from './support/requirements.js'
import { HarnessWorld, tunHarness } from './support/tun-harness.js'

describe.skipIf(missing() !== '')(titled('TUN devices and sockets in namespaces'), () => {
  let world: HarnessWorld
  let forwarder: ReturnType<typeof bundledForwarder>
  beforeAll(() => {
    world = new HarnessWorld()
    forwarder = bundledForwarder()
  })
  afterAll(() => {
    world?.close()
    forwarder?.remove()
  })

  // A property makes a few hundred devices and as many packets, each of them through the kernel.
  const patient = (name: string, body: (context: TestContext) => Promise<void>): void => it(name, (context) => body(context), 120_000)

  testDataplane('tun, in process', () => tunHarness(world), { test: { describe, it: patient } })
  testDataplane('tun, through the forwarder’s socket, on two threads', () => tunHarness(world, throughSocket, { workers: 2, forwarder }), {
    test: { describe, it: patient },
  })
})

/** The agent's end of a dataplane that is served as a forwarder process serves it. */
async function throughSocket(dataplane: Dataplane): Promise<Dataplane> {
  const directory = makeFolder('conformance')
  const end = async (): Promise<void> => {
    await release()
    await forwarder.close()
    rmSync(directory, { recursive: true, force: true })
  }
  const forwarder = new ForwarderServer({ configuration: '', version: '', logger: silentLogger, stopped: () => void end() })
  const release = await claim(directory, forwarder.server)
  forwarder.serve(dataplane)
  return RemoteDataplane.open((await connectToClaim(directory)) as Socket)
}
