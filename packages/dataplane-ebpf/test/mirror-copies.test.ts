import type { DataplaneEvent, MirrorDirection, MirrorObject } from '@heddle/core'
import { writeErspan } from '@heddle/forwarding'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError, Poller, RawSocket } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { View } from '../src/layout/struct.js'
import { CONFIG } from '../src/layout/structs/config.js'
import { COPIED } from '../src/layout/structs/observe.js'
import { encodeMirror } from '../src/observe/mirror-text.js'
import { Mirrors } from '../src/observe/mirrors.js'
import type { KernelMaps } from '../src/tables/kernel-maps.js'
import { wordAt, wordBytes } from '../src/layout/word.js'
import { missing, titled } from './support/requirements.js'

const [HERE, COLLECTOR, OTHER] = ['192.0.2.1', '192.0.2.21', '192.0.2.22'].map((text) => IpAddress.parse(text))
const DIRECTIONS = ['egress', 'ingress'] as const
const WHOLE = 65_535
const MTU = 1500
const OCTETS = Uint8Array.from({ length: 60 }, (_, at) => (at === 0 ? 0x45 : at))

function mirror(id: number, port: number, direction: MirrorDirection | 'both', snapLength?: number): MirrorObject {
  return { id, ports: [{ port, direction }], ...(snapLength !== undefined && { snapLength }), sink: { type: 'stream' } }
}
function erspan(id: number, remote: IpAddress, port = id): MirrorObject {
  return { ...mirror(id, port, 'ingress', 20), sink: { type: 'erspan', local: HERE, remote, session: id } }
}

/** Maps in memory, and a ring that the test writes. */
class Kernel {
  readonly config = new View(CONFIG).set('underlay_mtu', MTU)
  readonly events: DataplaneEvent[] = []
  /** Remotes of collectors that have a socket. */
  readonly open = new Set<string>()
  readonly sent: string[] = []
  readonly warn = vi.fn<Logger['warn']>()
  /** Sockets that are open. */
  sockets = 0
  /** What they are bound to. */
  readonly vrfs = new Set<string | undefined>()
  /** What a socket waits for. */
  connecting: Promise<void> | undefined
  /** Whether there is a descriptor for who reads the ring. */
  isReadable = true
  /** Whether the other collector is. */
  isReachable = false
  /** Rows that were taken away. */
  readonly deleted: string[] = []
  /** Whether ports are observed, as programs found it that decided anew. */
  ofPorts = 0
  /** Whether somebody reads the ring. */
  isRead = false
  readonly #maps = new Map<string, Map<string, readonly [Uint8Array, Uint8Array]>>()
  #ring: number[] = []

  constructor() {
    const watch = { rearm: () => undefined }
    const poller = { unref: () => undefined, close: () => (this.isRead = false), watch: () => ((this.isRead = true), watch) }
    vi.spyOn(Poller, 'open').mockImplementation(() => {
      if (!this.isReadable) throw new LinuxError('EMFILE', 24, 'open a poller', 'Too many open files')
      return poller as unknown as Poller
    })
    vi.spyOn(RawSocket, 'open').mockImplementation(async ({ connect = '', link }) => {
      this.vrfs.add(link)
      await this.connecting
      if (connect === String(OTHER) && !this.isReachable) throw new LinuxError('ENETUNREACH', 101, 'connect', 'Network is unreachable')
      this.open.add(connect)
      this.sockets++
      const sendBatch = (bytes: Uint8Array, descriptors: Uint32Array): number =>
        this.sent.push(`${connect} ${Buffer.from(bytes.subarray(0, Math.max(...descriptors))).toString('hex')}`)
      return { sendBatch, close: () => (this.sockets--, this.open.delete(connect)) } as unknown as RawSocket
    })
  }

