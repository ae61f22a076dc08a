import { ManualClock, seededRandom } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { expect, test } from 'vitest'
import { BfdSessions } from './sessions.js'
import { BfdWatcher, type BfdPathRequest } from './watcher.js'
import type { WatchedPath } from './watched-path.js'

const HERE = IpAddress.parse('192.0.2.1')
const THERE = IpAddress.parse('192.0.2.2')

/** A watcher, and a router at the other end of a wire. */
class Lab {
  readonly clock = new ManualClock()
  readonly told: string[] = []
  isCut = false
  isOnLink = true
  /** Ways and sockets that are refused before there is one. */
  refusals = 0
  added = 0
  #receive: Parameters<ConstructorParameters<typeof BfdWatcher>[0]['port']['serve']>[0] = () => undefined
  readonly far = new BfdSessions({
    clock: this.clock,
    random: seededRandom(2),
    send: ({ local, remote, hops }, packet) => {
      if (!this.isCut) this.clock.setTimer(1, () => this.#receive(remote, local, hops, 255, packet))
    },
    changed: (_path, state) => this.told.push(`far ${state}`),
  })
  readonly watcher = new BfdWatcher({
    clock: this.clock,
    random: seededRandom(1),
    port: {
      wayTo: async () => {
        if (this.refusals-- > 0) throw new Error('no way')
        return { local: HERE, isOnLink: this.isOnLink }
      },
      add: async () => void this.added++,
      send: ({ local, remote, hops }, packet) => {
        if (!this.isCut) this.clock.setTimer(1, () => this.far.receive(remote, local, hops, 255, packet))
      },
      serve: (receive) => void (this.#receive = receive),
      close: () => undefined,
    },
  })

  watch(name: string, request: Partial<BfdPathRequest> = {}): { stop: () => void } {
    return this.watcher.watch({ remote: THERE, ...request }, (state) => this.told.push(`${name} ${state}`))
  }

  answer(more: Partial<WatchedPath> = {}): void {
    this.far.set({ id: 1, local: THERE, remote: HERE, hops: 'single', desiredMinTx: 10_000, requiredMinRx: 10_000, multiplier: 3, ...more })
  }

  /** Lets promises settle between the moments of the clock. */
  async advance(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 50) {
      for (let turn = 0; turn < 8; turn++) await Promise.resolve()
      this.clock.advance(50)
    }
  }
}

test('several share the session of a path, and each is told its state', async () => {
  const lab = new Lab()
  lab.answer()
  const first = lab.watch('first')
  await lab.advance(5000)
  const second = lab.watch('second')
  await lab.advance(100)
  expect(lab.told).toEqual(['far up', 'first up', 'second up'])
  expect(lab.watcher.list()).toHaveLength(1)
  first.stop()
  lab.isCut = true
  await lab.advance(1000)
  expect(lab.told.slice(3).toSorted()).toEqual(['far down', 'second down'])
  second.stop()
  await lab.advance(1000)
  expect(lab.watcher.list()).toEqual([])
})

test('the strictest says how quick a session is, as long as it watches', async () => {
  const lab = new Lab()
  lab.answer()
  lab.watch('patient')
  const strict = lab.watch('strict', { intervals: { desiredMinTx: 50_000, requiredMinRx: 50_000 } })
  await lab.advance(5000)
  expect(lab.watcher.list()[0]).toMatchObject({ state: 'up', detectionTime: 150_000 })
  strict.stop()
  await lab.advance(5000)
  expect(lab.watcher.list()[0]).toMatchObject({ state: 'up', detectionTime: 900_000 })
  expect(lab.told.toSorted()).toEqual(['far up', 'patient up', 'strict up'])
})

test('the way says how many hops there are, where nobody else does', async () => {
  const lab = new Lab()
  lab.isOnLink = false
  lab.watch('way')
  lab.watch('said', { multihop: false })
  await lab.advance(100)
  expect(lab.watcher.list().map(({ path }) => path.hops)).toEqual(['multiple', 'single'])
})

test('a path that cannot be watched yet is tried again, unless nobody asks for it any more', async () => {
  const lab = new Lab()
  lab.refusals = 3
  lab.answer()
  lab.watch('one')
  lab.watch('none').stop()
  await lab.advance(10_000)
  expect(lab.told.toSorted()).toEqual(['far up', 'one up'])
  expect(lab.added).toBe(1)
})

test('who asks anew for a path with other intervals finds its session', async () => {
  const lab = new Lab()
  lab.answer()
  const before = lab.watch('before')
  await lab.advance(5000)
  const after = lab.watch('after', { intervals: { multiplier: 9 } })
  before.stop()
  await lab.advance(5000)
  expect(lab.watcher.list()[0]).toMatchObject({ state: 'up', detectionTime: 900_000 })
  after.stop()
  expect(lab.told).toEqual(['far up', 'before up', 'after up'])
})

test('who stops watching does not look like a broken path', async () => {
  const lab = new Lab()
  lab.answer()
  const watch = lab.watch('one')
  await lab.advance(5000)
  watch.stop()
  await lab.advance(1000)
  expect(lab.told).toEqual(['far up', 'one up', 'far admin-down'])
  lab.watch('again')
  await lab.advance(5000)
  lab.watcher.close()
  await lab.advance(1000)
  expect(lab.told.slice(-1)).toEqual(['far admin-down'])
})

test('paths of equal addresses on two links are two sessions, each through its device', async () => {
  const clock = new ManualClock()
  const [near, far] = ['fe80::1', 'fe80::2'].map((text) => IpAddress.parse(text))
  if (near === undefined || far === undefined) return expect.unreachable()
  const told: string[] = []
  const asked: string[] = []
  let receive: Parameters<ConstructorParameters<typeof BfdWatcher>[0]['port']['serve']>[0] = () => undefined
  const ends = ['eth0', 'eth1'].map((device) => {
    const sessions = new BfdSessions({
      clock,
      random: seededRandom(2),
      send: ({ hops }, packet) => void clock.setTimer(1, () => receive(near, far, hops, 255, packet, device)),
      changed: () => undefined,
    })
    return [device, sessions] as const
  })
  const watcher = new BfdWatcher({
    clock,
    random: seededRandom(1),
    port: {
      devices: true,
      wayTo: async (_remote, device) => {
        asked.push(`way through ${device}`)
        return { local: near, isOnLink: true }
      },
      add: async (local, device) => void asked.push(`${local}%${device}`),
      send: ({ device, hops }, packet) =>
        void clock.setTimer(1, () => ends.find(([name]) => name === device)?.[1].receive(far, near, hops, 255, packet)),
      serve: (to) => void (receive = to),
      close: () => undefined,
    },
  })
  expect(watcher.devices).toBe(true)
  for (const device of ['eth0', 'eth1']) watcher.watch({ remote: far, device }, (state) => told.push(`${device} ${state}`))
  const [first] = ends
  first?.[1].set({ id: 1, local: far, remote: near, hops: 'single', desiredMinTx: 10_000, requiredMinRx: 10_000, multiplier: 3 })
  for (let passed = 0; passed < 5000; passed += 50) {
    for (let turn = 0; turn < 8; turn++) await Promise.resolve()
    clock.advance(50)
  }
  expect(told).toEqual(['eth0 up'])
  expect(asked).toEqual(['way through eth0', 'way through eth1', 'fe80::1%eth0', 'fe80::1%eth1'])
  expect(watcher.list().map(({ path, told: state }) => [path.device, state])).toEqual([
    ['eth0', 'up'],
    ['eth1', undefined],
  ])
  return undefined
})

test('a session goes on, and others are told, when one of those who watch throws', async () => {
  const lab = new Lab()
  lab.answer()
  const states: string[] = []
  lab.watcher.watch({ remote: THERE }, (state) => {
    states.push(state)
    throw new TypeError('nobody catches this')
  })
  lab.watch('second')
  await lab.advance(5000)
  expect(lab.told).toEqual(['far up', 'second up'])
  // the session stays up: it is sent on for
  await lab.advance(60_000)
  expect(lab.told).toHaveLength(2)
  lab.watcher.watch({ remote: THERE }, () => {
    throw new TypeError('nor this')
  })
  await lab.advance(5000)
  lab.isCut = true
  await lab.advance(1000)
  expect(lab.told.slice(2).toSorted()).toEqual(['far down', 'second down'])
  expect(states).toEqual(['up', 'down'])
})
