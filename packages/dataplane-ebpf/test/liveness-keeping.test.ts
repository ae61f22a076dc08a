import { newBfdSession } from '@heddle/bfd'
import type { DataplaneEvent, LivenessObject } from '@heddle/core'
import { silentLogger, type Logger } from '@heddle/io'
import { BfdSockets, LinuxError, Poller } from '@heddle/linux'
import { BFD_DIAGNOSTICS, ByteReader, decodeBfdPacket, IpAddress } from '@heddle/wire'
import { existsSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it, vi, type Mock } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { View } from '../src/layout/struct.js'
import { CONFIG } from '../src/layout/structs/config.js'
import { encodeLiveness, encodeWatch, type Known } from '../src/liveness/encoding.js'
import { KEEPER_ORDER, keeperNumber, NO_KEEPER, takeKeeperLock, type KeeperPlace, type VrfDevice } from '../src/liveness/keeper-process.js'
import { Liveness, type LivenessOptions } from '../src/liveness/liveness.js'
import type { NativeLock } from '../src/native/binding.js'
import type { KernelMaps } from '../src/tables/kernel-maps.js'
import { missing, titled } from './support/requirements.js'

const [HERE, FIRST, SECOND] = ['192.0.2.1', '192.0.2.11', '192.0.2.12'].map((text) => IpAddress.parse(text))
/** Milliseconds in which it is looked once for what became of paths, and for whether the keeper lives. */
const [LOOK, CHECK] = [50, 1000]
/** What a keeper is that ends before it has begun. */
const NOBODY = { script: 'none', execArgv: ['--eval', ''] }
/** And one that never becomes it. */
const FOREVER = { script: 'none', execArgv: ['--eval', 'setInterval(() => undefined, 1000)'] }

/** Waits for a child of this process that ends. Not by `expect.poll`, which moves the clock of the tests. */
async function hasEnded(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await sleep(10)
}

function path(id: number, remote = FIRST): LivenessObject {
  return { id, local: HERE, remote, hops: 'multiple', desiredMinTx: 200_000, requiredMinRx: 200_000, multiplier: 3 }
}

/** Maps in memory; a lock that is real. */
class Place {
  readonly watches = new Map<number, Uint8Array>()
  readonly rows = new Map<number, Uint8Array>()
  readonly told: string[] = []
  /** Of this process's own sessions, as `remote state`. */
  readonly sent: string[] = []
  readonly closed: string[] = []
  /** How often rows were asked for, and programs told to decide anew. */
  reads = 0
  forgotten = 0
  /** Whether the kernel refuses to tell them. */
  refuses = false
  /** What becomes of it when its sockets are served. */
  serves: () => void = () => undefined
  readonly warn = vi.fn<Logger['warn']>()
  readonly info = vi.fn<Logger['info']>()
  readonly openSockets: Mock<typeof BfdSockets.open>
  readonly openPoller: Mock<typeof Poller.open>
  readonly folder = makeFolder('keeping')
  /** Another path to this process's own namespace, which can go. */
  readonly netns = join(this.folder, 'netns')
  /** Of no link, and of no other test. */
  readonly uplink = 1_000_000_000 + process.pid * 100 + (threadId % 100)
  readonly config = new View(CONFIG).set('keeper_version', this.number()).set('keeper_order', KEEPER_ORDER.goOn)

  constructor() {
    symlinkSync('/proc/self/ns/net', this.netns)
    const sockets = {
      serve: () => this.serves(),
      pause: () => undefined,
      expect: () => undefined,
      close: () => this.closed.push('sockets'),
      send: ({ remote }: LivenessObject, packet: Uint8Array) =>
        this.sent.push(`${remote} ${decodeBfdPacket(new ByteReader(packet, 'bfd')).state}`),
    } as unknown as BfdSockets
    this.openSockets = vi.spyOn(BfdSockets, 'open').mockResolvedValue(sockets)
    const poller = { unref: () => undefined, close: () => this.closed.push('poller') } as unknown as Poller
    this.openPoller = vi.spyOn(Poller, 'open').mockReturnValue(poller)
  }

