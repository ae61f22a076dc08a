import { DataplaneError } from '@heddle/core'
import { withTrace, type DataplaneCall } from '@heddle/dataplane-memory'
import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { Overlay, REFLECTOR, endpoint, hostsOf, routesOf } from './support/overlay.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

describe('an agent', () => {
  it('attaches what its configuration says, tells its peers, and carries packets both ways', async () => {
    const overlay = new Overlay()
    await overlay.startReflector([A, B])
    const [planeA, planeB] = [overlay.dataplane(A), overlay.dataplane(B)]
    const a = await overlay.agent(overlay.config(A, { endpoints: [endpoint('pod-a', 'red', '10.0.0.1', 'fd00::1')] }), planeA)
    const b = await overlay.agent(overlay.config(B, { endpoints: [endpoint('pod-b', 'red', '10.0.0.2', 'fd00::2')] }), planeB)
    await overlay.run(1)
    expect(await routesOf(a)).toEqual([
      '*> 10.0.0.1/32 label 17 from local',
      `*> 10.0.0.2/32 label 17 from ${REFLECTOR}`,
      '*> fd00::1/128 label 17 from local',
      `*> fd00::2/128 label 17 from ${REFLECTOR}`,
    ])
    const podA = (await hostsOf(planeA)).get('pod-a')
    await hostsOf(planeB)
    expect(podA?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-b')
    expect(podA?.ping(IpAddress.parse('fd00::2'))).toBe(true)
    expect(await a.show('neighbors')).toMatchObject([
      { address: REFLECTOR, state: 'established', received: 2, stale: 0, gracefulRestart: true },
    ])
    expect(await a.show('endpoints')).toMatchObject([
      { vrf: 'red', netns: '/run/netns/pod-a', label: 17, mtu: 1464, state: 'attached', error: null },
    ])
    expect(await a.show('vrfs')).toMatchObject([{ name: 'red', endpoints: 1, routes: 4 }])
    const tunnel = { local: A, remote: B, encapsulation: 'mpls-udp', nextHops: 1, routes: 2, hostLink: null }
    expect(await a.show('tunnels')).toEqual([{ ...tunnel, pathMtu: null }])
    overlay.underlay.narrow(IpAddress.parse(B), 1340)
    expect(await a.show('tunnels')).toEqual([{ ...tunnel, pathMtu: 1340 }])
    overlay.underlay.narrow(IpAddress.parse(B), undefined)
    expect(await a.show('labels')).toMatchObject([
      { label: 16, action: 'pop-lookup', vrf: 'red', endpoint: null, sources: [`${B}/32`] },
      { label: 17, action: 'pop-forward', vrf: 'red', endpoint: 'eth0 in /run/netns/pod-a', sources: [`${B}/32`] },
    ])
    expect(await a.show('dataplane')).toMatchObject([{ kind: 'memory', ports: 2, devices: 1, failures: [] }])
    await overlay.stop(a, b)
  })

  it('withdraws before its dataplane forgets, and again before it says Cease', async () => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A])
    const order: string[] = []
    const dataplane = withTrace(overlay.dataplane(A), (call: DataplaneCall) => {
      if (call.method === 'apply' && call.transaction.labels.remove.length > 0) order.push('label removed')
    })
    const agent = await overlay.agent(overlay.config(A), dataplane)
    await agent.endpoints.add(endpoint('pod-1', 'red', '10.0.0.1'))
    await agent.endpoints.add(endpoint('pod-2', 'red', '10.0.0.2'))
    await overlay.run(1)
    void (async () => {
      for await (const changes of reflector.changes)
        for (const { kind, nlri } of changes) if (nlri.kind === 'vpn') order.push(`${kind} ${nlri.prefix}`)
    })()
    await overlay.run(0.1)
    order.length = 0
    await agent.endpoints.remove(endpoint('pod-1', 'red'))
    expect(order).toEqual(['label removed'])
    await overlay.run(0.1)
    expect(order).toEqual(['label removed', 'withdraw 10.0.0.1/32'])
    await overlay.stop(agent)
    expect(order.at(-1)).toBe('withdraw 10.0.0.2/32')
    expect(reflector.neighbors()).toMatchObject([{ lastNotification: { direction: 'received', code: 6, subcode: 2 } }])
    expect(reflector.neighbors()[0].messages.received.update).toBeGreaterThanOrEqual(5) // two routes, two End-of-RIB, two withdrawals at least
  })

  it('leaves nothing behind when it cannot listen', async () => {
    const overlay = new Overlay()
    const dataplane = overlay.dataplane(A)
    const config = overlay.config(A, { endpoints: [endpoint('pod', 'red', '10.0.0.1')] })
    const bgp = { ...config.bgp, listen: [{ address: '203.0.113.9' }] }
    await expect(overlay.agent({ ...config, bgp }, () => Promise.resolve(dataplane))).rejects.toMatchObject({ code: 'speaker.listen' })
    await expect(dataplane.dump()).rejects.toMatchObject({ code: 'dataplane.closed' })
    expect(overlay.clock.pending).toEqual([])
  })

  it('says that its dataplane cannot be had', async () => {
    const overlay = new Overlay()
    const refuse = () => Promise.reject(new DataplaneError('dataplane.permission', 'root is needed'))
    await expect(overlay.agent(overlay.config(A), refuse)).rejects.toMatchObject({ code: 'dataplane.permission' })
    expect(overlay.clock.pending).toEqual([])
  })

  it('offers to keep routes over a restart only where packets are forwarded meanwhile', async () => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A])
    const agent = await overlay.agent(overlay.config(A), () => Promise.resolve(overlay.dataplane(A))) // dies with the agent
    await agent.endpoints.add(endpoint('pod', 'red', '10.0.0.1'))
    await overlay.run(1)
    expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toHaveLength(1)
    await overlay.kill(agent)
    await overlay.run(0.1)
    expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toEqual([])
  })
})

