import type { NextHopObject } from '@heddle/core'
import { silentLogger } from '@heddle/io'
import { LinuxError, type LinkReference, type Netlink, type RouteLookup, type RouteLookupOptions } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { MapsInMemory } from '../../test/support/maps-in-memory.js'
import { encodeNextHop } from '../layout/next-hop.js'
import { View } from '../layout/struct.js'
import { NEXT_HOP } from '../layout/structs/next-hop.js'
import { LOCAL_KEY } from '../layout/structs/objects.js'
import type { KernelMaps } from '../tables/kernel-maps.js'
import { wordBytes } from '../layout/word.js'
import { PathMtus } from '../tables/path-mtus.js'
import { PathWatch } from './path-watch.js'

const LOCAL = { 4: IpAddress.parse('192.0.2.1'), 6: IpAddress.parse('2001:db8::1') } as const
const [NEAR, FAR, OTHER] = ['192.0.2.2', '192.0.2.3', '192.0.2.4'].map((text) => IpAddress.parse(text))
const SIX = IpAddress.parse('2001:db8::2')
const MINUTE = 60_000
const UPLINK = { name: 'up0', index: 2 } as const
/** What the uplink takes. */
const MTU = 1500

function tunnel(id: number, remote: IpAddress): NextHopObject {
  const models = { ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
  return { id, action: { type: 'tunnel', encapsulation: 'mpls-udp', local: LOCAL[remote.family], remote, labels: [16 + id], ...models } }
}

/** A router's maps, its host's routes, and what was told. */
class World {
  readonly #memory = new MapsInMemory()
  readonly maps: KernelMaps = this.#memory.seenBy().maps
  /** MTU of routes, by remote end; unreachable where it is 0. */
  readonly routes = new Map<string, number>()
  readonly asked: string[] = []
  readonly told: string[] = []
  /** By remote end, the link that the host sends by. */
  readonly elsewhere = new Map<string, Pick<RouteLookup, 'index' | 'link'>>()
  readonly warned: string[] = []
  paths = new PathMtus(this.maps)
  watch: PathWatch

  constructor(readonly vrf?: number) {
    this.watch = this.#watch()
  }

  /** As the next process. */
  takeOver(): void {
    this.paths = new PathMtus(this.maps)
    this.watch = this.#watch()
  }

  set(...hops: readonly NextHopObject[]): void {
    for (const hop of hops) {
      this.maps.set('next_hops', hop.id, encodeNextHop(hop, undefined, this.paths.mtuOf(hop)))
      this.paths.set(hop)
    }
  }

  /** A router on the way says so. */
  hears(remote: IpAddress, mtu: number): void {
    const { bytes } = new View(LOCAL_KEY).set('family', remote.family).setAddress('address', remote)
    this.maps.set('told_paths', bytes, wordBytes(mtu))
  }

  /** What programs read of each next hop. */
  get written(): Record<number, number> {
    return Object.fromEntries(Array.from(this.maps.numbered('next_hops'), ([id, value]) => [id, new View(NEXT_HOP, value).get('path_mtu')]))
  }

  #watch(): PathWatch {
    const lookup = async (remote: string, { link }: RouteLookupOptions): Promise<Partial<RouteLookup>> => {
      if (link !== UPLINK.index) return this.#byHost(remote, link)
      this.asked.push(remote)
      const mtu = this.routes.get(remote) ?? MTU
      if (mtu === 0) throw new LinuxError('ENETUNREACH', 101, 'look a route up', 'Network is unreachable')
      return { kind: 'unicast', mtu, index: UPLINK.index }
    }
    return new PathWatch({
      maps: this.maps,
      paths: this.paths,
      netlink: { routes: { lookup } } as unknown as Netlink,
      uplink: UPLINK,
      vrf: this.vrf,
      changed: ({ remote }, mtu) => this.told.push(`${remote} ${mtu}`),
      logger: { ...silentLogger, warn: (_, fields) => this.warned.push(`${String(fields?.['remote'])} by ${String(fields?.['link'])}`) },
    })
  }

  /** The host's own way, whichever link that is. */
  async #byHost(remote: string, link: LinkReference | undefined): Promise<Partial<RouteLookup>> {
    expect(link).toBe(this.vrf)
    return { kind: 'unicast', mtu: MTU, ...(this.elsewhere.get(remote) ?? { index: UPLINK.index, link: UPLINK.name }) }
  }
}

