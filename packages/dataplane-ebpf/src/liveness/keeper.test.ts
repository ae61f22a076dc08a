import { LinuxError, type BfdReceiver, type BfdSockets, type BfdWay, type IsOfUplink, type Poller } from '@heddle/linux'
import type { LivenessObject } from '@heddle/core'
import { BFD_DIAGNOSTICS, BFD_PACKET_SIZE, decodeBfdPacket, encodeBfdPacket, ByteReader, IpAddress, type BfdState } from '@heddle/wire'
import { bfdPacket, newBfdSession } from '@heddle/bfd'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { View } from '../layout/struct.js'
import { CONFIG } from '../layout/structs/config.js'
import { LIVENESS, WATCH } from '../layout/structs/liveness.js'
import { wordAt, wordBytes } from '../layout/word.js'
import type { NativeObject } from '../native/binding.js'
import { KernelMaps } from '../tables/kernel-maps.js'
import { decodeLiveness, encodeLiveness, encodeWatch, type Outcome } from './encoding.js'
import { LivenessKeeper } from './keeper.js'

const [HERE, FIRST, SECOND] = ['192.0.2.1', '192.0.2.11', '192.0.2.12'].map((text) => IpAddress.parse(text))
const DOWN: Outcome = { known: 'down', downs: 1 }

function path(id: number, remote: IpAddress): LivenessObject {
  return { id, local: HERE, remote, hops: 'multiple', desiredMinTx: 200_000, requiredMinRx: 200_000, multiplier: 3 }
}

/** Maps of a kernel in memory, and sockets that lead nowhere. */
class Place {
  readonly watches = new Map<number, Uint8Array>()
  readonly liveness = new Map<number, Uint8Array>()
  readonly config = new View(CONFIG)
  /** What was sent, as `remote state`. */
  readonly sent: string[] = []
  /** How often the sockets were given up. */
  pauses = 0
  /** How often maps were read. */
  reads = 0
  readonly keeper: LivenessKeeper
  /** Whether the kernel takes no row. */
  isFull = false
  /** Whether another keeper has the rows by now. */
  isSucceeded = false
  #receive: BfdReceiver | undefined
  isOfUplink: IsOfUplink | undefined

  constructor() {
    const of = (map: string): Map<number, Uint8Array> => (map === 'watches' ? this.watches : this.liveness)
    const object = {
      maps: () => [
        { name: 'config', keySize: 4, valueSize: CONFIG.size, maxEntries: 1 },
        { name: 'watches', keySize: 4, valueSize: WATCH.size, maxEntries: 64 },
        { name: 'liveness', keySize: 4, valueSize: LIVENESS.size, maxEntries: 64 },
      ],
      memory: () => this.config.bytes.buffer,
      entries: (map: string) => {
        this.reads++
        return Uint8Array.from([...of(map)].flatMap(([id, value]) => [...wordBytes(id), ...value]))
      },
      update: (map: string, key: Uint8Array, value: Uint8Array) => {
        if (this.isFull) throw new LinuxError('ENOMEM', 12, 'write an element', 'Cannot allocate memory')
        of(map).set(wordAt(key), value.slice())
      },
      remove: (map: string, key: Uint8Array) => of(map).delete(wordAt(key)),
    } as unknown as NativeObject
    const maps = new KernelMaps(object)
    const sent = ({ remote }: BfdWay, packet: Uint8Array, how = ''): unknown =>
      this.sent.push(`${remote} ${decodeBfdPacket(new ByteReader(packet, 'bfd')).state}${how}`)
    const sockets = {
      serve: (_: Poller, receive: BfdReceiver, isOfUplink: IsOfUplink) => {
        this.#receive = receive
        this.isOfUplink = isOfUplink
      },
      pause: () => this.pauses++,
      expect: () => undefined,
      send: (way: BfdWay, packet: Uint8Array) => sent(way, packet),
      sendByUplink: (way: BfdWay, packet: Uint8Array) => sent(way, packet, ' by the uplink'),
    } as unknown as BfdSockets
    this.keeper = new LivenessKeeper({ maps, config: this.config, sockets, poller: {} as Poller, isSucceeded: () => this.isSucceeded })
  }

