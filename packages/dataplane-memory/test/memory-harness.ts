import type { Dataplane, DataplaneFeature } from '@heddle/core'
import type { BfdDatagram, Harness, HarnessFactory, Output, SentPacket, UnderlayInput } from '@heddle/dataplane-conformance'
import { nodeClock, nodeRandom } from '@heddle/io/node'
import { ManualClock } from '@heddle/io/testing'
import { IpAddress } from '@heddle/wire'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryDataplane, memoryUnderlay, type MemoryDataplane, type UnderlayFrame } from '../src/index.js'

const LOCAL = { 4: IpAddress.parse('192.0.2.1'), 6: IpAddress.parse('2001:db8::1') }
const PEERS = {
  4: ['192.0.2.2', '192.0.2.3', '192.0.2.4'].map((text) => IpAddress.parse(text)),
  6: ['2001:db8::2', '2001:db8::3', '2001:db8::4'].map((text) => IpAddress.parse(text)),
}
const BFD_PORTS = { single: 3784, multiple: 4784 } as const
const UDP_PORTS = { 'mpls-udp': 6635, vxlan: 4789 } as const

export interface MemoryHarnessOptions {
  /** Underlay families, the preferred one first. */
  readonly families?: readonly (4 | 6)[]
  /** What the dataplane offers; all when left out. */
  readonly features?: readonly DataplaneFeature[]
  /** Whether it has a clock, which stands still but for `advance`; and with it rates. */
  readonly hasClock?: boolean
  /** Puts something around the dataplane that the suite is to judge. */
  readonly wrap?: (dataplane: MemoryDataplane) => Dataplane
}

/** Harnesses whose underlay is in memory and whose other routers are receivers on it. */
export function memoryHarness({
  families = [4, 6],
  features,
  hasClock = false,
  wrap = (dataplane) => dataplane,
}: MemoryHarnessOptions = {}): HarnessFactory {
  return async (): Promise<Harness> => {
    const underlay = memoryUnderlay({ mtu: 1500 })
    const clock = new ManualClock()
    const memory = memoryDataplane({
      underlay,
      ...(hasClock && { clock }),
      addresses: families.map((family) => LOCAL[family]),
      liveness: { clock: nodeClock, random: nodeRandom },
      ...(features && { features }),
    })
    const outputs: Output[] = []
    const sessions: BfdDatagram[] = []
    for (const peer of families.flatMap((family) => PEERS[family])) {
      underlay.attach(peer, (frame) => {
        const bfd = bfdOf(frame)
        if (bfd === undefined) outputs.push(sentPacket(frame))
        else sessions.push(bfd)
      })
    }
    // What is lost on a path was sent.
    underlay.observe((frame, fate) => {
      if (fate === 'too-big') outputs.push(sentPacket(frame))
    })
    return {
      dataplane: wrap(memory),
      features: new Set([
        'udp-port',
        'takes-all',
        'any-source',
        'outer-header',
        'outer-traffic-class',
        'short-frames',
        'bfd',
        'path-mtu',
        ...(hasClock ? (['clock'] as const) : []),
      ]),
      ...(hasClock && { advance: (milliseconds) => clock.advance(milliseconds) }),
      local: (family) => LOCAL[family],
      peers: (family) => PEERS[family],
      underlayMtu: underlay.mtu,
      narrow: async (peer, mtu) => underlay.narrow(peer, mtu),
      deviceFor: (port, addresses, mtu) => ({ ifname: `eth${port}`, addresses, mtu }),
      inject: async (port, packet) => memory.endpoint(port).send(packet),
      receive: async (input) => underlay.transmit(frameOf(input)),
      bfd: {
        send: async (datagram) => underlay.transmit(frameOfBfd(datagram)),
        take: async () => {
          await sleep(2)
          return sessions.splice(0)
        },
      },
      outputs: async () => {
        const { devices } = await memory.dump()
        for (const { port } of devices) {
          const { received } = memory.endpoint(port)
          for (const packet of received.splice(0)) outputs.push({ type: 'delivered', port, packet })
        }
        return outputs.splice(0)
      },
      close: () => memory.close(),
    }
  }
}

