import type { ForwardingEngine, PacketOut, Verdict } from '@heddle/forwarding'
import { DATAGRAM_DESCRIPTOR, TUN_DESCRIPTOR, type Poller, type UdpBatchSocket } from '@heddle/linux'
import { silentLogger, type Logger } from '@heddle/io'
import { describe, expect, it } from 'vitest'
import { ForwardingLoop } from './forwarding-loop.js'
import { PacketMemory } from './packet-memory.js'
import type { Sink } from './sink.js'
import type { TunPort } from './tun-port.js'

const DROP: Verdict = 0
const DELIVER: Verdict = 1

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
  readonly #packets: [number, number][] = []
  constructor(private readonly memory: PacketMemory) {}
  get waiting(): number {
    return this.#packets.length
  }
  add({ offset, length }: PacketOut): void {
    this.#packets.push([offset, length])
  }
  flush(): void {
    for (const [offset, length] of this.#packets.splice(0)) this.flushed.push([...this.memory.bytes.subarray(offset, offset + length)])
  }
}

function setUp(decide: (bytes: Uint8Array, offset: number, length: number, out: PacketOut) => Verdict, logger: Logger = silentLogger) {
  const poller = new HandPoller()
  const memory = new PacketMemory()
  const sink = new CopySink(memory)
  const counted: string[] = []
  const engine = {
    fromUnderlay: (_encapsulation: string, _source: unknown, bytes: Uint8Array, offset: number, length: number, out: PacketOut) =>
      decide(bytes, offset, length, out),
    fromPort: (_port: number, bytes: Uint8Array, offset: number, length: number, out: PacketOut) => decide(bytes, offset, length, out),
    countDrop: (reason: string) => counted.push(reason),
  } as unknown as ForwardingEngine
  const sinks = { device: (port: number) => (port === 1 ? sink : undefined), underlay: () => undefined }
  return { poller, memory, sink, counted, loop: new ForwardingLoop(poller as unknown as Poller, engine, memory, sinks, logger) }
}

/** A socket that gives each of `messages` once: its octets, and the length of the datagrams in it. */
function socketOf(...messages: { octets: number[]; segment?: number; status?: number }[]): UdpBatchSocket {
  const waiting = [...messages]
  const receiveBatch = (buffer: Uint8Array, _slot: number, headroom: number, descriptors: Uint32Array): number => {
    const message = waiting.shift()
    if (message === undefined) return 0
    buffer.set(message.octets, headroom)
    descriptors[DATAGRAM_DESCRIPTOR.offset] = headroom
    descriptors[DATAGRAM_DESCRIPTOR.length] = message.octets.length
    descriptors[DATAGRAM_DESCRIPTOR.segment] = message.segment ?? 0
    descriptors[DATAGRAM_DESCRIPTOR.status] = message.status ?? 0
    return 1
  }
  return { fd: 9, family: 4, receiveBatch } as unknown as UdpBatchSocket
}

describe('the forwarding loop', () => {
  /** Delivers to port 1 behind four octets written before the packet, as a label is. */
  const push = (bytes: Uint8Array, offset: number, length: number, out: PacketOut): Verdict => {
    bytes.fill(0xee, offset - 4, offset)
    Object.assign(out, { port: 1, offset: offset - 4, length: length + 4 })
    return DELIVER
  }

  it('takes coalesced datagrams apart, and headers of one do not touch another that waits', () => {
    const { poller, loop, sink } = setUp(push)
    const socket = socketOf({ octets: [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3], segment: 5 })
    loop.watchUnderlay({ encapsulation: 'mpls-udp', socket }, () => undefined)
    poller.wake()
    const header = [0xee, 0xee, 0xee, 0xee]
    expect(sink.flushed).toEqual([
      [...header, 1, 1, 1, 1, 1],
      [...header, 2, 2, 2, 2, 2],
      [...header, 3, 3],
    ])
    expect(poller.armed).toBe(1)
  })

  it('counts what a slot cut off, and what leads to a port without a device', () => {
    const { poller, loop, sink, counted } = setUp((_bytes, offset, length, out) => {
      Object.assign(out, { port: 2, offset, length })
      return DELIVER
    })
    loop.watchUnderlay({ encapsulation: 'mpls-udp', socket: socketOf({ octets: [1], status: 90 }) }, () => undefined)
    poller.wake()
    loop.watchUnderlay({ encapsulation: 'mpls-udp', socket: socketOf({ octets: [1] }) }, () => undefined)
    poller.wake()
    expect(counted).toEqual(['outer-malformed', 'port-down'])
    expect(sink.flushed).toEqual([])
  })

  it('goes on behind a fault in one packet’s way, and tells of it', () => {
    const told: string[] = []
    const logger: Logger = { ...silentLogger, error: (message) => void told.push(message) }
    let faults = 1
    const { poller, loop, sink } = setUp((bytes, offset, length, out) => {
      if (faults-- > 0) throw new RangeError('beyond')
      return push(bytes, offset, length, out)
    }, logger)
    const gone: string[] = []
    loop.watchUnderlay({ encapsulation: 'mpls-udp', socket: socketOf({ octets: [1] }, { octets: [2] }) }, (reason) => gone.push(reason))
    poller.wake()
    poller.wake()
    expect({ told, gone, armed: poller.armed }).toEqual({ told: ['A batch was not forwarded whole'], gone: [], armed: 2 })
    expect(sink.flushed).toEqual([[0xee, 0xee, 0xee, 0xee, 2]])
  })

  it('gives a source that never ends a bounded number of batches a wake', () => {
    const { poller, loop } = setUp(() => DROP)
    let batches = 0
    const device = {
      fd: 3,
      readBatch: (_buffer: Uint8Array, _slot: number, _headroom: number, descriptors: Uint32Array) => {
        batches++
        return descriptors.length / TUN_DESCRIPTOR.words
      },
    }
    loop.watchPort({ port: 1, device, facts: { mtu: 1400 }, unusable: () => 0 } as unknown as TunPort, () => undefined)
    poller.wake()
    expect({ batches, armed: poller.armed }).toEqual({ batches: 4, armed: 1 })
  })
})