  /** As a keeper before this one has left it. */
  isDown(object: LivenessObject): void {
    this.watches.set(object.id, encodeWatch(object))
    const session = { ...newBfdSession(), diagnostic: BFD_DIAGNOSTICS.detectionTimeExpired }
    this.liveness.set(object.id, encodeLiveness({ id: object.id, discriminator: object.id, session }, DOWN))
  }

  follow(): void {
    this.config.set('watch_version', this.config.get('watch_version') + 1)
    this.keeper.follow()
  }

  /** The far end of a path says what its session is. */
  hear({ id, local, remote, hops, ...intervals }: LivenessObject, state: BfdState): void {
    const far = { ...newBfdSession(), state, remoteDiscriminator: id }
    const bytes = new Uint8Array(BFD_PACKET_SIZE)
    encodeBfdPacket(bfdPacket(far, { discriminator: 9, hops, ...intervals }), new DataView(bytes.buffer), 0)
    this.#receive?.(local, remote, hops, 255, bytes)
  }

  /** How often programs were told to decide anew. */
  get forgotten(): number {
    return this.config.get('epoch')
  }

  /** What programs and the process of the tables find. */
  get found(): { readonly known: Record<number, Outcome['known']>; readonly down: number } {
    const known = Object.fromEntries(Array.from(this.liveness, ([id, value]) => [id, decodeLiveness(id, value).known]))
    return { known, down: this.config.get('down') }
  }
}