describe('reconfiguration', () => {
  // Peers that had lost their sessions kept routes for the long-lived time that they were told, and the label was another endpoint's by then.
  it('that shortens restart times lets labels rest for as long as peers were told, whether they were released before it or after', async () => {
    const overlay = new Overlay()
    const short = overlay.config(A, { vrfs: [{ name: 'red' }, { name: 'blue' }], neighbors: [] })
    const long = { ...short, bgp: { ...short.bgp, gracefulRestart: { longLived: 3600 } } }
    const agent = await overlay.agent(long, overlay.dataplane(A))
    const [before, after] = [endpoint('before', 'red', '10.0.0.1'), endpoint('after', 'red', '10.0.0.2')]
    const released = [(await agent.endpoints.add(before)).label, (await agent.endpoints.add(after)).label]
    await agent.endpoints.remove(before)
    await agent.reconfigure(short)
    await agent.endpoints.remove(after)
    await overlay.run(280)
    const { label } = await agent.endpoints.add(endpoint('fresh', 'blue', '10.0.0.1'))
    expect(released).not.toContain(label)
    await overlay.run(3870 - 280)
    expect((await agent.endpoints.add(endpoint('late', 'blue', '10.0.0.2'))).label).toBe(released[0])
    await overlay.stop(agent)
  })

  it('warns of neighbors that never notice when they are cut off', async () => {
    const overlay = new Overlay()
    const config = overlay.config(A)
    const agent = await overlay.agent(config, overlay.dataplane(A))
    const warnings = (): unknown[] => overlay.logger.records.filter(({ message }) => message.includes('without hold time'))
    expect(warnings()).toEqual([])
    await agent.reconfigure({ ...config, bgp: { ...config.bgp, neighbors: config.bgp.neighbors.map((one) => ({ ...one, holdTime: 0 })) } })
    expect(warnings()).toMatchObject([{ level: 'warn', fields: { neighbors: config.bgp.neighbors.map(({ address }) => address) } }])
    await overlay.stop(agent)
  })

  it.each([1330, 1329])(
    'warns of an underlay that takes less than IPv6 needs in its widest tunnel, and of such a path: %i octets',
    async (mtu) => {
      const overlay = new Overlay()
      const agent = await overlay.agent(
        { ...overlay.config(A, { vrfs: [{ name: 'red', vni: 7 }] }), underlayMtu: mtu },
        overlay.dataplane(A),
      )
      overlay.underlay.narrow(IpAddress.parse(B), mtu)
      await overlay.run(1)
      const found = overlay.logger.records.filter(({ message }) => message.includes('less than IPv6 needs'))
      const fields = { mtu, needed: 1330 }
      expect(found.map((record) => [record.level, record.fields])).toEqual(
        mtu < 1330
          ? [
              ['warn', fields],
              ['warn', { ...fields, remote: B }],
            ]
          : [],
      )
      await overlay.stop(agent)
    },
  )

  it('moves only what differs', async () => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A, B])
    const keep = endpoint('keep', 'red', '10.0.0.1')
    const agent = await overlay.agent(overlay.config(A, { endpoints: [keep, endpoint('go', 'red', '10.0.0.2')] }), overlay.dataplane(A))
    await agent.endpoints.add(endpoint('dynamic', 'red', '10.0.0.3'))
    await overlay.run(1)
    const before = await agent.show('endpoints')
    const sessions = reflector.neighbors().find(({ address }) => address === A)?.established
    await agent.reconfigure(
      overlay.config(A, { vrfs: [{ name: 'red' }, { name: 'blue' }], endpoints: [keep, endpoint('come', 'blue', '10.0.0.1')] }),
    )
    await overlay.run(1)
    const after = await agent.show('endpoints')
    expect(after.map(({ netns, state }) => `${netns} ${state}`)).toEqual([
      '/run/netns/keep attached',
      '/run/netns/dynamic attached',
      '/run/netns/come attached',
    ])
    expect(after[0]).toEqual(before[0])
    expect(reflector.neighbors().find(({ address }) => address === A)?.established).toBe(sessions)
    expect(
      [...reflector.routes({ family: 'vpnv4-unicast' })]
        .map(({ nlri }) => (nlri.kind === 'vpn' ? `${nlri.rd} ${nlri.prefix}` : ''))
        .toSorted(),
    ).toEqual([`${A}:1 10.0.0.1/32`, `${A}:1 10.0.0.3/32`, `${A}:2 10.0.0.1/32`])
    await overlay.stop(agent)
  })

  it('applies changed route targets to routes that are there', async () => {
    const overlay = new Overlay()
    await overlay.startReflector([A, B])
    const a = await overlay.agent(overlay.config(A), overlay.dataplane(A))
    const b = await overlay.agent(overlay.config(B, { endpoints: [endpoint('pod', 'red', '10.0.0.2')] }), overlay.dataplane(B))
    await overlay.run(1)
    expect(await routesOf(a)).toHaveLength(1)
    await a.reconfigure(overlay.config(A, { vrfs: [{ name: 'red', import: ['65000:9'] }] }))
    expect(await routesOf(a)).toEqual([])
    await a.reconfigure(overlay.config(A, { vrfs: [{ name: 'red', import: ['65000:9', '65000:1'] }] }))
    expect(await routesOf(a)).toEqual([`*> 10.0.0.2/32 label 17 from ${REFLECTOR}`])
    await overlay.stop(a, b)
  })

  it.each([
    ['its address', (overlay: Overlay) => ({ ...overlay.config(A), address: IpAddress.parse(B) }), 'node.address'],
    ['its AS', (overlay: Overlay) => ({ ...overlay.config(A), bgp: { ...overlay.config(A).bgp, as: 65_001 } }), 'bgp.as'],
    ['the flows of endpoints', (overlay: Overlay) => ({ ...overlay.config(A), endpointFlows: 9000 }), 'flows'],
    ['the MTU of the underlay', (overlay: Overlay) => ({ ...overlay.config(A), underlayMtu: 9000 }), 'MTU'],
  ])('refuses to change %s, and changes nothing', async (_name, change, named) => {
    const overlay = new Overlay()
    const agent = await overlay.agent(overlay.config(A), overlay.dataplane(A))
    const wanted = { ...change(overlay), vrfs: [] }
    await expect(agent.reconfigure(wanted)).rejects.toThrow(named)
    await expect(agent.reconfigure(wanted)).rejects.toMatchObject({ code: 'agent.needs-restart' })
    expect(await agent.show('vrfs')).toHaveLength(1)
    await overlay.stop(agent)
  })

  it.each([
    ['more VRFs than the dataplane takes', { vrfs: 1 }, [{ name: 'red' }, { name: 'blue' }]],
    ['more labels than the dataplane takes', { labels: 3 }, [{ name: 'red' }, { name: 'blue' }, { name: 'green' }, { name: 'grey' }]],
    ['more VNIs than the dataplane takes', { vnis: 1 }, ['red', 'blue'].map((name, index) => ({ name, vni: 5001 + index }))],
  ])('refuses %s before endpoints and sessions are touched', async (_name, limits, vrfs) => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A])
    const configured = endpoint('configured', 'red', '10.0.0.1')
    const agent = await overlay.agent(overlay.config(A, { endpoints: [configured] }), overlay.dataplane(A, { limits }))
    await overlay.run(1)
    const before = await agent.show('endpoints')
    const wanted = overlay.config(A, { vrfs, neighbors: [] })
    expect(() => agent.plan(wanted)).toThrow('the dataplane takes')
    await expect(agent.reconfigure(wanted)).rejects.toMatchObject({ problems: [{ code: 'intent.vrf.limit' }] })
    await overlay.run(1)
    expect(await agent.show('endpoints')).toEqual(before)
    expect(await agent.show('neighbors')).toMatchObject([{ address: REFLECTOR, state: 'established' }])
    expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toHaveLength(1)
    await overlay.stop(agent)
  })

  it('takes what the dataplane has room for once endpoints that the configuration has no more are gone', async () => {
    const overlay = new Overlay()
    const endpoints = [endpoint('go', 'red', '10.0.0.1')]
    const agent = await overlay.agent(overlay.config(A, { endpoints }), overlay.dataplane(A, { limits: { labels: 2 } }))
    await agent.reconfigure(overlay.config(A, { vrfs: [{ name: 'red' }, { name: 'blue' }] }))
    expect((await agent.show('vrfs')).map(({ name }) => name)).toEqual(['red', 'blue'])
    await overlay.stop(agent)
  })

  it('refuses to take a VRF away from an endpoint that stays in the configuration, and changes nothing', async () => {
    const overlay = new Overlay()
    const endpoints = [endpoint('stays', 'red', '10.0.0.1'), endpoint('goes', 'red', '10.0.0.2')]
    const agent = await overlay.agent(overlay.config(A, { endpoints }), overlay.dataplane(A))
    const wanted = overlay.config(A, { vrfs: [{ name: 'blue' }], endpoints: endpoints.slice(0, 1) })
    await expect(agent.reconfigure(wanted)).rejects.toMatchObject({ problems: [{ code: 'intent.vrf.in-use' }] })
    expect(await agent.show('endpoints')).toHaveLength(2)
    await overlay.stop(agent)
  })

  it('refuses to take a VRF away from an endpoint that somebody attached, and changes nothing', async () => {
    const overlay = new Overlay()
    const agent = await overlay.agent(overlay.config(A, { endpoints: [endpoint('configured', 'red', '10.0.0.1')] }), overlay.dataplane(A))
    await agent.endpoints.add(endpoint('dynamic', 'red', '10.0.0.2'))
    await expect(agent.reconfigure(overlay.config(A, { vrfs: [] }))).rejects.toMatchObject({ code: 'agent.vrf-in-use' })
    expect(await agent.show('endpoints')).toHaveLength(2)
    await agent.endpoints.remove(endpoint('dynamic', 'red'))
    await agent.reconfigure(overlay.config(A, { vrfs: [] }))
    expect(await agent.show('endpoints')).toEqual([])
    expect(await agent.show('labels')).toEqual([])
    await overlay.stop(agent)
  })
})
