import { TransportError, type PeerProtection, type RouterDiscovery, type Transport } from '@heddle/io'
import { ManualClock, seededRandom } from '@heddle/io/testing'
import { expect, test } from 'vitest'
import { Recorder, replay, type BfdSource, type BfdState, type NeighborConfig, type Speaker, type SpeakerConfig } from '../../src/index.js'
import { FaultyTransport } from './faulty-transport.js'
import { Lab, internal, show, vpn } from './lab.js'

const R = '192.0.2.1'
const CLIENTS = ['192.0.2.11', '192.0.2.12']

/** The tables of a speaker: every path with all that is known of it, and what each neighbor holds. */
function tables(speaker: Speaker): unknown {
  const families = ['vpnv4-unicast', 'vpnv6-unicast'] as const
  const paths = families.flatMap((family) =>
    [...speaker.routes({ family })].map(({ peer, best, stale, invalid, set, ...view }) => {
      const { localPref, originatorId, clusterList } = set.attributes
      return [
        peer,
        show({ peer, best, stale, set, ...view }),
        best,
        stale,
        invalid,
        localPref,
        String(originatorId),
        String(clusterList),
      ].join(' ')
    }),
  )
  const sent = speaker
    .neighbors()
    .flatMap(({ address }) =>
      families.flatMap((family) =>
        [...speaker.routes({ family, neighbor: address, direction: 'out' })].map((view) => `${address} ${show(view)}`),
      ),
    )
  return {
    paths: paths.sort(),
    sent: sent.sort(),
    states: speaker.neighbors().map(({ address, state, established }) => `${address} ${state} ${established}`),
  }
}

test('what was recorded of a speaker leads another one to the same tables', async () => {
  let rich = 0
  for (let seed = 1; seed <= 40; seed++) {
    const lab = new Lab(2)
    const random = seededRandom(seed)
    const below = (limit: number): number => random.uint32() % limit
    const client = (address: string, more: Partial<NeighborConfig> = {}) =>
      internal(address, { routeReflectorClient: true, bfd: true, ...more })
    const config: SpeakerConfig = {
      as: 65000,
      routerId: R,
      holdTime: 9,
      listen: [{ address: R }],
      neighbors: CLIENTS.map((address) => client(address)),
      gracefulRestart: { restartTime: 15 },
    }
    const recorder = new Recorder(lab.clock)
    const paths = new Set<(state: BfdState) => void>()
    const bfd: BfdSource = {
      watch: (_path, told) => {
        paths.add(told)
        return { stop: () => paths.delete(told) }
      },
    }
    const faults = { delay: 30, cut: 'random', reset: 2, halfOpen: 1 } as const
    const transport = new FaultyTransport(lab.host(R).transport, lab.clock, faults, seed)
    const { as: _as, routerId: _id, ...rest } = config
    const r = lab.speaker(R, { ...rest, neighbors: [...config.neighbors], transport, recorder, bfd })
    const clients = CLIENTS.map((address) => lab.speaker(address, { neighbors: [internal(R)] }))
    await Promise.all([r, ...clients].map((speaker) => speaker.start()))
    for (let step = 0; step < 30; step++) {
      const route = vpn(`10.0.0.${below(10)}/32`, { label: 16 + below(4) })
      const source = [...clients, r][below(3)]
      if (below(4) === 0) source.withdraw([route])
      else source.announce([route])
      if (below(12) === 0)
        r.updateNeighbor(
          client(CLIENTS[below(2)], { importPolicy: below(2) === 0 ? 'otherwise accept' : 'term\n set local-pref 7\n accept' }),
        )
      if (below(15) === 0) [...paths][below(paths.size)]?.('down')
      if (below(15) === 0) r.resetNeighbor(CLIENTS[below(2)])
      if (below(15) === 0) r.setDecision({ multipath: 1 + below(4) })
      if (below(15) === 0) r.setConfederation(below(2) === 0 ? undefined : { id: 64512, members: [65002] })
      if (below(15) === 0) r.setDefaults({ gracefulRestart: { restartTime: 10 + below(3) }, clusterId: `192.0.2.${200 + below(2)}` })
      if (below(15) === 0) {
        const range = { prefix: '192.0.2.8/29', as: 65000, families: ['vpnv4-unicast' as const] }
        r.setDynamicNeighbors(below(2) === 0 ? [] : [range])
      }
      if (below(15) === 0) await r.setListen(below(2) === 0 ? [{ address: R }] : [{ address: R }, { address: R, port: 1790 }])
      await lab.run(below(40) / 10)
    }
    await lab.run(5)
    const clock = new ManualClock()
    const again = await replay(recorder.inputs, { clock, config })
    const last = recorder.inputs.at(-1)?.at ?? 0
    // to the same moment: timers go on behind the last input
    await clock.run(lab.clock.now() - last)
    expect(tables(again), `seed ${seed}`).toEqual(tables(r))
    rich += [...r.routes({ family: 'vpnv4-unicast' })].length
    await Promise.all([r, again, ...clients].map((speaker) => speaker.stop()))
  }
  expect(rich).toBeGreaterThan(200)
})

