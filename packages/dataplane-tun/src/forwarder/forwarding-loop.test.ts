import type { ForwardingEngine, PacketOut, Verdict } from '@heddle/forwarding'
import { silentLogger, type Logger } from '@heddle/io'
import { DATAGRAM_DESCRIPTOR, LinuxError, TUN_DESCRIPTOR, nativeAvailability, type Poller, type UdpBatchSocket } from '@heddle/linux'
import { describe, expect, it } from 'vitest'
import { ForwardingLoop } from './forwarding-loop.js'
import { PacketMemory } from './packet-memory.js'
import type { Sink, Train } from './sink.js'
import type { TunPort } from './tun-port.js'
import { watch } from './watching.js'

const DELIVER: Verdict = 1
/** Trains are split by native code. */
const splits = nativeAvailability()
const because = splits.available ? '' : ` (skipped: ${splits.reason})`

/** A poller that the test wakes by hand. */
class HandPoller {
  wake: () => void = () => undefined
  armed = 0
  watch(_fd: number, _interest: number, ready: () => void) {
    this.wake = ready
    return { rearm: () => void this.armed++, close: () => undefined }
  }
}

/** A sink that keeps copies of what it was given, as it is when it is flushed. */
class CopySink implements Sink {
  readonly flushed: number[][] = []
  readonly trains: Train[] = []
  readonly #packets: [number, number][] = []
  constructor(private readonly memory: PacketMemory) {}
  get waiting(): number {
    return this.#packets.length
  }
  add({ offset, length }: PacketOut, train: Readonly<Train>): void {
    this.#packets.push([offset, length])
    this.trains.push({ ...train })
  }
  flush(): void {
    for (const [offset, length] of this.#packets.splice(0)) this.flushed.push([...this.memory.bytes.subarray(offset, offset + length)])
  }
}

type Decide = (bytes: Uint8Array, offset: number, length: number, out: PacketOut, segment: number) => Verdict

function setUp(decide: Decide) {
  const memory = new PacketMemory()
  const sink = new CopySink(memory)
  const counted: string[] = []
  const engine = {
    isObserved: false,
    hasCopies: false,
    fromUnderlay: (_by: string, _source: unknown, bytes: Uint8Array, offset: number, length: number, out: PacketOut, segment: number) =>
      decide(bytes, offset, length, out, segment),
    fromPort: (_port: number, bytes: Uint8Array, offset: number, length: number, out: PacketOut, segment = length) =>
      decide(bytes, offset, length, out, segment),
    fromLink: (_port: number, bytes: Uint8Array, offset: number, length: number, out: PacketOut, segment = length) =>
      decide(bytes, offset, length, out, segment),
    countDrop: (reason: string) => counted.push(reason),
  }
  const sinks = { device: (port: number) => (port === 1 ? sink : undefined), underlay: () => undefined }
  return { memory, sink, counted, engine, loop: new ForwardingLoop(engine as unknown as ForwardingEngine, memory, sinks) }
}

/** A socket that gives one message: an octet, or as `words` say. */
function socketOf(words: Partial<Record<keyof typeof DATAGRAM_DESCRIPTOR, number>>): UdpBatchSocket {
  const receivePackets = (
    buffer: Uint8Array,
    _room: number,
    _slot: number,
    headroom: number,
    _by: string,
    descriptors: Uint32Array,
  ): number => {
    buffer[headroom] = 1
    const all = { offset: headroom, length: 1, status: 0, ...words }
    for (const [word, value] of Object.entries(all)) descriptors[DATAGRAM_DESCRIPTOR[word as keyof typeof DATAGRAM_DESCRIPTOR]] = value
    return 1
  }
  return { fd: 9, family: 4, receivePackets, hasWaiting: false } as unknown as UdpBatchSocket
}

/** A device that gives one packet. @param link octets of the link's header before IP */
function portOf(octets: readonly number[], words: Partial<Record<keyof typeof TUN_DESCRIPTOR, number>> = {}, link = 0): TunPort {
  const readBatch = (buffer: Uint8Array, headroom: number, descriptors: Uint32Array): number => {
    buffer.set(octets, headroom)
    const all = { offset: headroom, length: octets.length, ...words }
    for (const [word, value] of Object.entries(all)) descriptors[TUN_DESCRIPTOR[word as keyof typeof TUN_DESCRIPTOR]] = value
    return 1
  }
  return { port: 1, link, device: { fd: 3, readBatch }, unusable: () => 0 } as unknown as TunPort
}

/** IPv4 headers with TCP, and 250 octets of payload. */
function segment(flags: number): number[] {
  const octets = Array.from({ length: 290 }, (_, at) => at & 0xff)
  octets.splice(0, 20, 0x45, 0, 1, 0x22, 0, 0, flags, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
  octets[32] = 0x50
  return octets
}

describe('the forwarding loop', () => {
  /** Delivers to port 1 what it was given. */
  const pass: Decide = (_bytes, offset, length, out, first) => {
    Object.assign(out, { port: 1, offset, length, segment: first })
    return DELIVER
  }

  it.skipIf(!splits.available)(`has the link's header before every packet of a train${because}`, () => {
    const decided: number[][] = []
    const { loop, sink, engine } = setUp((bytes, offset, length, out, first) => {
      decided.push([length, first])
      return pass(bytes, offset, length, out, first)
    })
    const header = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]
    const words = { headers: 40, size: 100, stride: 100 }
    loop.fromPort(portOf([...header, ...segment(0x40)], words, header.length))
    expect(decided.splice(0)).toEqual([[304, 154]])
    expect(sink.trains.at(-1)).toEqual({ ip: 192 + 14, ...words })
    // What may be fragmented, and what someone looks at, is decided packet by packet.
    for (const isObserved of [false, true]) {
      engine.isObserved = isObserved
      sink.flushed.length = 0
      loop.fromPort(portOf([...header, ...segment(isObserved ? 0x40 : 0)], words, header.length))
      expect(decided.splice(0)).toEqual([
        [154, 154],
        [154, 154],
        [104, 104],
      ])
      for (const frame of sink.flushed) expect(frame.slice(0, 15)).toEqual([...header, 0x45])
    }
  })

  it('decides about a train once, by the size of its first packet', () => {
    const decided: number[][] = []
    const { loop, sink } = setUp((bytes, offset, length, out, first) => {
      decided.push([length, first])
      return pass(bytes, offset, length, out, first)
    })
    loop.fromPort(portOf(segment(0x40), { headers: 40, size: 100, stride: 100 }))
    expect(decided).toEqual([[290, 140]])
    expect(sink.trains).toEqual([{ ip: 192, headers: 40, size: 100, stride: 100 }])
    const words = { offset: 500, length: 294, inner: 4, headers: 40, size: 100, stride: 144 }
    loop.fromUnderlay({ encapsulation: 'mpls-udp', socket: socketOf(words) })
    expect(decided[1]).toEqual([294, 144])
    expect(sink.trains[1]).toEqual({ ip: 504, headers: 40, size: 100, stride: 144 })
  })

  it.skipIf(!splits.available)(`decides packet by packet what may be fragmented, and what someone looks at${because}`, () => {
    for (const [flags, isObserved] of [
      [0, false],
      [0x40, true],
    ] as const) {
      const { loop, sink, engine } = setUp(pass)
      engine.isObserved = isObserved
      loop.fromPort(portOf(segment(flags), { headers: 40, size: 100, stride: 100 }))
      expect(sink.flushed.map((packet) => packet.length)).toEqual([140, 140, 90])
      expect(sink.flushed.flatMap((packet) => packet.slice(40))).toEqual(segment(0).slice(40))
      expect(sink.trains.every(({ headers }) => headers === 0)).toBe(true)
    }
  })

  it('sends what the engine made of a train itself as a packet of its own', () => {
    const { loop, sink } = setUp((_bytes, offset, _length, out) => {
      Object.assign(out, { port: 1, offset, length: 56, segment: 56 })
      return DELIVER
    })
    loop.fromPort(portOf(segment(0x40), { headers: 40, size: 100, stride: 100 }))
    expect(sink.trains).toEqual([{ ip: 0, headers: 0, size: 0, stride: 0 }])
  })

  it('counts what a slot cut off, and what leads to a port without a device', () => {
    const { loop, sink, counted } = setUp((_bytes, offset, length, out) => {
      Object.assign(out, { port: 2, offset, length, segment: length })
      return DELIVER
    })
    loop.fromUnderlay({ encapsulation: 'mpls-udp', socket: socketOf({ status: 90 }) })
    loop.fromUnderlay({ encapsulation: 'mpls-udp', socket: socketOf({}) })
    expect(counted).toEqual(['outer-malformed', 'port-down'])
    expect(sink.flushed).toEqual([])
  })
})

describe('watching', () => {
  function watched(turn: () => boolean, logger: Logger = silentLogger) {
    const poller = new HandPoller()
    const seen = { flushes: 0, gone: [] as string[] }
    const source = { fd: 3, turn, flush: () => void seen.flushes++, gone: (reason: string) => void seen.gone.push(reason) }
    watch(poller as unknown as Poller, source, logger)
    return { poller, seen }
  }

  it('goes on behind a fault in one packet’s way, and tells of it', () => {
    const told: string[] = []
    let faults = 1
    const turn = (): boolean => {
      if (faults-- > 0) throw new RangeError('beyond')
      return false
    }
    const { poller, seen } = watched(turn, { ...silentLogger, error: (message) => void told.push(message) })
    poller.wake()
    poller.wake()
    expect({ told, ...seen, armed: poller.armed }).toEqual({ told: ['A batch was not forwarded whole'], flushes: 1, gone: [], armed: 2 })
  })

  it('ends with what it watches', () => {
    const { poller, seen } = watched(() => {
      throw new LinuxError('EBADFD', 77, 'read', 'the device is gone')
    })
    poller.wake()
    expect(seen.gone).toHaveLength(1)
    expect(poller.armed).toBe(0)
  })

  it('gives a source that never ends a bounded number of batches a wake', () => {
    let batches = 0
    const { poller } = watched(() => batches++ < 1000)
    poller.wake()
    expect({ batches, armed: poller.armed }).toEqual({ batches: 4, armed: 1 })
  })
})
