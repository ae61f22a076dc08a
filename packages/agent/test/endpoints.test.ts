import { DataplaneError, EndpointError, type Dataplane } from '@heddle/core'
import { describe, expect, it } from 'vitest'
import { Overlay, endpoint } from './support/overlay.js'

const A = '192.0.2.1'

/** `dataplane`, whose devices come only as `attach` lets them. */
function withDevices(dataplane: Dataplane, attach: (netns: string) => Promise<void>): Dataplane {
  return {
    capabilities: dataplane.capabilities,
    events: dataplane.events,
    apply: (transaction, signal) => dataplane.apply(transaction, signal),
    dump: () => dataplane.dump(),
    attachPort: async (port, device) => {
      await attach(device.netns ?? '')
      return dataplane.attachPort(port, device)
    },
    detachPort: (port) => dataplane.detachPort(port),
    counters: () => dataplane.counters(),
    close: (options) => dataplane.close(options),
  }
}

const missing = (netns: string) => new DataplaneError('dataplane.netns-missing', `there is no namespace ${netns}`)

describe('adding an endpoint', () => {
  it('is idempotent, and refuses another one for the same device', async () => {
    const overlay = new Overlay()
    const agent = await overlay.agent(overlay.config(A), overlay.dataplane(A))
    const first = await agent.endpoints.add(endpoint('pod', 'red', '10.0.0.1', 'fd00::1'))
    expect(await agent.endpoints.add(endpoint('pod', 'red', 'fd00::1', '10.0.0.1'))).toEqual(first)
    await expect(agent.endpoints.add(endpoint('pod', 'red', '10.0.0.2'))).rejects.toMatchObject({ code: 'endpoint.conflict' })
    expect(agent.endpoints.list()).toEqual([first])
    await overlay.stop(agent)
  })

  // Its device came all the same, and everything passed.
  it('is refused while the dataplane does not take its policy, and makes no device', async () => {
    const overlay = new Overlay()
    const dataplane = overlay.dataplane(A)
    let isFull = true
    const attached: string[] = []
    const full: Dataplane = {
      ...withDevices(dataplane, (netns) => Promise.resolve(void attached.push(netns))),
      apply: async (transaction, signal) => {
        const { policies = { set: [], remove: [] } } = transaction
        if (!isFull || policies.set.length === 0) return dataplane.apply(transaction, signal)
        const report = await dataplane.apply({ ...transaction, policies: { set: [], remove: policies.remove } }, signal)
        const failures = policies.set.map(({ id }) => ({
          object: { kind: 'policy' as const, key: String(id) },
          code: 'dataplane.limit',
          message: 'the memory of rules is full',
        }))
        return { ...report, failures: [...report.failures, ...failures] }
      },
    }
    const policy = { name: 'closed', vrf: 'red', ingress: { rules: [], defaultVerdict: 'deny' as const } }
    const agent = await overlay.agent({ ...overlay.config(A), traffic: { policies: [policy] } }, full)
    const request = endpoint('pod', 'red', '10.0.0.1')
    await expect(agent.endpoints.add(request)).rejects.toMatchObject({
      code: 'endpoint.dataplane',
      message: expect.stringContaining('the memory of rules is full') as string,
    })
    expect(attached).toEqual([])
    isFull = false
    expect(await agent.endpoints.add(request)).toMatchObject({ state: 'attached' })
    expect((await dataplane.dump()).policies).toMatchObject([{ direction: 'ingress', defaultVerdict: 'deny' }])
    await overlay.stop(agent)
  })

  it.each([
    ['a VRF that is not there', endpoint('other', 'blue', '10.0.0.9'), 'endpoint.vrf-unknown'],
    ['an address that another one has', endpoint('other', 'red', '10.0.0.1'), 'endpoint.address-in-use'],
    ['no address', endpoint('other', 'red'), 'endpoint.invalid'],
  ])('refuses %s, and leaves nothing behind', async (_name, request, code) => {
    const overlay = new Overlay()
    const dataplane = overlay.dataplane(A)
    const agent = await overlay.agent(overlay.config(A), dataplane)
    await agent.endpoints.add(endpoint('pod', 'red', '10.0.0.1'))
    const before = await dataplane.dump()
    await expect(agent.endpoints.add(request)).rejects.toMatchObject({ code })
    expect(agent.endpoints.list()).toHaveLength(1)
    expect((await dataplane.dump()).ports).toEqual(before.ports)
    await overlay.stop(agent)
  })

  it('takes everything back when the device cannot be had', async () => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A])
    const plane = overlay.dataplane(A)
    const agent = await overlay.agent(
      overlay.config(A),
      withDevices(plane, (netns) => Promise.reject(missing(netns))),
    )
    await expect(agent.endpoints.add(endpoint('gone', 'red', '10.0.0.1'))).rejects.toMatchObject({ code: 'endpoint.netns-missing' })
    await overlay.run(1)
    expect(agent.endpoints.list()).toEqual([])
    const { ports, labels, devices, routes } = await plane.dump()
    expect([ports.length, labels.length, devices.length, routes.count]).toEqual([1, 1, 0, 0]) // the uplink, and the label of the VRF
    expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toEqual([])
    await overlay.stop(agent)
  })

  it('names the limit that it met, and goes on when there is room again', async () => {
    const overlay = new Overlay()
    const agent = await overlay.agent(overlay.config(A), overlay.dataplane(A, { limits: { ports: 3 } })) // the uplink is one of them
    await agent.endpoints.add(endpoint('one', 'red', '10.0.0.1'))
    await agent.endpoints.add(endpoint('two', 'red', '10.0.0.2'))
    await expect(agent.endpoints.add(endpoint('three', 'red', '10.0.0.3'))).rejects.toThrow('the dataplane takes 3 ports')
    await agent.endpoints.remove(endpoint('two', 'red'))
    expect(await agent.endpoints.add(endpoint('three', 'red', '10.0.0.3'))).toMatchObject({ state: 'attached' })
    expect(await agent.show('dataplane')).toMatchObject([{ failures: [] }])
    await overlay.stop(agent)
  })

  it('ends with its signal, and takes everything back', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A)
    const abort = new AbortController()
    const agent = await overlay.agent(
      overlay.config(A),
      withDevices(plane, async () => abort.abort(new EndpointError('endpoint.invalid', 'no longer wanted'))),
    )
    await expect(agent.endpoints.add(endpoint('pod', 'red', '10.0.0.1'), abort.signal)).rejects.toThrow('no longer wanted')
    expect((await plane.dump()).devices).toEqual([])
    expect(agent.endpoints.list()).toEqual([])
    await overlay.stop(agent)
  })

  it('of many at once happens at once, in few transactions', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A)
    const agent = await overlay.agent(overlay.config(A), plane)
    const { generation } = await plane.dump()
    const requests = Array.from({ length: 100 }, (_, index) => endpoint(`pod-${index}`, 'red', `10.0.0.${index + 1}`))
    await Promise.all(requests.map(async (request) => agent.endpoints.add(request)))
    const state = await plane.dump()
    expect(state.devices).toHaveLength(100)
    expect(state.generation - generation).toBeLessThan(10)
    await Promise.all(requests.map(async (request) => agent.endpoints.remove(request)))
    expect((await plane.dump()).ports).toHaveLength(1)
    await overlay.stop(agent)
  })

  it('and removing it in one breath ends without it', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A)
    const agent = await overlay.agent(overlay.config(A), plane)
    const request = endpoint('pod', 'red', '10.0.0.1')
    const adding = agent.endpoints.add(request).catch((error: unknown) => error)
    await agent.endpoints.remove(request)
    await adding
    expect(agent.endpoints.list()).toEqual([])
    expect((await plane.dump()).devices).toEqual([])
    await overlay.stop(agent)
  })
})

