import type { EndpointView } from '@heddle/core'
import { describe, expect, it } from 'vitest'
import { call } from '../support/calls.js'
import { fakeNode } from '../support/fake-node.js'

const at = fakeNode()
const network = 'red'

describe('the bandwidth of an endpoint', () => {
  const added = async (config: object, id = 'c1') =>
    (await call(at.cni, 'ADD', { id, netns: `/run/netns/${id}`, config: { network, ...config } })).json
  const asking = (bandwidth: object) => ({ runtimeConfig: { bandwidth } })

  it.each<[string, object, EndpointView['rateLimits']]>([
    [
      'both ways',
      { ingressRate: 8_000_000, ingressBurst: 80_000, egressRate: 1_000, egressBurst: 4 },
      { ingress: { bitsPerSecond: 8_000_000, burstOctets: 10_000 }, egress: { bitsPerSecond: 1000, burstOctets: 1 } },
    ],
    [
      'one way',
      { egressRate: 1_000_000, egressBurst: 800_000, ingressRate: 0 },
      { egress: { bitsPerSecond: 1_000_000, burstOctets: 100_000 } },
    ],
    ['without a burst', { ingressRate: 100_000_000 }, { ingress: { bitsPerSecond: 100_000_000, burstOctets: 1_250_000 } }],
    [
      'with the burst that containerd writes',
      { egressRate: 1e15, ingressRate: 10_000_000, ingressBurst: 4_294_967_295, egressBurst: 34_359_738_360 },
      { ingress: { bitsPerSecond: 10_000_000, burstOctets: 262_144 }, egress: { bitsPerSecond: 1e15, burstOctets: 536_870_911 } },
    ],
    [
      'with the least burst that is none, and the most that is one',
      { ingressRate: 10_000_000, ingressBurst: 2_147_483_647, egressRate: 10_000_000, egressBurst: 2_147_483_646 },
      {
        ingress: { bitsPerSecond: 10_000_000, burstOctets: 262_144 },
        egress: { bitsPerSecond: 10_000_000, burstOctets: 268_435_455 },
      },
    ],
    ['of nothing', { ingressRate: 0, ingressBurst: 0 }, undefined],
    ['of an empty object', {}, undefined],
  ])('is what the runtime asks for: %s', async (_name, bandwidth, rateLimits) => {
    expect(await added(asking(bandwidth))).not.toHaveProperty('code')
    expect(at.endpoints.list().map((view) => view.rateLimits)).toEqual([rateLimits])
    expect(at.cni.attachments().map((attachment) => attachment.rateLimits)).toEqual([rateLimits])
  })

  it('is that of the configuration where the runtime asks for none, of each interface by itself', async () => {
    const bandwidth = { egressRate: 1000, egressBurst: 8000 }
    await added({ bandwidth })
    await call(at.cni, 'ADD', {
      ifname: 'eth1',
      netns: '/run/netns/c1',
      config: { network, bandwidth, ...asking({ ingressRate: 2000, ingressBurst: 8000 }) },
    })
    await added({}, 'c2')
    expect(at.endpoints.list().map(({ ifname, rateLimits }) => [ifname, rateLimits])).toEqual([
      ['eth0', { egress: { bitsPerSecond: 1000, burstOctets: 1000 } }],
      ['eth1', { ingress: { bitsPerSecond: 2000, burstOctets: 1000 } }],
      ['eth0', undefined],
    ])
  })

  it.each<[string, object, string]>([
    [
      'a text',
      asking({ ingressRate: '10M' }),
      'runtimeConfig.bandwidth.ingressRate is "10M"; allowed: a whole number of 0–1000000000000000',
    ],
    ['less than nothing', asking({ egressRate: -1 }), 'runtimeConfig.bandwidth.egressRate is -1'],
    ['more than any', asking({ egressRate: 1e16 }), 'runtimeConfig.bandwidth.egressRate is 10000000000000000'],
    [
      'a burst without a rate',
      asking({ egressBurst: 1000 }),
      'runtimeConfig.bandwidth.egressRate is missing; allowed: a rate of at least 1',
    ],
    ['a burst that is no number', asking({ egressRate: 1, egressBurst: true }), 'runtimeConfig.bandwidth.egressBurst is true'],
    [
      'what nobody knows',
      asking({ ingressRate: 1, shapedSubnets: ['10.0.0.0/8'] }),
      'runtimeConfig.bandwidth.shapedSubnets is ["10.0.0.0/8"]; allowed: nothing',
    ],
    ['no object', asking([]), 'runtimeConfig.bandwidth is []; allowed: an object'],
    ['a configuration that is wrong', { bandwidth: { egressRate: 'fast' } }, 'bandwidth.egressRate is "fast"'],
  ])('is refused when it is %s, and nothing is left', async (_name, config, message) => {
    expect(await added(config)).toMatchObject({ code: 7, msg: expect.stringContaining(message) })
    expect([at.endpoints.list(), at.cni.attachments(), at.leases()]).toEqual([[], [], []])
  })

  it('is looked after by CHECK, as the record, the endpoint and the runtime have it', async () => {
    const bandwidth = { egressRate: 1_000_000, egressBurst: 80_000 }
    const result = await added(asking(bandwidth))
    const check = async (config: object = asking(bandwidth)): Promise<unknown> =>
      (await call(at.cni, 'CHECK', { netns: '/run/netns/c1', config: { network, ...config, prevResult: result } })).json
    expect(await check()).toEqual({})
    expect(await check({})).toEqual({})
    expect(await check(asking({ ...bandwidth, egressRate: 2_000_000 }))).toMatchObject({
      code: 103,
      msg: expect.stringContaining('asks for the egress limit 2000000 bit/s with bursts of 10000 octets, and ADD asked for 1000000 bit/s'),
    })
    const [[key, { rateLimits: _lost, ...view }]] = [...at.endpoints.all]
    at.endpoints.all.set(key, view)
    expect(await check()).toMatchObject({ code: 103, msg: expect.stringContaining('has the egress limit none, not 1000000 bit/s') })
  })
})