describe('a keeper of BFD sessions', () => {
  let place: Place
  beforeEach(() => {
    vi.useFakeTimers()
    place = new Place()
    place.isDown(path(5, FIRST))
    place.follow()
    expect(place.found).toEqual({ known: { 5: 'down' }, down: 1 })
  })
  afterEach(() => {
    place.keeper.close(true)
    vi.useRealTimers()
  })

  it.each(['is gone already', 'is still there'])(
    'knows nothing of another path under the number of one that was down, whose row %s',
    (row) => {
      place.watches.set(5, encodeWatch(path(5, SECOND)))
      if (row === 'is gone already') place.liveness.delete(5)
      place.follow()
      expect(place.found).toEqual({ known: { 5: undefined }, down: 0 })
      expect(place.sent).toContain(`${FIRST} admin-down`)
    },
  )

  it('counts how often a path went down, by which an interruption is seen that was over before anybody looked', () => {
    const outcome = (): Partial<Outcome> => {
      const { known, downs } = decodeLiveness(5, place.liveness.get(5) ?? new Uint8Array(0))
      return { known, downs }
    }
    for (const downs of [1, 2, 3]) {
      place.hear(path(5, FIRST), 'init')
      expect(outcome()).toEqual({ known: 'up', downs })
      place.hear(path(5, FIRST), 'down')
      expect(outcome()).toEqual({ known: 'down', downs: downs + 1 })
    }
  })

  it('has as down only what is, and lets the process of the tables know of each step', () => {
    const { config } = place
    for (const [state, known, down] of [
      ['init', 'up', 0],
      ['admin-down', 'admin-down', 0],
    ] as const) {
      const before = config.get('liveness_version')
      place.hear(path(5, FIRST), state)
      expect(place.found).toEqual({ known: { 5: known }, down })
      expect(config.get('liveness_version')).toBeGreaterThan(before)
    }
  })

  // Any packet by the far end's address, of a path that was down, had all flows decided anew.
  it('has programs decide anew when a path goes down or comes back, and at no other step', () => {
    const seen = path(5, FIRST)
    const forgotten = (state: BfdState): number => {
      const before = place.forgotten
      place.hear(seen, state)
      return place.forgotten - before
    }
    expect((['down', 'admin-down', 'down', 'init', 'up', 'down', 'down', 'init'] as const).map(forgotten)).toEqual([0, 0, 0, 1, 0, 1, 0, 1])
    // Once the row is written, and not before.
    place.isFull = true
    expect(forgotten('down')).toBe(0)
    place.isFull = false
    const before = place.forgotten
    place.keeper.follow()
    expect(place.forgotten).toBe(before + 1)
  })

  // Programs had decided without the row that it was down by, and went on by that.
  it('has programs decide anew once it has written a row again that somebody took away', () => {
    place.liveness.delete(5)
    const before = place.forgotten
    place.follow()
    expect([place.found, place.forgotten]).toEqual([{ known: { 5: 'down' }, down: 1 }, before + 1])
  })

  // Programs look at rows only while some path is down.
  it('has programs decide anew when no path is down any more, though the row of one could not be written', () => {
    const [full, seen, other] = [new Place(), path(5, FIRST), path(7, SECOND)]
    for (const one of [seen, other]) full.isDown(one)
    full.follow()
    full.hear(other, 'init')
    full.isFull = true
    full.hear(seen, 'init')
    full.isFull = false
    const before = full.forgotten
    full.hear(other, 'admin-down')
    expect([full.found, full.forgotten]).toEqual([{ known: { 5: 'down', 7: 'admin-down' }, down: 0 }, before + 1])
    full.keeper.follow()
    expect(full.found).toEqual({ known: { 5: 'up', 7: 'admin-down' }, down: 0 })
    full.keeper.close(true)
  })

  // What did not run for a while found everything overdue before it came to see that it was to end.
  it('writes nothing any more once another one has the rows', () => {
    const seen = path(5, FIRST)
    place.hear(seen, 'down')
    place.hear(seen, 'init')
    expect(place.found).toEqual({ known: { 5: 'up' }, down: 0 })
    const [rows, version, { forgotten }] = [new Map(place.liveness), place.config.get('liveness_version'), place]
    place.isSucceeded = true
    vi.advanceTimersByTime(60_000)
    expect([place.liveness, place.config.get('liveness_version'), place.forgotten]).toEqual([rows, version, forgotten])
  })

  it('reads nothing while nothing has changed', () => {
    const { reads } = place
    place.keeper.follow()
    expect(place.reads).toBe(reads)
  })

  it.each([
    ['says nothing', true, []],
    ['tells far ends', false, [`${FIRST} admin-down`]],
  ])('%s when it ends and another goes on: %s', (_, quietly, said) => {
    place.sent.length = 0
    place.keeper.close(quietly)
    expect([place.sent, place.pauses]).toEqual([said, 1])
  })

  // What went on with a session that was up, after far ends were told that it had ended, took it for one that went down.
  it('leaves rows, when it ends, by which the next one begins anew, and says down of no path that was not', () => {
    const [seen, before, next] = [path(7, SECOND), new Place(), new Place()]
    for (const one of [path(5, FIRST), seen]) before.isDown(one)
    before.follow()
    before.hear(seen, 'init')
    expect(before.found).toEqual({ known: { 5: 'down', 7: 'up' }, down: 1 })
    before.keeper.close(false)
    expect(before.found).toEqual({ known: { 5: 'down', 7: undefined }, down: 1 })
    for (const [id, value] of before.watches) next.watches.set(id, value)
    for (const [id, value] of before.liveness) next.liveness.set(id, value)
    next.follow()
    next.hear(seen, 'down')
    expect(next.found).toEqual({ known: { 5: 'down', 7: undefined }, down: 1 })
    next.hear(seen, 'init')
    expect(next.found).toEqual({ known: { 5: 'down', 7: 'up' }, down: 1 })
    expect(decodeLiveness(7, next.liveness.get(7) ?? new Uint8Array(0)).downs).toBe(1)
    next.keeper.close(true)
  })

  it('goes on with a session of which nothing was known while nobody kept it, until it finds out', () => {
    const seen = path(7, SECOND)
    const session = {
      ...newBfdSession(),
      state: 'up',
      remoteState: 'up',
      remoteDiscriminator: 9,
      remoteMultiplier: 3,
      remoteDesiredMinTx: 200_000,
    } as const
    const next = new Place()
    next.watches.set(7, encodeWatch(seen))
    next.liveness.set(7, encodeLiveness({ id: 7, discriminator: 7, session }, { known: undefined, downs: 0 }))
    next.follow()
    expect(next.found).toEqual({ known: { 7: 'up' }, down: 0 })
    vi.advanceTimersByTime(10_000)
    expect(next.found).toEqual({ known: { 7: 'down' }, down: 1 })
    next.keeper.close(true)
  })

  it('has packets of paths of tunnels leave and come in by the uplink, from when it is asked for to when it is not', () => {
    const seen = path(7, SECOND)
    const asks = (): boolean | undefined => place.isOfUplink?.(seen.local, seen.remote, seen.hops)
    for (const vouchesFor of [undefined, 'tunnels', undefined] as const) {
      place.watches.set(7, encodeWatch({ ...seen, ...(vouchesFor && { vouchesFor }) }))
      place.follow()
      place.sent.length = 0
      vi.advanceTimersByTime(2_000)
      expect(new Set(place.sent)).toEqual(new Set([`${FIRST} down`, `${SECOND} down${vouchesFor ? ' by the uplink' : ''}`]))
      expect(asks()).toBe(vouchesFor !== undefined)
    }
  })

  it('ends the session of a path that was given another remote, and then removed, before it looked', () => {
    place.liveness.delete(5)
    place.watches.delete(5)
    place.follow()
    expect(place.found).toEqual({ known: {}, down: 0 })
    expect(place.sent).toContain(`${FIRST} admin-down`)
    place.sent.length = 0
    vi.advanceTimersByTime(10_000)
    expect(place.sent).toEqual([])
  })

  it('takes away, when it begins, what another one has left of a path that nobody asks for', () => {
    const next = new Place()
    next.isDown(path(5, FIRST))
    next.isDown(path(7, SECOND))
    next.watches.delete(7)
    next.follow()
    expect(next.found).toEqual({ known: { 5: 'down' }, down: 1 })
    next.keeper.close(true)
  })

  it('has programs decide anew when a path is down no more', () => {
    const before = place.forgotten
    place.watches.delete(5)
    place.follow()
    expect(place.found.down).toBe(0)
    expect(place.forgotten).toBeGreaterThan(before)
  })

  // It was thrown in a timer, which ended the process of whoever has nothing pinned.
  it('writes again what the kernel refused of a session that changed by itself, and nothing of what is gone by then', () => {
    const full = new Place()
    for (const seen of [path(5, FIRST), path(7, SECOND)]) full.isDown(seen)
    full.follow()
    for (const seen of [path(5, FIRST), path(7, SECOND)]) full.hear(seen, 'init')
    expect(full.found).toEqual({ known: { 5: 'up', 7: 'up' }, down: 0 })
    full.isFull = true
    vi.advanceTimersByTime(10_000)
    expect(full.found.known).toEqual({ 5: 'up', 7: 'up' })
    full.watches.delete(7)
    full.follow()
    expect(full.found.known).toEqual({ 5: 'up' })
    full.isFull = false
    const { forgotten } = full
    full.keeper.follow()
    expect(full.found).toEqual({ known: { 5: 'down' }, down: 1 })
    expect(full.forgotten).toBeGreaterThan(forgotten)
    full.keeper.close(true)
  })

  it('writes again what it knows of a path that was removed and set before it looked', () => {
    place.liveness.delete(5)
    place.follow()
    expect(place.found).toEqual({ known: { 5: 'down' }, down: 1 })
  })

  it('tells nobody of the old remote after two paths changed places', () => {
    place.watches.set(6, encodeWatch(path(6, SECOND)))
    place.follow()
    place.watches.set(5, encodeWatch(path(5, SECOND)))
    place.watches.set(6, encodeWatch(path(6, FIRST)))
    place.follow()
    expect(place.found).toEqual({ known: { 5: undefined, 6: undefined }, down: 0 })
  })
})