  get options(): LivenessOptions {
    const of = (map: string): Map<number, Uint8Array> => (map === 'watches' ? this.watches : this.rows)
    const maps = {
      numbered: (map: string) => {
        this.reads++
        if (this.refuses) throw new LinuxError('ENOMEM', 12, `read ${map}`, 'Cannot allocate memory')
        return [...of(map)]
      },
      get: (map: string, id: number) => of(map).get(id),
      set: (map: string, id: number, value: Uint8Array) => of(map).set(id, value),
      delete: (map: string, id: number) => of(map).delete(id),
      forgetDecisions: () => this.forgotten++,
    } as unknown as KernelMaps
    return {
      maps,
      config: this.config,
      addresses: [HERE],
      underlayNetns: this.netns,
      uplink: { name: 'up0', index: this.uplink },
      vrf: undefined,
      pins: undefined,
      script: NOBODY,
      event: (event: DataplaneEvent) =>
        this.told.push('liveness' in event ? `${event.type} ${event.liveness}: ${event.reason}` : event.type),
      logger: { ...silentLogger, warn: this.warn, info: this.info },
    }
  }

  /** With a keeper of its own. */
  get beside(): LivenessOptions {
    return { ...this.options, pins: this.folder }
  }

  /** What a keeper, or a test in its place, has found out. */
  becomes(id: number, known: Known, downs: number): void {
    const session = { ...newBfdSession(), diagnostic: BFD_DIAGNOSTICS.detectionTimeExpired }
    this.rows.set(id, encodeLiveness({ id, discriminator: 1, session }, { known, downs }))
    this.config.set('liveness_version', this.config.get('liveness_version') + 1)
  }

  /** What was told since the last call, when it was looked once. */
  look(): string[] {
    vi.advanceTimersByTime(LOOK)
    return this.told.splice(0).map((text) => text.replace(/: .*detection.*/i, ''))
  }

  /** Of a keeper as it is wanted, or with something else. */
  number(other: Partial<KeeperPlace> = {}): number {
    return keeperNumber({ vrf: undefined, addresses: [String(HERE)], uplink: this.uplink, ...other })
  }

  /** As a keeper that lives. */
  lock(): NativeLock {
    const lock = takeKeeperLock({ pins: this.folder, underlayNetns: this.netns, vrf: undefined, addresses: [], uplink: this.uplink })
    if (lock === undefined) throw new TypeError('somebody else has the lock of this test')
    return lock
  }

  get starts(): number {
    return this.info.mock.calls.filter(([message]) => message === 'A keeper of BFD sessions is started').length
  }

  /** Process of the keeper that was started last. */
  get pid(): number {
    return this.info.mock.lastCall?.[1]?.['pid'] as number
  }

  get warnings(): string[] {
    return this.warn.mock.calls.map(([message]) => message)
  }
}

