import { DataplaneError, type Dataplane, type HealthCheckIntent, type ServiceIntent, type StaticRouteIntent } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProbeError, type Agent, type AgentConfig, type HealthProbe } from '../src/index.js'
import { Overlay, REFLECTOR, endpoint, hostsOf, routesOf } from './support/overlay.js'

const [A, B, C] = ['192.0.2.1', '192.0.2.2', '192.0.2.3']
const VIP = '10.96.0.1'
const health: HealthCheckIntent = { type: 'tcp', port: 80, interval: 1000, timeout: 200, rise: 2, fall: 3 }
const BACKENDS = ['10.0.0.1', '10.0.0.2']

/** Backends that answer as a test says; `silent` ones never do, and ignore the signal. */
class Backends {
  readonly states = new Map<string, 'well' | 'refused' | 'silent'>()
  readonly asked: string[] = []

  readonly probe: HealthProbe = async ({ netns, address, port }) => {
    this.asked.push(`${netns} ${address} ${port}`)
    const state = this.states.get(String(address)) ?? 'well'
    if (state === 'silent') await new Promise(() => undefined)
    if (state === 'refused') throw new ProbeError('nobody listens there')
  }
}

function service(backends: readonly string[] = BACKENDS, more: Partial<ServiceIntent> = {}): ServiceIntent {
  return {
    name: 'web',
    vrf: 'red',
    address: IpAddress.parse(VIP),
    protocol: 'udp',
    port: 7,
    backends: backends.map((address) => ({ address: IpAddress.parse(address), port: 7, weight: 1 })),
    natSide: 'both',
    health,
    ...more,
  }
}

const withServices = (config: AgentConfig, ...services: ServiceIntent[]): AgentConfig => ({ ...config, traffic: { services } })
const pods = BACKENDS.map((address, index) => endpoint(`pod-${index + 1}`, 'red', address))

/** Backends that get new flows. */
async function chosen(dataplane: Dataplane): Promise<string[]> {
  const { services = [] } = await dataplane.dump()
  return services.flatMap(({ backends }) => backends.filter(({ state }) => state !== 'draining').map(({ address }) => String(address)))
}

async function serving(overlay: Overlay, backends: Backends) {
  const plane = overlay.dataplane(A)
  const config = withServices(overlay.config(A, { endpoints: pods }), service())
  const agent = await overlay.agent(config, plane, { probe: backends.probe })
  await overlay.run(0.01)
  return { plane, config, agent }
}

const states = async (agent: Agent): Promise<string[]> =>
  (await agent.show('services')).map(({ backend, state, reason }) => `${backend} ${state}${reason === null ? '' : `: ${reason}`}`)