/** The frame that carries `input`, its outer headers written by hand. */
function frameOf({ encapsulation, source, packet, udpPort, trafficClass = 0 }: UnderlayInput): UnderlayFrame {
  const destination = LOCAL[source.family]
  if (encapsulation === 'mpls') return { payload: 'mpls', source, destination, bytes: packet }
  const isGre = encapsulation === 'mpls-gre'
  const port = udpPort ?? (isGre ? 0 : UDP_PORTS[encapsulation])
  return ipFrame({ source, destination, packet, trafficClass, isGre, port, ttl: 64 })
}

interface IpFrame {
  readonly source: IpAddress
  readonly destination: IpAddress
  readonly packet: Uint8Array
  readonly trafficClass: number
  /** Otherwise it is UDP, to `port`. */
  readonly isGre: boolean
  readonly port: number
  readonly ttl: number
}

function ipFrame({ source, destination, packet, trafficClass, isGre, port, ttl }: IpFrame): UnderlayFrame {
  const udp = isGre ? [] : [0xc0, 0x01, port >> 8, port & 255, (packet.length + 8) >> 8, (packet.length + 8) & 255, 0, 0]
  const payload = [...udp, ...packet]
  const protocol = isGre ? 47 : 17
  const addresses = [...source.toBytes(), ...destination.toBytes()]
  if (source.family === 6) {
    const header = [0x60 | (trafficClass >> 4), (trafficClass & 15) << 4, 0, 0, payload.length >> 8, payload.length & 255, protocol, ttl]
    return { payload: 'ip', source, destination, bytes: Uint8Array.from([...header, ...addresses, ...payload]) }
  }
  const total = 20 + payload.length
  const header = [0x45, trafficClass, total >> 8, total & 255, 0, 0, 0x40, 0, ttl, protocol, 0, 0, ...addresses]
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += header[at] * 256 + header[at + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  header[10] = (0xffff - sum) >> 8
  header[11] = (0xffff - sum) & 255
  return { payload: 'ip', source, destination, bytes: Uint8Array.from([...header, ...payload]) }
}

function frameOfBfd({ peer, hops, ttl, packet }: BfdDatagram): UnderlayFrame {
  const destination = LOCAL[peer.family]
  return ipFrame({ source: peer, destination, packet, trafficClass: 0, isGre: false, port: BFD_PORTS[hops], ttl })
}

/** The BFD packet in a frame, if it is one. */
function bfdOf({ destination, bytes }: UnderlayFrame): BfdDatagram | undefined {
  const isV4 = bytes[0] >> 4 === 4
  const [protocolAt, ttlAt, udp] = isV4 ? [9, 8, 20] : [6, 7, 40]
  if (bytes[protocolAt] !== 17) return undefined
  const port = bytes[udp + 2] * 256 + bytes[udp + 3]
  const hops = (['single', 'multiple'] as const).find((one) => BFD_PORTS[one] === port)
  return hops && { peer: destination, hops, ttl: bytes[ttlAt], packet: bytes.slice(udp + 8) }
}

/** Takes the outer headers of a frame off again. */
function sentPacket({ payload, source, destination, bytes }: UnderlayFrame): SentPacket {
  const common = { type: 'sent', source, destination } as const
  if (payload === 'mpls') return { ...common, encapsulation: 'mpls', packet: bytes }
  const isV4 = bytes[0] >> 4 === 4
  const headerLength = isV4 ? 20 : 40
  const outer = {
    ttl: bytes[isV4 ? 8 : 7],
    trafficClass: isV4 ? bytes[1] : ((bytes[0] & 15) << 4) | (bytes[1] >> 4),
  }
  if (bytes[isV4 ? 9 : 6] === 47) return { ...common, ...outer, encapsulation: 'mpls-gre', packet: bytes.subarray(headerLength) }
  const udp = bytes.subarray(headerLength)
  return {
    ...common,
    ...outer,
    encapsulation: udp[2] * 256 + udp[3] === 4789 ? 'vxlan' : 'mpls-udp',
    sourcePort: udp[0] * 256 + udp[1],
    packet: udp.subarray(8),
  }
}