describe('a configured endpoint', () => {
  it('is tried again until its namespace is there; the others do not wait', async () => {
    const overlay = new Overlay()
    const there = new Set(['/run/netns/early'])
    const dataplane = withDevices(overlay.dataplane(A), (netns) => (there.has(netns) ? Promise.resolve() : Promise.reject(missing(netns))))
    const endpoints = [endpoint('late', 'red', '10.0.0.1'), endpoint('early', 'red', '10.0.0.2')]
    const agent = await overlay.agent(overlay.config(A, { endpoints }), dataplane)
    const seen: string[] = []
    agent.events.on('endpoint', ({ netns, state }) => seen.push(`${netns} ${state}`))
    expect((await agent.show('endpoints')).map(({ state }) => state)).toEqual(['failed', 'attached'])
    expect((await agent.show('endpoints'))[0].error).toContain('there is no namespace /run/netns/late')
    there.add('/run/netns/late')
    await overlay.run(5)
    expect((await agent.show('endpoints')).map(({ state, error }) => [state, error])).toEqual([
      ['attached', null],
      ['attached', null],
    ])
    expect(seen).toEqual(['/run/netns/late attached'])
    await overlay.stop(agent)
  })
})

it('an endpoint whose device goes away is withdrawn, and comes back with it', async () => {
  const overlay = new Overlay()
  const reflector = await overlay.startReflector([A])
  const plane = overlay.dataplane(A)
  let refuse = false
  const agent = await overlay.agent(
    overlay.config(A),
    withDevices(plane, (netns) => (refuse ? Promise.reject(missing(netns)) : Promise.resolve())),
  )
  await agent.endpoints.add(endpoint('pod', 'red', '10.0.0.1'))
  await overlay.run(1)
  expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toHaveLength(1)
  refuse = true
  const [{ port }] = (await plane.dump()).devices
  await plane.detachPort(port)
  await overlay.run(1)
  expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toEqual([])
  expect(agent.endpoints.list()).toMatchObject([{ state: 'failed' }])
  refuse = false
  await overlay.run(20)
  expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toHaveLength(1)
  await overlay.stop(agent)
})
