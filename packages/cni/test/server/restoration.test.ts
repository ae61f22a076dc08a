import { EndpointError, type EndpointErrorCode } from '@heddle/core'
import { ManualClock, recordingLogger } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import type { CniOptions, NodeTranslator } from '../../src/index.js'
import { call } from '../support/calls.js'
import { FakeEndpoints } from '../support/fake-endpoints.js'
import { fakeNode, networks } from '../support/fake-node.js'

/* A process that starts over a dataplane that holds nothing: what was attached is attached anew. */

const at = fakeNode()

/** Another process on the same node, whose dataplane refuses endpoints until it is told to give them. */
async function started(code: EndpointErrorCode = 'endpoint.dataplane', more: Partial<CniOptions> = {}) {
  const [clock, logger, attempts] = [new ManualClock(), recordingLogger(), [] as number[]]
  at.endpoints = new FakeEndpoints()
  at.endpoints.before = async (what) => {
    if (what === 'add') attempts.push(clock.now())
    throw new EndpointError(code, 'not now')
  }
  at.cni = await at.create({ clock, logger, ...more })
  const warnings = (): unknown[] => logger.records.filter(({ level }) => level === 'warn').map(({ fields }) => fields['attachment'])
  return { clock, attempts, warnings, give: () => (at.endpoints.before = async () => undefined) }
}

async function attach(...ids: string[]): Promise<void> {
  for (const id of ids) expect((await call(at.cni, 'ADD', { id, netns: `/${id}` })).exitCode).toBe(0)
}

describe('what was attached, and cannot be had again at a start', () => {
  // Each was told by one warning, and gone for good: a container that runs had no network.
  it('is tried again until the dataplane gives it', async () => {
    await attach('c1', 'c2')
    const before = at.places()
    const { clock, attempts, warnings, give } = await started()
    expect([attempts, at.places()]).toEqual([[0, 0], []])
    await clock.run(50_000)
    expect(attempts.filter((_time, index) => index % 2 === 0)).toEqual([0, 1_000, 3_000, 7_000, 15_000, 30_000, 45_000])
    expect(warnings()).toEqual(['pods/c1/eth0', 'pods/c2/eth0']) // once, however often it is tried
    give()
    await clock.run(15_000)
    expect(at.places()).toEqual(before)
    expect(clock.pending).toEqual([])
  })

  it('goes on behind one that the dataplane still refuses', async () => {
    await attach('c1', 'c2')
    const { clock } = await started()
    let refused = 1
    at.endpoints.before = async () => {
      if (refused-- > 0) throw new EndpointError('endpoint.dataplane', 'no memory')
    }
    await clock.run(1_000)
    expect(at.places()).toEqual(['red /c2 eth0 10.0.0.3 fd00::2'])
    await clock.run(2_000)
    expect(at.places()).toHaveLength(2)
    expect(clock.pending).toEqual([])
  })

  // The node reached no container by its node address until the network got another one.
  it('is given back with the device by which the node reaches it', async () => {
    const translator: NodeTranslator = { replace: async () => undefined, add: async () => undefined, remove: async () => undefined }
    const more = { networks: [{ ...networks[0], nodeAddress: true }], nodeAddresses: { translator } }
    at.cni = await at.create(more)
    await attach('c1', 'c2')
    const before = at.places().toSorted()
    expect(before.filter((place) => place.includes('hdnode1'))).toHaveLength(1)
    at.endpoints = new FakeEndpoints()
    at.cni = await at.create(more)
    expect(at.places().toSorted()).toEqual(before)
    const { clock, give } = await started('endpoint.dataplane', more)
    give()
    await clock.run(1_000)
    expect(at.places().toSorted()).toEqual(before)
  })

  it('is not, once a DEL has taken it away', async () => {
    await attach('c1', 'c2')
    const { clock, give } = await started()
    expect((await call(at.cni, 'DEL', { id: 'c1', netns: '/c1' })).exitCode).toBe(0)
    give()
    await clock.run(1_000)
    expect(at.places()).toEqual(['red /c2 eth0 10.0.0.3 fd00::2'])
    expect(at.leases()).toHaveLength(2)
    expect(clock.pending).toEqual([])
  })

  it('is taken away by a DEL that comes while it is tried, behind that', async () => {
    await attach('c1')
    const { clock } = await started()
    let goOn: (() => void) | undefined
    at.endpoints.before = async (what) => {
      if (what === 'add') await new Promise<void>((resolve) => (goOn = resolve))
    }
    await clock.run(1_000)
    const deleted = call(at.cni, 'DEL', { id: 'c1', netns: '/c1' })
    await clock.settle()
    goOn?.()
    expect((await deleted).exitCode).toBe(0)
    await clock.run(60_000)
    expect([at.places(), at.leases(), clock.pending]).toEqual([[], [], []])
  })

  it('is left to its DEL where another attempt would not help', async () => {
    await attach('c1')
    const { clock, warnings } = await started('endpoint.netns-missing')
    expect([warnings(), clock.pending]).toEqual([['pods/c1/eth0'], []])
    expect(at.cni.attachments()).toHaveLength(1)
  })

  it('is not tried any more when the plugin ends', async () => {
    await attach('c1')
    const { clock, attempts } = await started()
    at.cni.stop()
    expect(clock.pending).toEqual([])
    await clock.run(60_000)
    expect(attempts).toEqual([0])
  })
})