  get maps(): KernelMaps {
    const of = (name: string): Map<string, readonly [Uint8Array, Uint8Array]> => {
      const found = this.#maps.get(name) ?? new Map<string, readonly [Uint8Array, Uint8Array]>()
      this.#maps.set(name, found)
      return found
    }
    const bytes = (key: number | Uint8Array): Uint8Array => (typeof key === 'number' ? wordBytes(key) : key)
    return {
      object: { ring: () => ({ fd: 0, read: () => Uint8Array.from(this.#ring.splice(0)) }) },
      capacity: () => 1 << 20,
      entries: (name: string) => [...of(name).values()],
      numbered: (name: string) => Array.from(of(name).values(), ([key, value]) => [wordAt(key), value] as const),
      set: (name: string, key: number | Uint8Array, value: Uint8Array) => of(name).set(bytes(key).join(), [bytes(key), value]),
      delete: (name: string, key: number | Uint8Array) => {
        this.deleted.push(name)
        return of(name).delete(bytes(key).join())
      },
      forgetDecisions: () => (this.ofPorts = this.config.get('observes')),
    } as unknown as KernelMaps
  }

  /** What programs copy of ports, as `port direction octets`, and of which rules. */
  get asked(): { readonly ports: readonly string[]; readonly rules: readonly string[]; readonly ofPorts: number } {
    const ports = [...this.maps.entries('observed')].map(([key, snap]) => `${wordAt(key)} ${DIRECTIONS[wordAt(key, 4)]} ${wordAt(snap)}`)
    const rules = [...this.maps.numbered('snap_lengths')].map(([id, snap]) => `${id} ${wordAt(snap)}`)
    return { ports: ports.toSorted(), rules: rules.toSorted(), ofPorts: this.ofPorts }
  }

  /** A copy as a program leaves it. @param rule mirror of a rule */
  copies(port: number, direction: MirrorDirection, rule?: number, kept = OCTETS.length): void {
    const head = new View(COPIED)
      .set('port', port)
      .set('direction', direction === 'ingress' ? 1 : 0)
      .set('mirror', rule === undefined ? 0 : rule + 1)
      .set('length', OCTETS.length)
      .set('kept', kept)
    // What lies behind is of a copy before it.
    const record = [...head.bytes, ...OCTETS, 0xee]
    this.#ring.push(...wordBytes(record.length), ...record)
  }

  /** Events since the last call, as `mirror port direction sequence octets`. */
  told(): string[] {
    return this.events.splice(0).map((event) => {
      if (event.type !== 'mirrored') return event.type
      expect(event.length).toBe(OCTETS.length)
      expect([...event.packet]).toEqual([...OCTETS.subarray(0, event.packet.length)])
      return `${event.mirror} ${event.port} ${event.direction} ${event.sequence} ${event.packet.length}`
    })
  }
}

describe.skipIf(missing() !== '')(titled('copies of packets'), () => {
  let kernel: Kernel
  let mirrors: Mirrors
  const open = (): Promise<Mirrors> =>
    Mirrors.open({
      maps: kernel.maps,
      config: kernel.config,
      underlayNetns: undefined,
      vrf: 'under0',
      event: (event) => kernel.events.push(event),
      logger: { ...silentLogger, warn: kernel.warn },
    })
  /** Has what is in the ring handed out; `set` and `remove` come behind it. */
  const program = (set: readonly MirrorObject[] = [], remove: readonly number[] = []) => mirrors.program({ set, remove })
  beforeEach(async () => {
    kernel = new Kernel()
    mirrors = await open()
  })
  afterEach(() => {
    mirrors.close()
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  it('are asked of programs as long as the one that wants most of a port has it, and of no other port', async () => {
    expect(await program([mirror(2, 5, 'both', 60), mirror(1, 5, 'egress', 40), mirror(3, 6, 'ingress')])).toEqual([])
    expect(kernel.asked).toEqual({
      ports: ['5 egress 60', '5 ingress 60', `6 ingress ${WHOLE}`],
      rules: ['1 40', '2 60', `3 ${WHOLE}`],
      ofPorts: 1,
    })
    // Packets go by what stays meanwhile.
    expect(kernel.deleted).toEqual([])
    await program([], [2])
    expect(kernel.deleted.toSorted()).toEqual(['mirrors', 'observed', 'snap_lengths'])
    expect(kernel.asked).toEqual({ ports: ['5 egress 40', `6 ingress ${WHOLE}`], rules: ['1 40', `3 ${WHOLE}`], ofPorts: 1 })
    await program([mirror(3, 6, 'egress', 50)], [1, 3])
    expect(kernel.asked).toEqual({ ports: ['6 egress 50'], rules: ['3 50'], ofPorts: 1 })
    await program([], [3])
    expect([kernel.asked, mirrors.dump(), kernel.isRead]).toEqual([{ ports: [], rules: [], ofPorts: 0 }, [], false])
  })

  it('of a rule alone are read, though no port is asked for', async () => {
    await program([{ id: 4, ports: [], sink: { type: 'stream' } }])
    expect([kernel.asked, kernel.isRead]).toEqual([{ ports: [], rules: [`4 ${WHOLE}`], ofPorts: 0 }, true])
    kernel.copies(9, 'ingress', 4)
    await program()
    expect(kernel.told()).toEqual(['4 9 ingress 0 60'])
  })

  it('go to each mirror of the port and direction, numbered by each, and no longer than it wants', async () => {
    await program([
      mirror(1, 5, 'egress', 40),
      mirror(2, 5, 'both'),
      { ...mirror(3, 5, 'both'), ports: [5, 5].map((port) => ({ port, direction: 'both' })) },
    ])
    kernel.copies(5, 'egress')
    kernel.copies(5, 'ingress', undefined, 50)
    kernel.copies(6, 'egress')
    await program()
    expect(kernel.told()).toEqual(['1 5 egress 0 40', '2 5 egress 0 60', '3 5 egress 0 60', '2 5 ingress 1 50', '3 5 ingress 1 50'])
  })

  it('of a rule go to its mirror, once if that is the port’s too, and to nobody when it is gone', async () => {
    await program([mirror(1, 5, 'egress'), mirror(2, 6, 'egress')])
    kernel.copies(5, 'egress', 2)
    kernel.copies(5, 'egress', 1)
    kernel.copies(5, 'egress', 7)
    await program()
    expect(kernel.told()).toEqual(['2 5 egress 0 60'])
  })

  it('of before a change go by what was asked before it, and numbers begin anew with a mirror', async () => {
    await program([mirror(1, 5, 'egress', 40)])
    kernel.copies(5, 'egress')
    await program([mirror(1, 5, 'egress', 30)])
    kernel.copies(5, 'egress')
    await program([], [1])
    expect(kernel.told()).toEqual(['1 5 egress 0 40', '1 5 egress 1 30'])
    kernel.copies(5, 'egress')
    await program([mirror(1, 5, 'egress')])
    kernel.copies(5, 'egress')
    await program()
    expect(kernel.told()).toEqual(['1 5 egress 0 60'])
  })

  it('are asked for by the next process as by the one before it', async () => {
    mirrors.close()
    for (const one of [mirror(1, 5, 'egress', 40), erspan(2, COLLECTOR)]) kernel.maps.set('mirrors', one.id, encodeMirror(one))
    mirrors = await open()
    expect([kernel.asked.ports, [...kernel.open], kernel.isRead]).toEqual([['2 ingress 20', '5 egress 40'], [String(COLLECTOR)], true])
    mirrors.close()
    expect([[...kernel.open], kernel.isRead]).toEqual([[], false])
  })

  // No dataplane could be opened any more: neither this mirror nor anything else could be taken away.
  it('are taken over without the collector that cannot be reached, which gets them once it can', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    mirrors.close()
    for (const one of [erspan(1, OTHER), erspan(2, COLLECTOR)]) kernel.maps.set('mirrors', one.id, encodeMirror(one))
    mirrors = await open()
    expect(kernel.warn.mock.calls).toEqual([
      ['A collector gets no copies yet', { mirror: 1, reason: expect.stringContaining('unreachable') }],
    ])
    const reached = async (after: number): Promise<string[]> => {
      vi.advanceTimersByTime(after)
      for (const port of [1, 2]) kernel.copies(port, 'ingress')
      await program()
      await new Promise(setImmediate)
      return kernel.sent.splice(0).map((frame) => frame.split(' ')[0])
    }
    expect(await reached(500)).toEqual([String(COLLECTOR)])
    expect(await reached(600)).toEqual([String(COLLECTOR)])
    kernel.isReachable = true
    expect(await reached(900)).toEqual([String(COLLECTOR)])
    // What comes while it is asked for is lost, and asks for it.
    expect(await reached(200)).toEqual([String(COLLECTOR)])
    expect(await reached(0)).toEqual([OTHER, COLLECTOR].map(String))
    await program([], [1])
    expect([...kernel.open]).toEqual([String(COLLECTOR)])
  })

  it('go to a collector by ERSPAN, whose socket is kept as long as a mirror has it', async () => {
    expect(await program([erspan(1, COLLECTOR), erspan(2, COLLECTOR)])).toEqual([])
    kernel.copies(1, 'ingress')
    await program([], [1])
    const sink = { type: 'erspan', local: HERE, remote: COLLECTOR, session: 1 } as const
    const frame = new Uint8Array(MTU)
    const end = writeErspan({ sink, port: 1, direction: 'ingress', sequence: 0, packet: OCTETS.slice(0, 20) }, 'socket', MTU, frame, 0)
    expect(kernel.sent).toEqual([`${COLLECTOR} ${Buffer.from(frame.subarray(0, end)).toString('hex')}`])
    expect([...kernel.open]).toEqual([String(COLLECTOR)])
    await program([], [2])
    expect([[...kernel.open], kernel.told()]).toEqual([[], []])
  })

  // A second one was put over the first, which nobody closed.
  it('go to a collector by one socket, though it was asked for twice at the same time', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    mirrors.close()
    kernel.maps.set('mirrors', 1, encodeMirror(erspan(1, OTHER)))
    mirrors = await open()
    kernel.isReachable = true
    vi.advanceTimersByTime(1100)
    let connect = (): void => undefined
    kernel.connecting = new Promise((resolve) => (connect = resolve))
    kernel.copies(1, 'ingress')
    // The copy has it asked for again, and so does the mirror.
    const programmed = program([erspan(1, OTHER)])
    connect()
    expect(await programmed).toEqual([])
    await new Promise(setImmediate)
    expect(kernel.sockets).toBe(1)
    await program([], [1])
    expect(kernel.sockets).toBe(0)
    expect([...kernel.vrfs]).toEqual(['under0'])
  })

  it('are asked for nobody whom none could be handed to, since nobody can read them', async () => {
    kernel.isReadable = false
    expect(await program([mirror(1, 5, 'egress'), erspan(2, COLLECTOR)])).toMatchObject(
      ['1', '2'].map((key) => ({ object: { kind: 'mirror', key }, code: 'dataplane.kernel', message: expect.stringContaining('EMFILE') })),
    )
    expect([kernel.asked, mirrors.dump(), kernel.isRead, kernel.sockets]).toEqual([{ ports: [], rules: [], ofPorts: 0 }, [], false, 0])
    kernel.isReadable = true
    expect(await program([mirror(1, 5, 'egress')])).toEqual([])
    expect([kernel.asked.ports, kernel.isRead]).toEqual([[`5 egress ${WHOLE}`], true])
  })

  it('are asked for nobody whose collector cannot be reached, and for the rest of the transaction', async () => {
    const failures = await program([erspan(1, OTHER), mirror(2, 6, 'egress')])
    expect(failures).toMatchObject([
      { object: { kind: 'mirror', key: '1' }, code: 'dataplane.kernel', message: expect.stringContaining('unreachable') },
    ])
    expect([kernel.asked.ports, mirrors.dump().map(({ id }) => id)]).toEqual([[`6 egress ${WHOLE}`], [2]])
  })
})
