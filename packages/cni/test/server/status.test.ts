import { ManualClock, recordingLogger } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import { call } from '../support/calls.js'
import { fakeNode } from '../support/fake-node.js'

const at = fakeNode()

describe('STATUS, VERSION and metrics', () => {
  it('tell whether ADD can be served, what is spoken, and what happened', async () => {
    expect(
      (await at.create({ notReady: () => ({ code: 51, reason: 'the dataplane is gone' }) }).then(async (one) => call(one, 'STATUS'))).json,
    ).toMatchObject({ code: 51, msg: 'the dataplane is gone' })
    // STATUS has two codes, whatever is the reason.
    expect((await call(at.cni, 'STATUS', { config: { network: 'green' } })).json).toMatchObject({
      code: 50,
      msg: expect.stringContaining('network is "green"') as string,
    })
    expect((await call(at.cni, 'VERSION', { config: { cniVersion: '0.4.0' } })).json).toEqual({
      cniVersion: '0.4.0',
      supportedVersions: ['0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    })
    await call(at.cni, 'ADD')
    await call(at.cni, 'ADD')
    await call(at.cni, 'NONE')
    const text = at.cni.metrics()
    expect(text).toContain('cni_request_seconds_count{verb="ADD"} 2\n')
    expect(text).toContain('cni_errors_total{verb="ADD",code="101"} 1\n')
    expect(text).toContain('cni_errors_total{verb="unknown",code="4"} 1\n')
    expect(text).toContain('cni_attachments 1\n')
    expect(text).toContain('cni_addresses{network="blue",family="ipv4",state="total"} 14\n')
  })

  it('tell how long a call took and whose it was, and answer errors in the version of the call', async () => {
    const clock = new ManualClock()
    const logger = recordingLogger()
    at.endpoints.before = async () => clock.advance(20)
    at.cni = await at.create({ clock, logger })
    await call(at.cni, 'ADD')
    const { json } = await call(at.cni, 'ADD', { config: { cniVersion: '0.4.0' } })
    expect(json).toMatchObject({ cniVersion: '0.4.0', code: 101 })
    const text = at.cni.metrics()
    expect(text).toContain('cni_request_seconds_sum{verb="ADD"} 0.02\n')
    expect(text).toContain('cni_request_seconds_bucket{verb="ADD",le="0.01"} 1\n')
    expect(text).toContain('cni_request_seconds_bucket{verb="ADD",le="0.025"} 2\n')
    const whose = { verb: 'ADD', network: 'pods', container: 'c1', ifname: 'eth0' }
    expect(logger.records.map(({ fields }) => fields)).toMatchObject([
      { ...whose, seconds: 0.02 },
      { ...whose, code: 101 },
    ])
  })
})