describe('the health of a backend', () => {
  it('is asked for in its namespace, at the port of the check', async () => {
    const [overlay, backends] = [new Overlay(), new Backends()]
    const { agent } = await serving(overlay, backends)
    expect(backends.asked).toEqual(['/run/netns/pod-1 10.0.0.1 80', '/run/netns/pod-2 10.0.0.2 80'])
    await overlay.run(3)
    expect(backends.asked).toHaveLength(8)
    expect(agent.metrics()).toContain('service_probes_total{vrf="red",service="web",backend="10.0.0.1:7",result="answered"} 4\n')
    await overlay.stop(agent)
    const asked = backends.asked.length
    await overlay.run(10)
    expect(backends.asked).toHaveLength(asked)
  })

  it.each([
    ['refused', 'nobody listens there'],
    ['silent', 'no answer within 200 ms'],
  ] as const)(
    'takes one that is %s from new flows after so many failures, and brings it back after so many answers',
    async (state, reason) => {
      const [overlay, backends] = [new Overlay(), new Backends()]
      const { agent, plane } = await serving(overlay, backends)
      backends.states.set('10.0.0.1', state)
      await overlay.run(2.5)
      expect(await chosen(plane)).toEqual(BACKENDS)
      await overlay.run(1)
      expect(await chosen(plane)).toEqual(['10.0.0.2'])
      expect(await states(agent)).toEqual([`10.0.0.1:7 down: ${reason}`, '10.0.0.2:7 ready'])
      expect(agent.metrics()).toContain('service_backend_up{vrf="red",service="web",backend="10.0.0.1:7"} 0\n')
      backends.states.clear()
      await overlay.run(1)
      expect(await chosen(plane)).toEqual(['10.0.0.2'])
      await overlay.run(1)
      expect(await chosen(plane)).toEqual(BACKENDS)
      expect(await states(agent)).toEqual(['10.0.0.1:7 ready', '10.0.0.2:7 ready'])
      await overlay.stop(agent)
    },
  )

  it('decides at once of what was never asked, and goes on when the rest of the service changes', async () => {
    const [overlay, backends] = [new Overlay(), new Backends()]
    backends.states.set('10.0.0.2', 'refused')
    const { agent, plane, config } = await serving(overlay, backends)
    expect(await chosen(plane)).toEqual(['10.0.0.1'])
    const asked = backends.asked.length
    await agent.reconfigure(withServices(config, service(BACKENDS, { affinity: 1000 })))
    await overlay.run(0.5)
    expect([await chosen(plane), backends.asked.length]).toEqual([['10.0.0.1'], asked])
    const { health: _health, ...unchecked } = service()
    await agent.reconfigure(withServices(config, unchecked))
    await overlay.run(5)
    expect([await chosen(plane), backends.asked.length]).toEqual([BACKENDS, asked])
    expect(agent.metrics()).toBe('')
    await overlay.stop(agent)
  })

  it('is what it was when the check is changed, until the first answer to the new one: a service without backends is not told again', async () => {
    const [overlay, backends] = [new Overlay(), new Backends()]
    for (const address of BACKENDS) backends.states.set(address, 'refused')
    const { agent, plane, config } = await serving(overlay, backends)
    const isTold = async (): Promise<boolean> => (await routesOf(agent)).some((row) => row.includes(`${VIP}/32`))
    const before = [await states(agent), await chosen(plane), await isTold()]
    expect(before).toEqual([BACKENDS.map((address) => `${address}:7 down: nobody listens there`), [], false])
    for (const address of BACKENDS) backends.states.set(address, 'silent')
    await agent.reconfigure(withServices(config, service(BACKENDS, { health: { ...health, interval: 2000 } })))
    await overlay.run(0.1)
    expect([await states(agent), await chosen(plane), await isTold()]).toEqual(before)
    await overlay.run(1)
    expect(await chosen(plane)).toEqual([])
    backends.states.clear()
    await agent.reconfigure(withServices(config, service(BACKENDS, { health: { ...health, interval: 3000 } })))
    await overlay.run(0.1)
    expect([await chosen(plane), await isTold()]).toEqual([BACKENDS, true]) // by the first answer
    await overlay.stop(agent)
  })

  it('is that it went when its endpoint did, and is asked for again when it is back', async () => {
    const [overlay, backends] = [new Overlay(), new Backends()]
    const { agent, plane, config } = await serving(overlay, backends)
    await agent.reconfigure({ ...config, endpoints: [pods[1]] })
    await overlay.run(1)
    expect(await states(agent)).toEqual(['10.0.0.1:7 down: no route leads to it', '10.0.0.2:7 ready'])
    backends.states.set('10.0.0.1', 'refused')
    await agent.reconfigure(config)
    await overlay.run(1)
    expect(await chosen(plane)).toEqual(['10.0.0.2'])
    backends.states.clear()
    await overlay.run(2)
    expect(await chosen(plane)).toEqual(BACKENDS)
    await overlay.stop(agent)
  })

  it('is that it is down while its endpoint has no device, whatever it was before, and is asked for again when it has', async () => {
    const [overlay, backends] = [new Overlay(), new Backends()]
    backends.states.set('10.0.0.2', 'refused')
    const { agent, plane } = await serving(overlay, backends)
    const attach = plane.attachPort.bind(plane)
    plane.attachPort = async () => Promise.reject(new DataplaneError('dataplane.netns-missing', 'the namespace is gone'))
    for (const { port } of (await plane.dump()).devices) await plane.detachPort(port)
    await overlay.run(2)
    const told = BACKENDS.map((address) => expect.stringContaining(`${address}:7 down: the namespace is gone`) as string)
    expect(await states(agent)).toEqual(told)
    expect(await chosen(plane)).toEqual([])
    expect((await routesOf(agent)).some((row) => row.includes(VIP))).toBe(false)
    backends.states.clear()
    plane.attachPort = attach
    await overlay.run(20)
    expect(await chosen(plane)).toEqual(BACKENDS)
    await overlay.stop(agent)
  })

  it('is that it is down a second after its device or its route went, however seldom it is asked', async () => {
    const [overlay, backends] = [new Overlay(), new Backends()]
    const plane = overlay.dataplane(A)
    const rare = service(BACKENDS, { health: { ...health, interval: 600_000 } })
    const config = withServices(overlay.config(A, { endpoints: pods }), rare)
    const agent = await overlay.agent(config, plane, { probe: backends.probe })
    await overlay.run(30)
    expect(backends.asked).toHaveLength(2)
    await agent.reconfigure({ ...config, endpoints: [pods[1]] })
    await overlay.run(1.1)
    expect(await chosen(plane)).toEqual(['10.0.0.2'])
    plane.attachPort = async () => Promise.reject(new DataplaneError('dataplane.netns-missing', 'the namespace is gone'))
    for (const { port } of (await plane.dump()).devices) await plane.detachPort(port)
    await overlay.run(2)
    expect(await chosen(plane)).toEqual([])
    expect(backends.asked).toHaveLength(2)
    await overlay.run(600)
    await overlay.stop(agent)
  })

  it('cannot be had where nothing asks', async () => {
    const overlay = new Overlay()
    const config = withServices(overlay.config(A, { endpoints: pods }), service())
    await expect(overlay.agent(config, overlay.dataplane(A))).rejects.toMatchObject({
      problems: [{ code: 'intent.unsupported', subject: 'service web' }],
    })
  })

  it.each([
    ['a timeout beyond the interval', { timeout: 1001 }, 'timeout 1001'],
    ['an interval that is too short', { interval: 50, timeout: 10 }, 'interval 50'],
    ['no port, of a service without TCP', { port: undefined }, 'needs a port'],
    ['a path that is none', { path: 'x y' }, 'path "x y"'],
  ])('is refused with %s', async (_name, wrong, message) => {
    const overlay = new Overlay()
    const { port: _port, ...rest } = { ...health, ...wrong }
    const check = 'port' in wrong ? rest : { ...health, ...wrong }
    const config = withServices(overlay.config(A), service(BACKENDS, { health: check }))
    await expect(overlay.agent(config, overlay.dataplane(A), { probe: new Backends().probe })).rejects.toThrow(message)
  })
})

