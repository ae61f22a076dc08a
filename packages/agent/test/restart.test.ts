import { DataplaneError, type Dataplane, type DataplaneEvent, type DataplaneState } from '@heddle/core'
import { withTrace, type MemoryDataplane } from '@heddle/dataplane-memory'
import { EventQueue } from '@heddle/io'
import { seededRandom } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import { IpAddress } from '@heddle/wire'
import { Overlay, REFLECTOR, endpoint, hostsOf, routesOf } from './support/overlay.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

describe('an agent over a dataplane that another one has left', () => {
  it('keeps devices, labels and packets, and its peers keep its routes', async () => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A, B])
    const [planeA, planeB] = [overlay.dataplane(A), overlay.dataplane(B)]
    const config = overlay.config(A, { endpoints: [endpoint('pod-a', 'red', '10.0.0.1')] })
    const first = await overlay.agent(config, planeA)
    await first.endpoints.add(endpoint('dynamic', 'red', '10.0.0.7'))
    const b = await overlay.agent(overlay.config(B, { endpoints: [endpoint('pod-b', 'red', '10.0.0.2')] }), planeB)
    await overlay.run(1)
    const podB = (await hostsOf(planeB)).get('pod-b')
    await hostsOf(planeA)
    const routes = await routesOf(first)
    const endpoints = await first.show('endpoints')
    const changes: string[] = []
    void (async () => {
      for await (const batch of reflector.changes)
        for (const { kind, nlri } of batch) if (nlri.kind === 'vpn' && kind === 'withdraw') changes.push(`withdraw ${nlri.prefix}`)
    })()

    await overlay.kill(first)
    await overlay.run(5)
    expect(await routesOf(b)).toEqual([
      `*> 10.0.0.1/32 label 17 from ${REFLECTOR}`,
      '*> 10.0.0.2/32 label 17 from local',
      `*> 10.0.0.7/32 label 18 from ${REFLECTOR}`,
    ])
    expect(podB?.ask(IpAddress.parse('10.0.0.1'))).toBe('pod-a')

    const second = await overlay.agent(config, planeA)
    let reconciled = false
    second.events.on('reconciled', () => (reconciled = true))
    expect(podB?.ask(IpAddress.parse('10.0.0.7'))).toBe('dynamic')
    expect(await planeA.dump()).toMatchObject({ routes: { count: 3 } }) // what peers told the first agent, before they tell the second
    await overlay.run(5)
    expect(reconciled).toBe(true)
    expect(await routesOf(second)).toEqual(routes)
    expect(await second.show('endpoints')).toEqual(endpoints)
    expect(changes).toEqual([])
    expect(podB?.ask(IpAddress.parse('10.0.0.1'))).toBe('pod-a')
    await overlay.stop(second, b)
  })

  it('removes what nobody wants any more, once the peers have told what they have', async () => {
    const overlay = new Overlay()
    await overlay.startReflector([A, B])
    const planeA = overlay.dataplane(A)
    const gone = endpoint('gone', 'blue', '10.0.0.9')
    const vrfs = [{ name: 'red' }, { name: 'blue' }]
    const first = await overlay.agent(overlay.config(A, { vrfs, endpoints: [gone] }), planeA)
    const b = await overlay.agent(
      overlay.config(B, { endpoints: [endpoint('pod-b', 'red', '10.0.0.2'), endpoint('pod-c', 'red', '10.0.0.3')] }),
      overlay.dataplane(B),
    )
    await overlay.run(1)
    await overlay.kill(first)
    await b.reconfigure(overlay.config(B, { endpoints: [endpoint('pod-b', 'red', '10.0.0.2')] }))
    const second = await overlay.agent(overlay.config(A), planeA)
    const before = await planeA.dump()
    expect([before.vrfs.length, before.routes.count, before.devices.length]).toEqual([2, 3, 1])
    await overlay.run(5)
    const after = await planeA.dump()
    expect([after.vrfs.length, after.routes.count, after.devices.length]).toEqual([1, 1, 0])
    expect(await routesOf(second)).toEqual([`*> 10.0.0.2/32 label 17 from ${REFLECTOR}`])
    await overlay.stop(second, b)
  })

  it('does not wait for ever for a peer that is gone', async () => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A, B])
    const planeA = overlay.dataplane(A)
    const first = await overlay.agent(overlay.config(A), planeA)
    const b = await overlay.agent(overlay.config(B, { endpoints: [endpoint('pod-b', 'red', '10.0.0.2')] }), overlay.dataplane(B))
    await overlay.run(1)
    await overlay.kill(first)
    await overlay.stop(b, reflector)
    const second = await overlay.agent(overlay.config(A), planeA)
    await overlay.run(30)
    expect((await planeA.dump()).routes.count).toBe(1)
    await overlay.run(31) // the restart time is 60 s
    expect((await planeA.dump()).routes.count).toBe(0)
    await overlay.stop(second)
  })

  // What it held was taken for nothing, and closed for good: pins and pods' devices were gone.
  it.each([
    ['cannot be looked at', new DataplaneError('dataplane.device', 'it does not answer')],
    ['is not understood', new TypeError('this is no dump')],
  ])('leaves what it found as it was where that %s', async (_what, error) => {
    const overlay = new Overlay()
    const closed: unknown[] = []
    const plane: Dataplane = {
      ...withTrace(overlay.dataplane(A), () => undefined),
      dump: () => Promise.reject(error),
      close: (options) => Promise.resolve(void closed.push(options)),
    }
    await expect(overlay.agent(overlay.config(A), () => Promise.resolve(plane))).rejects.toBe(error)
    expect(closed).toEqual([{ keep: true }])
    expect(overlay.clock.pending).toEqual([])
  })

  it('lets the configuration win over an endpoint that was left with its address', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A)
    const first = await overlay.agent(overlay.config(A, { endpoints: [endpoint('old', 'red', '10.0.0.1')] }), plane)
    await overlay.kill(first)
    const second = await overlay.agent(overlay.config(A, { endpoints: [endpoint('new', 'red', '10.0.0.1')], neighbors: [] }), plane)
    await overlay.run(1)
    expect((await second.show('endpoints')).map(({ netns, state }) => `${netns} ${state}`)).toEqual(['/run/netns/new attached'])
    expect((await plane.dump()).devices.map(({ netns }) => netns)).toEqual(['/run/netns/new'])
    await overlay.stop(second)
  })
})

