import { ROUTER_MAC, type EndpointRequest } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { Overlay, endpoint } from './support/overlay.js'

const A = '192.0.2.1'
const gateways = ['10.0.0.254', 'fe80::1'].map((text) => IpAddress.parse(text))
const pod: EndpointRequest = { ...endpoint('pod', 'red', '10.0.0.1', 'fd00::1'), link: 'ethernet', gateways }

describe('an endpoint that asks for Ethernet', () => {
  it('has the router of every node as its neighbour, and its gateways', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A)
    const agent = await overlay.agent(overlay.config(A), plane)
    expect(await agent.endpoints.add(pod)).toMatchObject({ link: 'ethernet', gateways, state: 'attached' })
    const { ports } = await plane.dump()
    expect(ports.find(({ kind }) => kind === 'endpoint')).toMatchObject({ link: { mac: ROUTER_MAC }, gateways })
    expect(await agent.show('endpoints')).toMatchObject([{ ifname: 'eth0', link: 'ethernet' }])
    await overlay.stop(agent)
  })

  it('keeps its kind while it is attached: a call for the other one is refused, a configuration attaches it anew', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A)
    const { link: _link, ...bare } = pod
    const agent = await overlay.agent(overlay.config(A, { endpoints: [bare] }), plane)
    await expect(agent.endpoints.add(pod)).rejects.toMatchObject({ code: 'endpoint.conflict' })
    expect((await plane.dump()).ports.some(({ link }) => link !== undefined)).toBe(false)
    const wanted = overlay.config(A, { endpoints: [pod] })
    expect(agent.plan(wanted)).toContainEqual(expect.objectContaining({ what: 'endpoint', kind: 'change' }))
    await agent.reconfigure(wanted)
    const { ports, devices } = await plane.dump()
    expect(ports.filter(({ kind }) => kind === 'endpoint')).toMatchObject([{ link: { mac: ROUTER_MAC } }])
    expect(devices).toMatchObject([{ ifname: 'eth0' }])
    expect(agent.endpoints.list()).toMatchObject([{ link: 'ethernet', state: 'attached' }])
    await overlay.stop(agent)
  })

  it('is taken over as what it is, and is claimed by the same request alone', async () => {
    const overlay = new Overlay()
    await overlay.startReflector([A])
    const plane = overlay.dataplane(A)
    const first = await overlay.agent(overlay.config(A), plane)
    const before = await first.endpoints.add(pod)
    await overlay.kill(first)
    const second = await overlay.agent(overlay.config(A), plane)
    expect(second.endpoints.list()).toMatchObject([{ link: 'ethernet', gateways, label: before.label, state: 'attached' }])
    await expect(second.endpoints.add({ ...pod, link: 'ip' })).rejects.toMatchObject({ code: 'endpoint.conflict' })
    expect(await second.endpoints.add(pod)).toEqual(before)
    await overlay.stop(second)
  })

  it('is refused where the dataplane has no such feature, by a call, at the start and in another configuration', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A, { features: ['fragmentation'] })
    const agent = await overlay.agent(overlay.config(A), plane)
    await expect(agent.endpoints.add(pod)).rejects.toMatchObject({
      code: 'endpoint.unsupported',
      message: expect.stringContaining('endpoint eth0 of /run/netns/pod: link "ethernet" needs a dataplane with the feature ethernet'),
    })
    expect(agent.endpoints.list()).toEqual([])
    const wanted = overlay.config(A, { endpoints: [pod] })
    expect(() => agent.plan(wanted)).toThrow('endpoint eth0 of /run/netns/pod')
    await expect(agent.reconfigure(wanted)).rejects.toMatchObject({ problems: [{ code: 'intent.unsupported' }] })
    expect(await agent.endpoints.add({ ...pod, link: 'ip' })).toMatchObject({ state: 'attached' })
    await overlay.stop(agent)
    await expect(overlay.agent(wanted, overlay.dataplane('192.0.2.9', { features: [] }))).rejects.toMatchObject({
      problems: [{ code: 'intent.unsupported' }],
    })
  })

  it.each([
    ['its own address', ['10.0.0.1']],
    ['a second one of a family', ['10.0.0.254', '10.0.0.253']],
    ['the loopback address', ['127.0.0.1']],
  ])('cannot have %s as its gateway', async (_name, texts) => {
    const overlay = new Overlay()
    const agent = await overlay.agent(overlay.config(A), overlay.dataplane(A))
    const refused = agent.endpoints.add({ ...pod, gateways: texts.map((text) => IpAddress.parse(text)) })
    await expect(refused).rejects.toMatchObject({ code: 'endpoint.invalid', message: expect.stringContaining(String(texts.at(-1))) })
    await overlay.stop(agent)
  })
})