test.each([
  ['no BFD source', undefined],
  ['one that watches no path through a device', false],
  ['one that does', true],
] as const)('what a speaker with %s refused is refused again', async (_name, devices) => {
  const lab = new Lab()
  const recorder = new Recorder(lab.clock)
  const bfd: BfdSource = { ...(devices === undefined ? {} : { devices }), watch: () => ({ stop: () => undefined }) }
  const r = lab.speaker(R, { neighbors: [], recorder, ...(devices === undefined ? {} : { bfd }) })
  await r.start()
  const added = ['192.0.2.11', 'fe80::11%eth0'].filter((address) => {
    try {
      r.addNeighbor(internal(address, { bfd: true, passive: true }))
      return true
    } catch {
      return false
    }
  })
  expect(added).toHaveLength(devices === undefined ? 0 : devices ? 2 : 1)
  const config: SpeakerConfig = { as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], neighbors: [] }
  const again = await replay(recorder.inputs, { clock: new ManualClock(), config })
  expect(again.neighbors().map(({ address }) => address)).toEqual(added)
  await Promise.all([r, again].map((speaker) => speaker.stop()))
})

test.each([
  ['no router discovery', false],
  ['router discovery', true],
] as const)('a replay of a speaker with %s takes and refuses unnumbered peers as it did', async (_name, isThere) => {
  const lab = new Lab()
  const recorder = new Recorder(lab.clock)
  const routerDiscovery: RouterDiscovery = { watch: () => ({ stop: () => undefined }) }
  const r = lab.speaker(R, { neighbors: [], recorder, ...(isThere ? { routerDiscovery } : {}) })
  await r.start()
  const add = (): void => r.addNeighbor(internal('%eth0', { passive: true }))
  if (isThere) add()
  else expect(add).toThrow('there is no router discovery')
  const config: SpeakerConfig = { as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], neighbors: [] }
  const again = await replay(recorder.inputs, { clock: new ManualClock(), config })
  expect(again.neighbors().map(({ address }) => address)).toEqual(isThere ? ['%eth0'] : [])
  await Promise.all([r, again].map((speaker) => speaker.stop()))
})

/** A transport whose listeners take over protection, or refuse it, or know none. */
function withProtection(inner: Transport, protects: 'all' | 'keys' | 'nothing'): Transport {
  const protect = (peers: readonly PeerProtection[]): void => {
    if (protects === 'keys' && peers.some(({ minimumHopLimit }) => minimumHopLimit !== undefined))
      throw new TransportError('transport.unsupported', 'the kernel is too old')
  }
  const listen: Transport['listen'] = async ({ protection: _protection, ...options }) => {
    const listener = await inner.listen(options)
    const { local, connections } = listener
    return { local, connections, close: () => listener.close(), ...(protects === 'nothing' ? {} : { protect }) }
  }
  return { connect: (options) => inner.connect(options), listen }
}