it('routers whose backends are all down are not told of, and those that have others take the flows', async () => {
  const [overlay, backends] = [new Overlay(), new Backends()]
  await overlay.startReflector([A, B, C])
  const planes = [A, B, C].map((address) => overlay.dataplane(address))
  const server = (address: string, pod: (typeof pods)[number]): AgentConfig =>
    withServices(overlay.config(address, { endpoints: [pod] }), service([String(pod.addresses[0])]))
  const one = await overlay.agent(server(A, pods[0]), planes[0], { probe: backends.probe })
  const two = await overlay.agent(server(B, pods[1]), planes[1], { probe: backends.probe })
  const far = await overlay.agent(overlay.config(C, { endpoints: [endpoint('client', 'red', '10.0.0.9')] }), planes[2])
  await overlay.run(2)
  await hostsOf(planes[0])
  await hostsOf(planes[1])
  const client = (await hostsOf(planes[2])).get('client')
  const toVip = async (): Promise<number> => (await routesOf(far)).filter((row) => row.includes(`${VIP}/32`)).length
  expect(await toVip()).toBe(2)
  expect(['pod-1', 'pod-2']).toContain(client?.ask(IpAddress.parse(VIP)))
  for (const [address, other] of [
    ['10.0.0.1', 'pod-2'],
    ['10.0.0.2', 'pod-1'],
  ]) {
    backends.states.set(address, 'refused')
    await overlay.run(4)
    expect(await toVip()).toBe(1)
    expect(client?.ask(IpAddress.parse(VIP))).toBe(other)
    backends.states.clear()
    await overlay.run(4)
    expect(await toVip()).toBe(2)
  }
  for (const { addresses } of pods) backends.states.set(String(addresses[0]), 'silent')
  await overlay.run(5)
  expect([await toVip(), client?.ask(IpAddress.parse(VIP))]).toEqual([0, undefined])
  expect(await routesOf(one)).toContainEqual(expect.stringContaining(REFLECTOR))
  await overlay.stop(one, two, far)
})

