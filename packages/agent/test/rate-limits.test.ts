import type { EndpointRequest } from '@heddle/core'
import type { MemoryDataplane } from '@heddle/dataplane-memory'
import { describe, expect, it } from 'vitest'
import { Overlay, endpoint } from './support/overlay.js'

const A = '192.0.2.1'
const rateLimits = { egress: { bitsPerSecond: 10_000_000, burstOctets: 131_072 } }
const pod: EndpointRequest = { ...endpoint('pod', 'red', '10.0.0.1'), rateLimits }
const limited = (overlay: Overlay): MemoryDataplane => overlay.dataplane(A, { clock: overlay.clock })

describe('an endpoint with rate limits', () => {
  it('has them at its port and shows them, and keeps them while it is attached', async () => {
    const overlay = new Overlay()
    const plane = limited(overlay)
    const agent = await overlay.agent(overlay.config(A), plane)
    expect(await agent.endpoints.add(pod)).toMatchObject({ rateLimits, state: 'attached' })
    expect((await plane.dump()).ports.find(({ kind }) => kind === 'endpoint')).toMatchObject({ rateLimits })
    expect(await agent.show('endpoints')).toMatchObject([{ ifname: 'eth0', rateLimits: { ...rateLimits, ingress: null } }])
    for (const other of [{}, { ingress: rateLimits.egress }, { egress: { ...rateLimits.egress, burstOctets: 1 } }])
      await expect(agent.endpoints.add({ ...pod, rateLimits: other })).rejects.toMatchObject({ code: 'endpoint.conflict' })
    await overlay.stop(agent)
  })

  it('is attached anew by a configuration that says others', async () => {
    const overlay = new Overlay()
    const plane = limited(overlay)
    const agent = await overlay.agent(overlay.config(A, { endpoints: [pod] }), plane)
    const ingress = { bitsPerSecond: 1_000_000, burstOctets: 10_000 }
    await agent.reconfigure(overlay.config(A, { endpoints: [{ ...pod, rateLimits: { ingress } }] }))
    expect((await plane.dump()).ports.filter(({ kind }) => kind === 'endpoint')).toMatchObject([{ rateLimits: { ingress } }])
    expect(agent.endpoints.list()).toMatchObject([{ rateLimits: { ingress }, state: 'attached' }])
    await overlay.stop(agent)
  })

  it('is taken over with them by the next agent', async () => {
    const overlay = new Overlay()
    await overlay.startReflector([A])
    const plane = limited(overlay)
    const first = await overlay.agent(overlay.config(A), plane)
    const before = await first.endpoints.add(pod)
    await overlay.kill(first)
    const second = await overlay.agent(overlay.config(A), plane)
    expect(second.endpoints.list()).toMatchObject([{ rateLimits, label: before.label, state: 'attached' }])
    expect(await second.endpoints.add(pod)).toEqual(before)
    await overlay.stop(second)
  })

  it('is refused where the dataplane does not offer them, and when they are none', async () => {
    const overlay = new Overlay()
    const agent = await overlay.agent(overlay.config(A), overlay.dataplane(A, { features: [] }))
    await expect(agent.endpoints.add(pod)).rejects.toMatchObject({
      code: 'endpoint.unsupported',
      message: expect.stringContaining('endpoint eth0 of /run/netns/pod: rate limits need a dataplane with the feature rate-limit'),
    })
    const wanted = overlay.config(A, { endpoints: [pod] })
    await expect(agent.reconfigure(wanted)).rejects.toMatchObject({ problems: [{ code: 'intent.unsupported' }] })
    // An empty object asks for nothing, and was refused.
    await agent.reconfigure(overlay.config(A, { endpoints: [{ ...pod, rateLimits: {} }] }))
    expect(agent.endpoints.list()).toMatchObject([{ state: 'attached' }])
    await overlay.stop(agent)
    const other = await overlay.agent(overlay.config(A), limited(new Overlay()))
    await expect(other.endpoints.add({ ...pod, rateLimits: { egress: { bitsPerSecond: 0, burstOctets: 1 } } })).rejects.toMatchObject({
      code: 'endpoint.invalid',
      message: expect.stringContaining('egress bitsPerSecond 0 is not within'),
    })
    expect(other.endpoints.list()).toEqual([])
    await overlay.stop(other)
  })
})