test.each([
  ['takes over protection of all kinds', 'all', ['192.0.2.11', '192.0.2.12', '192.0.2.13']],
  ['takes over keys alone', 'keys', ['192.0.2.11', '192.0.2.13']],
  ['takes over none', 'nothing', ['192.0.2.13']],
] as const)('a replay of a speaker whose listener %s takes and refuses peers as it did', async (_name, protects, expected) => {
  const lab = new Lab()
  const recorder = new Recorder(lab.clock)
  const r = lab.speaker(R, { neighbors: [], recorder, transport: withProtection(lab.host(R).transport, protects) })
  await r.start()
  const protections = [{ authentication: { kind: 'tcp-md5' as const, key: 'secret' } }, { ttlSecurity: 1 }, {}]
  for (const [index, protection] of protections.entries()) {
    try {
      r.addNeighbor(internal(`192.0.2.${11 + index}`, { passive: true, ...protection }))
    } catch (error) {
      expect(error).toMatchObject({ code: 'transport.unsupported' })
    }
  }
  expect(r.neighbors().map(({ address }) => address)).toEqual(expected)
  const config: SpeakerConfig = { as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], neighbors: [] }
  const again = await replay(recorder.inputs, { clock: new ManualClock(), config })
  expect(again.neighbors().map(({ address }) => address)).toEqual(expected)
  await Promise.all([r, again].map((speaker) => speaker.stop()))
})

test('a replay of a speaker that could not listen in another place listens where it did', async () => {
  const lab = new Lab()
  const recorder = new Recorder(lab.clock)
  const r = lab.speaker(R, { neighbors: [], recorder })
  await r.start()
  const before = r.listening
  await expect(r.setListen([{ address: '203.0.113.9' }])).rejects.toMatchObject({ code: 'speaker.listen' })
  expect(r.listening).toEqual(before)
  const config: SpeakerConfig = { as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], neighbors: [] }
  const again = await replay(recorder.inputs, { clock: new ManualClock(), config })
  expect(again.listening).toEqual(before)
  await Promise.all([r, again].map((speaker) => speaker.stop()))
})

/** A transport that takes so long to listen, in milliseconds of each call. */
function slow(lab: Lab, inner: Transport, delays: number[]): Transport {
  const listen: Transport['listen'] = async (options) => {
    await new Promise<void>((resolve) => lab.clock.setTimer(delays.shift() ?? 0, resolve))
    return inner.listen(options)
  }
  return { connect: (options) => inner.connect(options), listen }
}

test('a replay of a speaker that got peers while it opened its place refuses the one that it refused', async () => {
  const lab = new Lab()
  const recorder = new Recorder(lab.clock)
  const transport = slow(lab, withProtection(lab.host(R).transport, 'keys'), [1000])
  const r = lab.speaker(R, { neighbors: [], recorder, transport })
  const started = r.start()
  await lab.run(0.5)
  // The listener of the replay was there at once and was asked for each of them, so that a later one was given the answer of another.
  const taken = ['192.0.2.11', '192.0.2.12', '192.0.2.13']
  for (const address of taken) r.addNeighbor(internal(address, { passive: true }))
  await lab.run(1)
  await started
  expect(() => r.addNeighbor(internal('192.0.2.14', { passive: true, ttlSecurity: 1 }))).toThrow(TransportError)
  const config: SpeakerConfig = { as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], neighbors: [] }
  const again = await replay(recorder.inputs, { clock: new ManualClock(), config })
  expect(again.neighbors().map(({ address }) => address)).toEqual(taken)
  await Promise.all([r, again].map((speaker) => speaker.stop()))
})

test('a replay of a speaker that was given two places to open at once has each fail or open as it did', async () => {
  const lab = new Lab()
  const recorder = new Recorder(lab.clock)
  const r = lab.speaker(R, { neighbors: [], recorder, transport: slow(lab, lab.host(R).transport, [0, 2000, 1000]) })
  const started = r.start()
  await lab.run(0.5)
  await started
  // What was asked for first came last.
  const opened = r.setListen([{ address: R }, { address: R, port: 1791 }])
  const failed = expect(r.setListen([{ address: R }, { address: '203.0.113.9', port: 1790 }])).rejects.toMatchObject({
    code: 'speaker.listen',
  })
  await lab.run(3)
  await Promise.all([failed, opened])
  expect(r.listening.map(({ port }) => port)).toEqual([179, 1791])
  const config: SpeakerConfig = { as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], neighbors: [] }
  const again = await replay(recorder.inputs, { clock: new ManualClock(), config })
  expect(again.listening).toEqual(r.listening)
  await Promise.all([r, again].map((speaker) => speaker.stop()))
})