it('routers with one list of backends tell of the service as long as the endpoint of any of them is there, and keep from their own that do not answer', async () => {
  const [overlay, backends] = [new Overlay(), new Backends()]
  await overlay.startReflector([A, B])
  const planes = [A, B].map((address) => overlay.dataplane(address))
  const serves = [A, B].map((address, at) => withServices(overlay.config(address, { endpoints: pods.slice(at, at + 1) }), service()))
  const one = await overlay.agent(serves[0], planes[0], { probe: backends.probe })
  const two = await overlay.agent(serves[1], planes[1], { probe: backends.probe })
  await overlay.run(3)
  expect(backends.asked).toContain('/run/netns/pod-1 10.0.0.1 80')
  const told = async (agent: Agent): Promise<number> => (await routesOf(agent)).filter((row) => row.includes(`${VIP}/32`)).length
  for (const address of BACKENDS) backends.states.set(address, 'refused')
  await overlay.run(5)
  // Each has but the other's word that its backend has a route, not that it answers.
  expect([await chosen(planes[0]), await chosen(planes[1])]).toEqual([['10.0.0.2'], ['10.0.0.1']])
  expect([await told(one), await told(two)]).toEqual([2, 2])
  await two.reconfigure({ ...serves[1], endpoints: [] })
  await overlay.run(3)
  expect(await chosen(planes[0])).toEqual([])
  expect(await told(two)).toBe(1)
  await overlay.stop(one, two)
})

it('one on another node is down when its host route went, though a default route or one that discards covers it', async () => {
  const overlay = new Overlay()
  await overlay.startReflector([A, B])
  const withStatic = (config: AgentConfig, prefix: string, via: StaticRouteIntent['via']): AgentConfig => ({
    ...config,
    vrfs: config.vrfs.map((vrf) => ({ ...vrf, staticRoutes: [{ prefix: IpPrefix.parse(prefix), via }] })),
  })
  const plane = overlay.dataplane(A)
  const asking = withServices(withStatic(overlay.config(A), '10.0.0.2/31', { type: 'discard' }), service())
  const agent = await overlay.agent(asking, plane, { probe: new Backends().probe })
  const gate = endpoint('gate', 'red', '10.0.0.9')
  const serves = withStatic(overlay.config(B, { endpoints: [gate] }), '0.0.0.0/0', { type: 'endpoint', address: gate.addresses[0] })
  const other = await overlay.agent(serves, overlay.dataplane(B))
  await overlay.run(3)
  expect(await routesOf(agent)).toContainEqual(expect.stringContaining('0.0.0.0/0'))
  expect(await chosen(plane)).toEqual(BACKENDS) // their routes may be on their way
  for (let round = 0; round < 2; round++) {
    await other.reconfigure({ ...serves, endpoints: [gate, ...pods] })
    await overlay.run(3)
    expect(await chosen(plane)).toEqual(BACKENDS)
    await other.reconfigure(serves)
    await overlay.run(3)
    expect(await states(agent)).toEqual([
      '10.0.0.1:7 down: no route of /32 leads to it, only one of /0',
      '10.0.0.2:7 down: no route leads to it',
    ])
    expect(await chosen(plane)).toEqual([])
  }
  await overlay.stop(agent, other)
})

it('whatever backends do, those are chosen in the end that answer in the end', async () => {
  const event = fc.record({
    address: fc.constantFrom(...BACKENDS),
    state: fc.constantFrom('well' as const, 'refused' as const, 'silent' as const),
    seconds: fc.constantFrom(0.1, 0.9, 1, 2.3, 6),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (events) => {
      const [overlay, backends] = [new Overlay(), new Backends()]
      const { agent, plane } = await serving(overlay, backends)
      for (const { address, state, seconds } of events) {
        backends.states.set(address, state)
        await overlay.run(seconds)
      }
      await overlay.run(6)
      const well = BACKENDS.filter((address) => (backends.states.get(address) ?? 'well') === 'well')
      expect(await chosen(plane)).toEqual(well)
      expect((await routesOf(agent)).some((row) => row.includes(VIP))).toBe(well.length > 0)
      await overlay.stop(agent)
    }),
    { numRuns: 25 },
  )
})