describe.skipIf(missing() !== '')(titled('what is told of paths, and who keeps their sessions'), () => {
  let place: Place
  let opened: Liveness[]
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    place = new Place()
    opened = []
  })
  afterEach(async () => {
    for (const liveness of opened) await liveness.close(true)
    vi.restoreAllMocks()
    vi.useRealTimers()
    rmSync(place.folder, { recursive: true })
  })

  const open = async (options: LivenessOptions): Promise<Liveness> => {
    const liveness = await Liveness.open(options)
    if (liveness === undefined) throw new TypeError('no liveness')
    opened.push(liveness)
    return liveness
  }
  /** Has no process wait for a keeper as long as it might. */
  const hurry = (): void => {
    let now = 0
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 1000))
  }

  describe('of events', () => {
    beforeEach(async () => {
      place.watches.set(1, encodeWatch(path(1)))
      place.becomes(1, 'up', 0)
      await open({ ...place.beside, pins: place.folder })
    })

    it('has one for each change, and none for what was known before, or is not known', () => {
      expect(place.look()).toEqual([])
      place.becomes(1, 'up', 0)
      expect(place.look()).toEqual([])
      place.becomes(1, 'down', 1)
      expect(place.look()).toEqual(['liveness-down 1'])
      // While nothing happens, nothing is asked of the kernel.
      const { reads } = place
      expect(place.look()).toEqual([])
      expect(place.reads).toBe(reads)
      place.becomes(1, 'up', 1)
      expect(place.look()).toEqual(['liveness-up 1'])
      place.becomes(1, 'admin-down', 1)
      expect(place.look()).toEqual(['liveness-unknown 1'])
      place.becomes(1, undefined, 1)
      expect(place.look()).toEqual([])
    })

    it('has two for an interruption that was over before anybody looked, and one where it is not over', () => {
      place.becomes(1, 'up', 1)
      expect(place.look()).toEqual(['liveness-down 1: the session was interrupted', expect.stringMatching(/^liveness-up 1/)])
      place.becomes(1, 'down', 2)
      place.look()
      place.becomes(1, 'down', 3)
      expect(place.look()).toEqual(['liveness-down 1'])
    })

    it('takes what it never heard of for something that never went down', () => {
      place.watches.set(2, encodeWatch(path(2, SECOND)))
      place.becomes(2, 'up', 0)
      expect(place.look()).toEqual(['liveness-up 2'])
    })
  })

  it('looks again where the kernel refused to tell', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    await open(place.options)
    place.becomes(1, 'up', 0)
    place.refuses = true
    expect(place.look()).toEqual([])
    place.refuses = false
    expect(place.look()).toEqual(['liveness-up 1'])
  })

  it('tells nothing of a path that is watched no more, while its keeper has not taken away what it knew', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    place.becomes(1, 'up', 0)
    const liveness = await open(place.beside)
    liveness.remove(1)
    place.becomes(2, undefined, 0)
    expect(place.look()).toEqual([])
    liveness.set(path(1))
    expect(place.rows.has(1)).toBe(false)
    place.becomes(1, 'up', 0)
    expect(place.look()).toEqual(['liveness-up 1'])
  })

  // Whoever loads the dump would take down what there is no object of.
  it('dumps nothing of a path that is watched no more, while its keeper has not taken away what it knew', async () => {
    const liveness = await open(place.beside)
    for (const id of [1, 2, 3]) liveness.set(path(id, IpAddress.parse(`192.0.2.2${id}`)))
    for (const id of [1, 2, 3]) place.becomes(id, id === 2 ? 'up' : 'down', 0)
    expect(liveness.dump()).toMatchObject({ up: [2], down: [1, 3] })
    for (const id of [1, 2]) liveness.remove(id)
    expect([...place.rows.keys()]).toEqual([1, 2, 3])
    expect(liveness.dump()).toMatchObject({ liveness: [{ id: 3 }], up: [], down: [3] })
  })

  it('forgets what is known of a path that gets another remote, and not of one that gets other intervals', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    place.becomes(1, 'up', 0)
    const liveness = await open(place.beside)
    liveness.set({ ...path(1), multiplier: 9 })
    expect(liveness.dump()).toMatchObject({ liveness: [{ multiplier: 9 }], up: [1], down: [] })
    expect(place.forgotten).toBe(0)
    liveness.set(path(1, SECOND))
    expect(liveness.dump()).toEqual({ liveness: [path(1, SECOND)], up: [], down: [] })
    // It may have been down, and flows gone another way.
    expect(place.forgotten).toBe(1)
    place.becomes(1, 'up', 0)
    expect(place.look()).toEqual(['liveness-up 1'])
  })

  it('keeps sessions by itself where nothing is pinned, and tells the far ends when it ends', async () => {
    const liveness = await open(place.options)
    liveness.set(path(1))
    liveness.tell()
    expect(place.config.get('watch_version')).toBe(1)
    await liveness.close(false)
    expect(place.sent).toContain(`${FIRST} admin-down`)
    expect(place.closed.toSorted()).toEqual(['poller', 'sockets'])
    expect(place.starts).toBe(0)
    place.becomes(1, 'up', 0)
    expect(place.look()).toEqual([])
  })

  it('starts a keeper with the first path, and again while none lives, a second apart', async () => {
    const liveness = await open(place.beside)
    // Which it only tried.
    expect(place.closed).toEqual(['sockets'])
    expect(place.openPoller).not.toHaveBeenCalled()
    vi.advanceTimersByTime(2 * CHECK)
    expect(place.starts).toBe(0)
    place.config.set('keeper_order', KEEPER_ORDER.end)
    liveness.set(path(1))
    liveness.tell()
    expect([place.starts, place.config.get('keeper_order')]).toEqual([1, KEEPER_ORDER.goOn])
    vi.advanceTimersByTime(CHECK - 2 * LOOK)
    expect(place.starts).toBe(1)
    await hasEnded(place.pid)
    vi.advanceTimersByTime(2 * LOOK)
    expect(place.starts).toBe(2)
    const keeper = place.lock()
    vi.advanceTimersByTime(2 * CHECK)
    expect(place.starts).toBe(2)
    keeper.release()
    liveness.remove(1)
    liveness.tell()
    vi.advanceTimersByTime(2 * CHECK)
    expect(place.starts).toBe(2)
  })

  it('starts no other one while one starts, and ends that when it ends itself', async () => {
    const liveness = await open({ ...place.beside, script: FOREVER })
    liveness.set(path(1))
    liveness.tell()
    vi.advanceTimersByTime(3 * CHECK)
    expect(place.starts).toBe(1)
    hurry()
    await liveness.close(false)
    expect(place.warnings).toEqual(['The keeper of BFD sessions does not end'])
    await hasEnded(place.pid)
  })

  // Each second another one was started, and nobody said why none came.
  it('says once why none comes, and tries ever less often, until one has lived', async () => {
    const fails = { script: 'none', execArgv: ['--eval', 'throw new TypeError("nobody foresaw this")'] }
    const warned = [
      'A keeper of BFD sessions has failed, and another one is started',
      { reason: 'TypeError: nobody foresaw this (exit code 1)' },
    ]
    place.watches.set(1, encodeWatch(path(1)))
    await open({ ...place.beside, script: fails })
    /** Checks until another one is started. */
    const untilNext = async (): Promise<number> => {
      await hasEnded(place.pid)
      const { starts } = place
      for (let checks = 1; ; checks++) {
        vi.advanceTimersByTime(CHECK)
        if (place.starts > starts) return checks
      }
    }
    for (const checks of [1, 2, 4, 8, 16, 32, 60, 60]) expect(await untilNext()).toBe(checks)
    await hasEnded(place.pid)
    // Its last words come behind its end.
    await sleep(100)
    expect(place.warn.mock.calls).toEqual([warned])
    const keeper = place.lock()
    vi.advanceTimersByTime(CHECK)
    keeper.release()
    expect(await untilNext()).toBe(1)
    expect(await untilNext()).toBe(1)
    while (place.warn.mock.calls.length < 2) await sleep(10)
    expect(place.warn.mock.calls).toEqual([warned, warned])
    await hasEnded(place.pid)
  })

  it('says so where there is nothing to start', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    await open({ ...place.beside, script: { script: join(place.folder, 'gone.js'), execArgv: [] } })
    while (place.warn.mock.calls.length === 0) await sleep(10)
    expect(place.warn.mock.lastCall?.[1]).toEqual({
      reason: expect.stringMatching(/^Error: Cannot find module '.*gone\.js' \(exit code 1\)$/),
    })
  })

  it('leaves the node in peace for a moment where one was ended by a signal, as this process may be, too', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    const keeper = place.lock()
    await open(place.beside)
    vi.advanceTimersByTime(CHECK)
    place.config.set('keeper_version', NO_KEEPER)
    keeper.release()
    vi.advanceTimersByTime(3 * CHECK)
    expect(place.starts).toBe(0)
    vi.advanceTimersByTime(CHECK)
    expect(place.starts).toBe(1)
  })

  // It was up for ever, though nobody had heard of it.
  it('knows of nothing that it is up once no keeper has come for a while, and of what is down that it is', async () => {
    for (const id of [1, 2, 3]) place.watches.set(id, encodeWatch(path(id, IpAddress.parse(`192.0.2.2${id}`))))
    place.becomes(1, 'up', 0)
    place.becomes(2, 'down', 1)
    place.becomes(3, 'up', 0)
    const keeper = place.lock()
    const liveness = await open(place.beside)
    // Its keeper was ended by a signal.
    place.becomes(3, undefined, 0)
    vi.advanceTimersByTime(CHECK)
    keeper.release()
    vi.advanceTimersByTime(5 * CHECK)
    expect([place.told, liveness.dump()]).toMatchObject([[], { up: [1], down: [2] }])
    vi.advanceTimersByTime(2 * CHECK)
    expect(place.told.splice(0)).toEqual(['liveness-unknown 1: nobody keeps the session', 'liveness-unknown 3: nobody keeps the session'])
    expect(liveness.dump()).toMatchObject({ up: [], down: [2] })
    place.becomes(1, 'up', 0)
    place.becomes(2, 'up', 1)
    expect(place.look().toSorted()).toEqual([expect.stringMatching(/^liveness-up 1/), expect.stringMatching(/^liveness-up 2/)])
  })

  it('trusts what it knows where a keeper has come in time', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    place.becomes(1, 'up', 0)
    const liveness = await open(place.beside)
    for (let turn = 0; turn < 3; turn++) {
      vi.advanceTimersByTime(5 * CHECK)
      const keeper = place.lock()
      vi.advanceTimersByTime(CHECK)
      keeper.release()
    }
    expect([place.told, liveness.dump()]).toMatchObject([[], { up: [1], down: [] }])
  })

  it('has the keeper tell far ends where it ends with this process, the first one of a container, though the tables stay', async () => {
    const keeper = place.lock()
    const liveness = await open(place.beside)
    const pid = Object.getOwnPropertyDescriptor(process, 'pid') ?? {}
    Object.defineProperty(process, 'pid', { ...pid, value: 1 })
    keeper.release()
    try {
      await liveness.close(true)
    } finally {
      Object.defineProperty(process, 'pid', pid)
    }
    expect(place.config.get('keeper_order')).toBe(KEEPER_ORDER.end)
  })

  it('starts one at once where paths are watched and none lives', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    await open(place.beside)
    expect([place.starts, place.warnings]).toEqual([1, []])
  })

  it('lets a keeper of this version go on', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    const keeper = place.lock()
    const liveness = await open(place.beside)
    expect([place.starts, place.config.get('keeper_order'), place.openSockets.mock.calls]).toEqual([0, KEEPER_ORDER.goOn, []])
    // The process before this one may have ended before it said what it had written.
    expect(place.config.get('watch_version')).toBe(1)
    await liveness.close(true)
    expect(place.config.get('keeper_order')).toBe(KEEPER_ORDER.goOn)
    keeper.release()
  })

  it.each<[string, string, Partial<KeeperPlace>, VrfDevice | undefined]>([
    // It went on with sockets that heard nothing once the uplink was in a VRF device,
    ['VRF', 'ends', { vrf: { name: 'underlay', index: 7 } }, undefined],
    ['VRF', 'does not end', { vrf: { name: 'underlay', index: 7 } }, undefined],
    // and with those of one that had gone, when there was another of its name.
    ['VRF of the same name', 'ends', { vrf: { name: 'underlay', index: 7 } }, { name: 'underlay', index: 8 }],
    ['VRF whose name counts as much', 'ends', { vrf: { name: 'Aa', index: 7 } }, { name: 'BB', index: 7 }],
    ['set of addresses', 'ends', { addresses: [String(FIRST)] }, undefined],
    ['version', 'ends', { uplink: 1 }, undefined],
  ])('asks one of another %s to make room, which %s', async (_, what, other, vrf) => {
    place.watches.set(1, encodeWatch(path(1)))
    place.config.set('keeper_version', place.number(other))
    const keeper = place.lock()
    const order = vi.spyOn(place.config, 'set')
    const opening = open({ ...place.beside, vrf })
    expect(order).toHaveBeenCalledWith('keeper_order', KEEPER_ORDER.makeRoom)
    if (what === 'ends') keeper.release()
    else hurry()
    await opening
    expect(place.warnings).toEqual(what === 'ends' ? [] : ['A keeper of BFD sessions of another version, VRF or addresses does not end'])
    expect(place.starts).toBe(what === 'ends' ? 1 : 0)
    if (what !== 'ends') keeper.release()
  })

  it.each(['ends', 'does not end'])('has the keeper end with the dataplane; it %s', async (what) => {
    const keeper = place.lock()
    const liveness = await open(place.beside)
    if (what === 'ends') keeper.release()
    else hurry()
    await liveness.close(false)
    expect(place.config.get('keeper_order')).toBe(KEEPER_ORDER.end)
    expect(place.warnings).toEqual(what === 'ends' ? [] : ['The keeper of BFD sessions does not end'])
    if (what !== 'ends') keeper.release()
  })

  it('is not there, and says why, where another BFD has the addresses', async () => {
    place.openSockets.mockRejectedValueOnce(new LinuxError('EADDRINUSE', 98, 'bind', 'Address already in use'))
    expect(await Liveness.open(place.options)).toBeUndefined()
    expect(place.warn.mock.calls).toEqual([['Liveness is not offered', { reason: expect.stringContaining('Address already in use') }]])
    place.openSockets.mockRejectedValueOnce(new TypeError('nobody foresaw this'))
    await expect(Liveness.open(place.options)).rejects.toThrow('nobody foresaw this')
  })

  it.each<[string, string[], () => void]>([
    ['the rows of a keeper before it cannot be read', ['sockets'], () => (place.refuses = true)],
    [
      'there is no descriptor left to wait with',
      ['sockets'],
      () =>
        place.openPoller.mockImplementationOnce(() => {
          throw new LinuxError('EMFILE', 24, 'epoll_create1', 'Too many open files')
        }),
    ],
    [
      'they cannot be waited for',
      ['poller', 'sockets'],
      () =>
        (place.serves = () => {
          throw new LinuxError('ENOSPC', 28, 'epoll_ctl', 'No space left on device')
        }),
    ],
  ])('leaves no sockets open, which the next one needs, where %s', async (_, closed, fail) => {
    fail()
    expect(await Liveness.open(place.options)).toBeUndefined()
    expect(place.closed.toSorted()).toEqual(closed)
    expect(place.warnings).toEqual(['Liveness is not offered'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('looks for nothing any more where the keeper that is there cannot be told', async () => {
    const keeper = place.lock()
    vi.spyOn(place.config, 'set').mockImplementationOnce(() => {
      place.refuses = true
      return place.config
    })
    await expect(Liveness.open(place.beside)).rejects.toThrow('Cannot allocate memory')
    expect(vi.getTimerCount()).toBe(0)
    keeper.release()
  })

  it.each(['in turn', 'to end it'])('says once that a keeper cannot be looked for (%s)', async (when) => {
    place.watches.set(1, encodeWatch(path(1)))
    const keeper = place.lock()
    const liveness = await open(place.beside)
    rmSync(place.netns)
    const warned = [['The keeper of BFD sessions cannot be looked for', { reason: expect.stringContaining('No such file') }]]
    if (when === 'in turn') {
      vi.advanceTimersByTime(3 * CHECK)
      expect(place.warn.mock.calls).toEqual(warned)
    }
    await liveness.close(false)
    expect(place.warn.mock.calls).toEqual(warned)
    expect(place.starts).toBe(0)
    keeper.release()
  })
  it('does not take for that what nobody foresaw', async () => {
    place.watches.set(1, encodeWatch(path(1)))
    const uplink = { toString: () => String(place.uplink) }
    await open({ ...place.beside, uplink: { name: 'up0', index: uplink as unknown as number } })
    uplink.toString = () => {
      throw new TypeError('nobody foresaw this')
    }
    expect(() => vi.advanceTimersByTime(CHECK)).toThrow('nobody foresaw this')
  })
})