const INTERVALS = { desiredMinTx: 300_000, requiredMinRx: 300_000, multiplier: 3 }

/** Of a dataplane that offers liveness. */
const watching = ({ clock }: Overlay): Parameters<Overlay['dataplane']>[1] => ({ liveness: { clock, random: seededRandom(3) } })

describe('an agent whose dataplane is lost', () => {
  it('opens another one, fills it, and gives every endpoint its device and label again', async () => {
    const overlay = new Overlay()
    const reflector = await overlay.startReflector([A, B])
    let plane = overlay.dataplane(A)
    const open = (): Promise<Dataplane> => Promise.resolve((plane = overlay.dataplane(A)))
    const a = await overlay.agent(overlay.config(A, { endpoints: [endpoint('pod-a', 'red', '10.0.0.1')] }), open)
    const planeB = overlay.dataplane(B)
    const b = await overlay.agent(overlay.config(B, { endpoints: [endpoint('pod-b', 'red', '10.0.0.2')] }), planeB)
    await overlay.run(1)
    const before = await a.show('endpoints')
    const events: string[] = []
    a.events.on('dataplane', (state) => events.push(state))
    const lost = plane
    await lost.close()
    await overlay.clock.settle()
    expect(events).toEqual(['lost'])
    await expect(a.show('drops')).rejects.toMatchObject({ code: 'agent.dataplane-lost' })
    expect(a.dataplaneLost).toBe('the dataplane is gone and not back yet')
    await overlay.run(1)
    expect(a.dataplaneLost).toBeUndefined()
    expect(events).toEqual(['lost', 'replaced'])
    expect(plane).not.toBe(lost)
    expect(await a.show('endpoints')).toEqual(before)
    const podB = (await hostsOf(planeB)).get('pod-b')
    await hostsOf(plane)
    expect(podB?.ask(IpAddress.parse('10.0.0.1'))).toBe('pod-a')
    expect([...reflector.routes({ family: 'vpnv4-unicast' })]).toHaveLength(2)
    await overlay.stop(a, b)
  })

  it('closes one that fails at once, and opens the next one', async () => {
    const overlay = new Overlay()
    const planes: MemoryDataplane[] = []
    const open = async (): Promise<Dataplane> => {
      const plane = overlay.dataplane(A)
      planes.push(plane)
      if (planes.length !== 2) return plane
      return { ...withTrace(plane, () => undefined), dump: () => Promise.reject(new DataplaneError('dataplane.lost', 'it broke')) }
    }
    const agent = await overlay.agent(overlay.config(A, { endpoints: [endpoint('pod', 'red', '10.0.0.1')], neighbors: [] }), open)
    await planes[0].close()
    await overlay.run(2)
    expect(planes).toHaveLength(3)
    await expect(planes[1].dump()).rejects.toMatchObject({ code: 'dataplane.closed' })
    expect(await agent.show('endpoints')).toMatchObject([{ state: 'attached' }])
    expect((await planes[2].dump()).devices).toHaveLength(1)
    await overlay.stop(agent)
    await expect(planes[2].dump()).rejects.toMatchObject({ code: 'dataplane.closed' })
  })

  // Another one was opened meanwhile, of which an agent heard nothing that was not there yet: it went on with the one that was gone.
  it('does not start over one that is lost before it is looked at, and closes what was opened in its place', async () => {
    const overlay = new Overlay()
    const planes: MemoryDataplane[] = []
    const open = async (): Promise<Dataplane> => {
      const plane = overlay.dataplane(A)
      planes.push(plane)
      const dump = async (): Promise<DataplaneState> => {
        const state = await plane.dump()
        await plane.close()
        await new Promise<void>((resolve) => overlay.clock.setTimer(1_000, resolve))
        return state
      }
      return planes.length === 1 ? { ...withTrace(plane, () => undefined), dump } : plane
    }
    const started = overlay.agent(overlay.config(A, { neighbors: [] }), open)
    await Promise.all([expect(started).rejects.toMatchObject({ code: 'dataplane.lost' }), overlay.run(5)])
    expect(planes).toHaveLength(2)
    await expect(planes[1].dump()).rejects.toMatchObject({ code: 'dataplane.closed' })
  })

  // It counted as another one in its place, which ended the attempts: nothing was opened any more, and the node said that it was ready.
  it.each([
    ['dump', false],
    ['attachPort', false],
    ['attachPort', true],
    ['apply', false],
    ['apply', true],
  ] as const)('opens the next one when one is lost while it is filled (in %s, which is done all the same: %s)', async (method, isDone) => {
    const overlay = new Overlay()
    const planes: MemoryDataplane[] = []
    const open = async (): Promise<Dataplane> => {
      const plane = overlay.dataplane(A)
      planes.push(plane)
      if (planes.length !== 2) return plane
      const losing = async (...args: never[]): Promise<never> => {
        const result: unknown = isDone ? await (plane[method] as (...args: never[]) => Promise<unknown>)(...args) : undefined
        await plane.close()
        for (let round = 0; round < 10; round++) await Promise.resolve() // the agent hears of it
        if (!isDone) throw new DataplaneError('dataplane.lost', 'the uplink is gone')
        return result as never
      }
      return { ...withTrace(plane, () => undefined), [method]: losing }
    }
    const config = overlay.config(A, { endpoints: [endpoint('pod', 'red', '10.0.0.1')], neighbors: [] })
    const agent = await overlay.agent(config, open)
    const events: string[] = []
    agent.events.on('dataplane', (state) => events.push(state))
    await planes[0].close()
    await overlay.run(10)
    expect(events).toEqual(['lost', 'lost', 'replaced'])
    expect(planes).toHaveLength(3)
    expect((await planes[2].dump()).devices).toHaveLength(1)
    expect(await agent.show('endpoints')).toMatchObject([{ state: 'attached' }])
    expect(await agent.show('dataplane')).toMatchObject([{ kind: 'memory', devices: 1 }])
    await overlay.stop(agent)
  })

  it('opens the next one behind what is under way with one that is lost while it is filled, and no other beside it', async () => {
    const overlay = new Overlay()
    const planes: MemoryDataplane[] = []
    let goOn: (() => void) | undefined
    const open = async (): Promise<Dataplane> => {
      const plane = overlay.dataplane(A)
      planes.push(plane)
      if (planes.length !== 2) return plane
      const dump = async (): Promise<DataplaneState> => {
        const state = await plane.dump()
        await plane.close()
        await new Promise<void>((resolve) => (goOn = resolve))
        return state
      }
      return { ...withTrace(plane, () => undefined), dump }
    }
    const config = overlay.config(A, { endpoints: [endpoint('pod', 'red', '10.0.0.1')], neighbors: [] })
    const agent = await overlay.agent(config, open)
    const events: string[] = []
    agent.events.on('dataplane', (state) => events.push(state))
    await planes[0].close()
    await overlay.run(10)
    expect(planes).toHaveLength(2)
    goOn?.()
    await overlay.run(10)
    expect(events).toEqual(['lost', 'lost', 'replaced'])
    expect(planes).toHaveLength(3)
    // It was asked for nothing any more.
    expect(overlay.logger.records.filter(({ message }) => message === 'the dataplane did not answer')).toEqual([])
    expect(await agent.show('dataplane')).toMatchObject([{ kind: 'memory', devices: 1 }])
    await overlay.stop(agent)
  })

  // It was refused whatever names a path, for as long as the dataplane lived, which was opened before the underlay had its address.
  it.each(['tunnels', 'neighbors'] as const)('takes none that watches no paths, where it has paths to %s watched', async (what) => {
    const overlay = new Overlay()
    const planes: MemoryDataplane[] = []
    const open = async (): Promise<Dataplane> => {
      const plane = overlay.dataplane(A, planes.length === 1 ? {} : watching(overlay))
      planes.push(plane)
      return plane
    }
    const neighbors = [{ address: REFLECTOR, as: 65_000, families: ['vpnv4-unicast'] as const, bfd: true }]
    const config = overlay.config(A, { endpoints: [endpoint('pod', 'red', '10.0.0.1')], neighbors: what === 'neighbors' ? neighbors : [] })
    const agent = await overlay.agent(what === 'tunnels' ? { ...config, traffic: { tunnelLiveness: INTERVALS } } : config, open)
    await planes[0].close()
    await overlay.run(2)
    expect(planes).toHaveLength(3)
    await expect(planes[1].dump()).rejects.toMatchObject({ code: 'dataplane.closed' })
    expect((await planes[2].dump()).devices).toHaveLength(1)
    await overlay.stop(agent)
  })

  // It said that there was no source of BFD, or that the dataplane does not offer liveness, and nothing of what may be in the way.
  it.each(['tunnels', 'neighbors'] as const)(
    'says what is in the way where it starts over one that watches no paths to %s, and leaves what another has left',
    async (what) => {
      const overlay = new Overlay()
      const neighbors = [{ address: REFLECTOR, as: 65_000, families: ['vpnv4-unicast'] as const, bfd: true }]
      const config = overlay.config(A, { neighbors: what === 'neighbors' ? neighbors : [] })
      const wanted = what === 'tunnels' ? { ...config, traffic: { tunnelLiveness: INTERVALS } } : config
      const plane = overlay.dataplane(A)
      const closed: unknown[] = []
      const open = async (): Promise<Dataplane> => ({
        ...withTrace(plane, () => undefined),
        close: async (options) => void closed.push(options),
      })
      const refused = {
        code: 'dataplane.device',
        message: expect.stringContaining('the dataplane memory watches no paths by BFD, as is asked for') as string,
      }
      await expect(overlay.agent(wanted, open)).rejects.toMatchObject(refused)
      expect(closed).toEqual([{ keep: false }])
      const before = await overlay.agent(overlay.config(A, { neighbors: [], endpoints: [endpoint('pod', 'red', '10.0.0.1')] }), plane)
      await overlay.kill(before)
      await expect(overlay.agent(wanted, open)).rejects.toMatchObject(refused)
      expect(closed).toEqual([{ keep: false }, { keep: true }])
      expect((await plane.dump()).devices).toHaveLength(1)
    },
  )

  // It went on to show the state that was heard last.
  it('hears nothing of paths until it has another one', async () => {
    const overlay = new Overlay()
    const withBfd = (address: string, more: object = {}) => [
      { address, as: 65_000, families: ['vpnv4-unicast'] as const, bfd: true, ...more },
    ]
    let isThere = true
    const planes: MemoryDataplane[] = []
    const config = overlay.config(A, { neighbors: withBfd(B, { passive: true }) })
    const a = await overlay.agent({ ...config, bgp: { ...config.bgp, listen: [{ address: A }] } }, async () => {
      if (!isThere) throw new DataplaneError('dataplane.device', 'not now')
      planes.push(overlay.dataplane(A, watching(overlay)))
      return planes[planes.length - 1]
    })
    const b = await overlay.agent(overlay.config(B, { neighbors: withBfd(A) }), overlay.dataplane(B, watching(overlay)))
    await overlay.run(5)
    expect(await a.show('bfd')).toMatchObject([{ remote: B, state: 'up' }])
    isThere = false
    await planes[0].close()
    await overlay.run(0.1)
    expect(await a.show('bfd')).toMatchObject([{ remote: B, state: 'admin-down', reason: 'the dataplane is gone' }])
    expect(a.speaker.neighbors()).toMatchObject([{ bfd: 'admin-down', state: 'established' }])
    isThere = true
    await overlay.run(10)
    expect(await a.show('bfd')).toMatchObject([{ remote: B, state: 'up' }])
    expect(a.speaker.neighbors()).toMatchObject([{ bfd: 'up' }])
    await overlay.stop(a, b)
  })

  it('takes one that watches no paths, where none is to be', async () => {
    const overlay = new Overlay()
    const planes: MemoryDataplane[] = []
    const open = async (): Promise<Dataplane> => {
      const plane = overlay.dataplane(A, planes.length === 0 ? watching(overlay) : {})
      planes.push(plane)
      return plane
    }
    const agent = await overlay.agent(overlay.config(A, { endpoints: [endpoint('pod', 'red', '10.0.0.1')], neighbors: [] }), open)
    await planes[0].close()
    await overlay.run(1)
    expect(planes.map(({ capabilities }) => capabilities.features?.includes('liveness'))).toEqual([true, false])
    expect((await planes[1].dump()).devices).toHaveLength(1)
    await overlay.stop(agent)
  })

  // It was taken over, and each transaction refused from then on; or it was said that there is no source of BFD.
  it.each([
    ['opened first', 0],
    ['opened in place of one that does', 1],
  ])('has no path watched by a reload where the dataplane that was %s watches none', async (_what, watchingPlanes) => {
    const overlay = new Overlay()
    const planes: MemoryDataplane[] = []
    const config = overlay.config(A, { neighbors: [] })
    const agent = await overlay.agent(config, async () => {
      planes.push(overlay.dataplane(A, planes.length < watchingPlanes ? watching(overlay) : {}))
      return planes[planes.length - 1]
    })
    for (const plane of planes.slice(0, watchingPlanes)) await plane.close()
    await overlay.run(1)
    const refused = {
      code: 'agent.unsupported',
      message: expect.stringContaining('the dataplane memory watches no paths by BFD, as is asked for') as string,
    }
    const neighbors = [{ address: REFLECTOR, as: 65_000, families: ['vpnv4-unicast'] as const, bfd: true }]
    for (const wanted of [overlay.config(A, { neighbors }), { ...config, traffic: { tunnelLiveness: INTERVALS } }]) {
      expect(() => agent.plan(wanted)).toThrow(expect.objectContaining(refused) as Error)
      await expect(agent.reconfigure(wanted)).rejects.toMatchObject(refused)
    }
    expect(await agent.endpoints.add(endpoint('pod', 'red', '10.0.0.1'))).toMatchObject({ state: 'attached' })
    await overlay.stop(agent)
  })

  // What it had pinned stayed behind an agent that was stopped for good.
  it.each([false, true])(
    'closes the one that is lost when it stops and there is no other (restart: %s), and tells once why',
    async (restart) => {
      const overlay = new Overlay()
      const events = new EventQueue<DataplaneEvent>()
      const closed: unknown[] = []
      let attempts = 0
      const agent = await overlay.agent(overlay.config(A, { neighbors: [] }), () => {
        if (attempts++ > 0) return Promise.reject(new DataplaneError('dataplane.device', 'not now'))
        return Promise.resolve({
          ...withTrace(overlay.dataplane(A), () => undefined),
          events,
          close: (options) => Promise.resolve(void closed.push(options)),
        })
      })
      expect(agent.dataplaneLost).toBeUndefined()
      events.end()
      await overlay.run(5)
      expect(attempts).toBeGreaterThan(3)
      const why = 'the dataplane is gone and not back yet: not now (dataplane.device)'
      expect(agent.dataplaneLost).toBe(why)
      await expect(agent.state()).rejects.toThrow(why)
      await Promise.all([agent.stop({ restart }), overlay.run(2)])
      expect(closed).toEqual([{ keep: restart }])
      expect(overlay.logger.records.filter(({ message }) => message === 'the dataplane cannot be opened')).toHaveLength(1)
    },
  )

  it('opens another one to close it for good, when it stops for good behind one that would not do', async () => {
    const overlay = new Overlay()
    const closed: unknown[] = []
    let first: Dataplane | undefined
    const agent = await overlay.agent({ ...overlay.config(A, { neighbors: [] }), traffic: { tunnelLiveness: INTERVALS } }, async () => {
      if (first === undefined) return (first = overlay.dataplane(A, watching(overlay)))
      const plane = overlay.dataplane(A)
      return { ...withTrace(plane, () => undefined), close: async (options) => void closed.push(options) }
    })
    await first?.close()
    await overlay.run(1)
    const before = closed.length
    expect(before).toBeGreaterThan(1)
    expect(closed).toEqual(Array.from({ length: before }, () => ({ keep: true })))
    await overlay.stop(agent)
    expect(closed.slice(before)).toEqual([{ keep: false }])
  })

  // It was left open, or closed as if another agent came behind this one.
  it('closes for good the one that it was opening when it was stopped for good', async () => {
    const overlay = new Overlay()
    const events = new EventQueue<DataplaneEvent>()
    const closed: unknown[] = []
    let open: ((dataplane: Dataplane) => void) | undefined
    const plane = (name: string): Dataplane => ({
      ...withTrace(overlay.dataplane(A), () => undefined),
      events,
      close: (options) => Promise.resolve(void closed.push([name, options])),
    })
    const agent = await overlay.agent(overlay.config(A, { neighbors: [] }), () =>
      open === undefined ? Promise.resolve(plane('first')) : new Promise<Dataplane>((resolve) => (open = resolve)),
    )
    open = () => undefined
    events.end()
    await overlay.run(1)
    const stopped = agent.stop()
    await overlay.run(1)
    open(plane('second'))
    await stopped
    expect(closed).toEqual([['second', { keep: false }]])
  })

  // A reload told them that nothing is forwarded while it restarts, which reset every session, and stayed so when there was another one.
  it('goes on to tell peers that what is forwarded outlives it, whatever is reloaded meanwhile', async () => {
    const overlay = new Overlay()
    await overlay.startReflector([A])
    let broken = false
    let plane = overlay.dataplane(A)
    const agent = await overlay.agent(overlay.config(A), async () => {
      if (broken) throw new DataplaneError('dataplane.device', 'not now')
      plane = overlay.dataplane(A)
      return { ...withTrace(plane, () => undefined), capabilities: { ...plane.capabilities, survivesClose: true } }
    })
    await overlay.run(1)
    const wanted = overlay.config(A, { vrfs: [{ name: 'red' }, { name: 'blue' }] })
    const changes = agent.plan(wanted)
    broken = true
    await plane.close()
    await overlay.run(1)
    expect(agent.plan(wanted)).toEqual(changes)
    expect(await agent.reconfigure(wanted)).toEqual(changes)
    await overlay.run(1)
    expect(await agent.show('neighbors')).toMatchObject([{ state: 'established', gracefulRestart: true }])
    expect(overlay.reflector?.neighbors()).toMatchObject([
      { state: 'established', negotiated: { gracefulRestart: { restartTime: 60 } }, established: 1 },
    ])
    await overlay.stop(agent)
  })

  it('refuses endpoints meanwhile, and takes them when it has another one', async () => {
    const overlay = new Overlay()
    let plane = overlay.dataplane(A)
    let broken = false
    const agent = await overlay.agent(overlay.config(A, { neighbors: [] }), async () => {
      if (broken) throw new DataplaneError('dataplane.device', 'not now')
      return (plane = overlay.dataplane(A))
    })
    broken = true
    await plane.close()
    await overlay.run(1)
    const request = endpoint('pod', 'red', '10.0.0.1')
    await expect(agent.endpoints.add(request)).rejects.toMatchObject({ code: 'endpoint.dataplane' })
    expect(agent.endpoints.list()).toEqual([])
    // Who asks is told, perhaps again and again, and nobody else.
    expect(overlay.logger.records.filter(({ level }) => level === 'warn')).toEqual([])
    broken = false
    await overlay.run(6)
    expect(await agent.endpoints.add(request)).toMatchObject({ state: 'attached' })
    await overlay.stop(agent)
    await expect(agent.endpoints.add(request)).rejects.toThrow('the node is stopping')
  })
})