describe('what is known of paths', () => {
  let world: World
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
    world = new World()
    world.set(tunnel(1, NEAR), tunnel(2, NEAR), tunnel(3, FAR), tunnel(4, SIX))
  })
  afterEach(() => vi.useRealTimers())

  it('is what routes take, as they change, in every next hop that leads there', async () => {
    world.routes.set(NEAR.toString(), 1300)
    await world.watch.look(MTU)
    expect([world.written, world.told.splice(0)]).toEqual([{ 1: 1300, 2: 1300, 3: 0, 4: 0 }, [`${NEAR} 1300`]])
    world.routes.set(NEAR.toString(), 0)
    await world.watch.look(MTU)
    expect([world.written, world.told]).toEqual([{ 1: 0, 2: 0, 3: 0, 4: 0 }, [`${NEAR} ${MTU}`]])
  })

  it('is what was told of it, for ten minutes, and once read is read no more', async () => {
    world.hears(NEAR, 1400)
    await world.watch.look(MTU)
    expect([world.written, [...world.maps.entries('told_paths')]]).toEqual([{ 1: 1400, 2: 1400, 3: 0, 4: 0 }, []])
    // Of two narrow links the first one tells last.
    world.hears(NEAR, 1300)
    await world.watch.look(MTU)
    world.hears(NEAR, 1400)
    await world.watch.look(MTU)
    expect(world.told.splice(0)).toEqual([`${NEAR} 1400`, `${NEAR} 1300`])
    await vi.advanceTimersByTimeAsync(9 * MINUTE)
    world.hears(NEAR, 1300)
    await world.watch.look(MTU)
    await vi.advanceTimersByTimeAsync(9 * MINUTE)
    await world.watch.look(MTU)
    expect(world.told).toEqual([])
    await vi.advanceTimersByTimeAsync(2 * MINUTE)
    await world.watch.look(MTU)
    expect([world.written, world.told]).toEqual([{ 1: 0, 2: 0, 3: 0, 4: 0 }, [`${NEAR} ${MTU}`]])
  })

  it('is no less than Linux believes, and nothing about who is no tunnel’s far end, or about what the uplink does not take', async () => {
    world.hears(NEAR, 0)
    world.hears(SIX, 1000)
    world.hears(FAR, MTU)
    world.hears(OTHER, 1300)
    await world.watch.look(MTU)
    expect([world.written, world.paths.dump()]).toEqual([
      { 1: 552, 2: 552, 3: 0, 4: 1280 },
      [
        { remote: NEAR, mtu: 552 },
        { remote: SIX, mtu: 1280 },
      ],
    ])
    world.set(tunnel(5, OTHER))
    expect(world.written[5]).toBe(0)
    await world.watch.look(500)
    expect(world.paths.dump()).toEqual([])
  })

  it('stays with next hops that are replaced, and goes with the last one', async () => {
    world.hears(NEAR, 1300)
    await world.watch.look(MTU)
    world.paths.remove(2)
    world.maps.delete('next_hops', 2)
    world.set({ ...tunnel(1, NEAR), liveness: 7 }, tunnel(6, NEAR))
    expect(world.written).toEqual({ 1: 1300, 3: 0, 4: 0, 6: 1300 })
    world.set(tunnel(6, FAR), tunnel(1, FAR))
    world.set(tunnel(1, NEAR))
    expect(world.written).toEqual({ 1: 0, 3: 0, 4: 0, 6: 0 })
  })

  it('is believed anew by the process that takes over', async () => {
    world.hears(NEAR, 1300)
    await world.watch.look(MTU)
    await vi.advanceTimersByTimeAsync(9 * MINUTE)
    world.takeOver()
    world.told.length = 0
    await world.watch.look(MTU)
    await vi.advanceTimersByTimeAsync(9 * MINUTE)
    await world.watch.look(MTU)
    expect([world.paths.dump(), world.told]).toEqual([[{ remote: NEAR, mtu: 1300 }], []])
    await vi.advanceTimersByTimeAsync(2 * MINUTE)
    await world.watch.look(MTU)
    expect(world.written).toEqual({ 1: 0, 2: 0, 3: 0, 4: 0 })
  })

  it('is told of each path, whatever the kernel refuses of another one, which is told at the next look', async () => {
    world.hears(NEAR, 1300)
    world.hears(FAR, 1400)
    const refusal = new LinuxError('ENOMEM', 12, 'update next_hops', 'Cannot allocate memory')
    const set = vi.spyOn(world.maps, 'set').mockImplementationOnce(() => {
      throw refusal
    })
    await expect(world.watch.look(MTU)).rejects.toBe(refusal)
    expect([world.written, world.told.splice(0)]).toEqual([{ 1: 0, 2: 0, 3: 1400, 4: 0 }, [`${FAR} 1400`]])
    set.mockRestore()
    await world.watch.look(MTU)
    expect([world.written, world.told]).toEqual([{ 1: 1300, 2: 1300, 3: 1400, 4: 0 }, [`${NEAR} 1300`]])
  })

  it('asks for routes of some at once, those first that are new, and all in turn', async () => {
    world = new World()
    world.set(...Array.from({ length: 100 }, (_, id) => tunnel(id, IpAddress.parse(`198.51.100.${id}`))))
    await world.watch.look(MTU)
    expect(world.asked.length).toBe(64)
    world.set(tunnel(200, NEAR))
    await world.watch.look(MTU)
    expect(new Set(world.asked).size).toBe(101)
    world.asked.length = 0
    for (let look = 0; look < 4; look++) await world.watch.look(MTU)
    expect(new Set(world.asked).size).toBe(101)
    expect(world.asked.length).toBeLessThanOrEqual(4 * 64)
  })

  // BGP, and BFD with peers, went on by the other link, while packets of tunnels went nowhere.
  it.each([undefined, 7])('is told of where the host sends by another link, once of each (VRF %s)', async (vrf) => {
    const strange = new World(vrf)
    strange.set(tunnel(1, NEAR), tunnel(2, FAR))
    const look = async (...other: readonly (readonly [IpAddress, number])[]): Promise<string[]> => {
      strange.elsewhere.clear()
      for (const [remote, index] of other) strange.elsewhere.set(remote.toString(), { index, link: `up${index}` })
      await strange.watch.look(MTU)
      return strange.warned.splice(0)
    }
    expect(await look()).toEqual([])
    expect(await look([NEAR, 3])).toEqual([`${NEAR} by up3`])
    expect(await look([NEAR, 3], [FAR, 4])).toEqual([`${FAR} by up4`])
    expect(await look([NEAR, 4])).toEqual([`${NEAR} by up4`])
    expect(strange.watch.detours()).toEqual([{ remote: NEAR, link: 'up4' }])
    expect(await look([FAR, 4])).toEqual([`${FAR} by up4`])
    expect(await look()).toEqual([])
    expect(strange.watch.detours()).toEqual([])
  })
})
