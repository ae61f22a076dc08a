import { dropsOf, type DropReason } from '@heddle/core'
import { testPacket, testSegment } from '@heddle/dataplane-conformance'
import { ebpfDataplane, type EbpfDataplane, type EbpfDeviceKind, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { emptyTransaction, POD, siteTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { isKernelSince, missingNetkit } from '../src/probe.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const SCRIPT = fileURLToPath(new URL('support/vnet-frames.py', import.meta.url))
const SITES = ['a', 'b'] as const
const ETHERNET = 14
const NEEDS_CHECKSUM = 1
const [TCP, UDP] = [6, 17]
/** Types of segmentation (`struct virtio_net_hdr`). */
const [GSO_TCPV4, GSO_TCPV6, GSO_UDP] = [1, 4, 5]
/** Least octets before a sum that the kernel takes of whoever sends frames by hand. */
const LEAST_START = 20
/** Of the outer IP, UDP and a label. */
const TUNNEL = 20 + 8 + 4

function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', 'import socket; socket.AF_PACKET'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}
const lack = missing() || (existsSync('/usr/sbin/ethtool') ? '' : 'needs ethtool') || (hasPython() ? '' : 'needs python3')

interface Sent {
  readonly packet: Uint8Array
  /** Offsets in the frame of the checksum that is left to the device, and of the octets that are summed up; none is left without. */
  readonly place?: number
  readonly start?: number
  /** How it is to be cut. */
  readonly kind?: number
  readonly size?: number
}

const isV6 = (packet: Uint8Array): boolean => packet[0] >> 4 === 6
const transportOf = (packet: Uint8Array): number => (isV6(packet) ? 40 : 20)
const protocolOf = (packet: Uint8Array): number => packet[isV6(packet) ? 6 : 9]
/** Offset of the checksum in the frame. */
const rightPlace = (packet: Uint8Array): number => ETHERNET + transportOf(packet) + (protocolOf(packet) === TCP ? 16 : 6)

function sumOf(octets: Uint8Array, begin = 0): number {
  let sum = begin
  for (let at = 0; at < octets.length; at += 2) sum += (octets[at] << 8) + (octets[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}

/** Sum of the pseudo-header, which stands in the place of a checksum that is left to the device. */
function pseudoSum(packet: Uint8Array): number {
  const [from, to] = isV6(packet) ? [8, 40] : [12, 20]
  return sumOf(packet.subarray(from, to), packet.length - transportOf(packet) + protocolOf(packet))
}

/** Source and destination. */
function addressesOf(packet: Uint8Array): string[] {
  const size = isV6(packet) ? 16 : 4
  const at = isV6(packet) ? 8 : 12
  return [at, at + size].map((begin) => IpAddress.fromBytes(packet.slice(begin, begin + size)).toString())
}

/** Whether the transport checksum is right. */
const addsUp = (packet: Uint8Array): boolean => sumOf(packet.subarray(transportOf(packet)), pseudoSum(packet)) === 0xffff

/** Programs see frames of the one on their way in and those of the other on their way out, when the kernel has found other headers in them. */
for (const devices of ['veth', 'netkit'] as const) {
  // What the kernel knows of a checksum is read in its own packet, or asked for.
  for (const without of [[], ['kernel-packet']] as const) {
    const lacks = lack !== '' || devices === 'veth' || missingNetkit() === '' ? lack : `needs ${missingNetkit()}`
    const title = `checksums that a pod leaves to the device, by ${[devices, ...without].join(' without ')}`
    describe.skipIf(lacks !== '')(titled(title, lacks), () => judge(devices, without))
  }
}

function judge(devices: EbpfDeviceKind, without: readonly EbpfFeatureName[]): void {
  let sites: TwoEbpfSites
  let capture: Capture
  const routers = {} as Record<Site, EbpfDataplane>
  let port = 10_000
  let generation = 2

  beforeAll(async () => {
    sites = new TwoEbpfSites(`sums-${devices}`)
    for (const site of SITES) {
      const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
      const underlayNetns = sites.path(sites.short('site', site))
      routers[site] = await ebpfDataplane({
        addresses,
        uplink: 'up0',
        underlayNetns,
        devices,
        without,
        fibBlocks: 2048,
        routes: 4096,
        flows: 1024,
      })
      await sites.setUp(routers[site], site, 1, 4, 'mpls-udp')
      // The uplink has what was left to it done before frames leave.
      sites.in(sites.short('site', site), ...'ethtool -K up0 tx off gso off tso off gro off'.split(' '))
    }
    // Neighbours of the underlay are known.
    execFileSync('ip', ['netns', 'exec', sites.name(sites.short('site', 'a')), 'ping', '-c', '1', UNDERLAY.b[0]], { stdio: 'pipe' })
    capture = await Capture.open(sites.path(sites.short('site', 'b')), 'up0')
  })
  beforeEach(() => {
    capture.take()
  })
  afterAll(async () => {
    capture?.[Symbol.dispose]()
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  /** A packet of a flow that nobody knows. */
  function fresh(family: 4 | 6, protocol: number, size = 64, destination: string = POD.b[family === 4 ? 0 : 1]): Uint8Array {
    const source = POD.a[family === 4 ? 0 : 1]
    const ends = { source, destination, size, sourcePort: port++, destinationPort: 9000 }
    return Uint8Array.from(protocol === TCP ? testSegment({ ...ends, options: [], flags: 0x10 }) : testPacket(ends))
  }

  /** Sends frames by hand, all of which the kernel takes, unless it may be that it does not; how many were dropped for the reason, and what left of this flow. */
  async function send(
    frames: readonly Sent[],
    reason: DropReason = 'inner-malformed',
    mayRefuse = false,
  ): Promise<{ readonly taken: number; readonly refused: number; readonly left: Uint8Array[] }> {
    const lines = frames.map(({ packet, place, start = place === undefined ? 0 : ETHERNET + transportOf(packet), kind = 0, size = 0 }) => {
      const frame = Uint8Array.of(...new Uint8Array(12), ...(isV6(packet) ? [0x86, 0xdd] : [8, 0]), ...packet)
      if (place !== undefined && place === rightPlace(packet)) new DataView(frame.buffer).setUint16(place, pseudoSum(packet))
      const headers = ETHERNET + transportOf(packet) + (protocolOf(packet) === TCP ? 20 : 8)
      const words = [
        place === undefined ? 0 : NEEDS_CHECKSUM,
        kind,
        size,
        kind ? headers : 0,
        start,
        place === undefined ? 0 : place - start,
      ]
      return [...words, Buffer.from(frame).toString('hex')].join(' ')
    })
    const before = dropsOf(await routers.a.counters(), reason)
    const argv = ['netns', 'exec', sites.name(sites.short('red', 'a')), 'python3', SCRIPT]
    const taken = Number(execFileSync('ip', argv, { input: `${lines.join('\n')}\n`, encoding: 'utf8' }))
    if (!mayRefuse) expect(taken).toBe(frames.length)
    let refused = 0
    const left: Uint8Array[] = []
    const isOurs = (packet: Uint8Array): boolean => packet[9] === UDP && packet[22] === 6635 >> 8 && packet[23] === (6635 & 0xff)
    await expect
      .poll(
        async () => {
          left.push(...capture.take().filter(isOurs))
          refused = dropsOf(await routers.a.counters(), reason) - before
          return left.length + refused
        },
        { timeout: 5000 * PACE, interval: 20 },
      )
      .toBeGreaterThanOrEqual(taken)
    return { taken, refused, left: left.map((packet) => packet.subarray(TUNNEL)) }
  }

  /** Packets as they are but for TTL and what its change makes of the header's checksum, and the checksum of transport. */
  function known(packet: Uint8Array): string {
    const copy = Uint8Array.from(packet)
    if (isV6(copy)) copy[7] = 0
    else copy.fill(0, 8, 9).fill(0, 10, 12)
    copy.fill(0, rightPlace(copy) - ETHERNET, rightPlace(copy) - ETHERNET + 2)
    return Buffer.from(copy).toString('hex')
  }

  const ways = [4, 6].flatMap((family) =>
    [TCP, UDP].map((protocol) => [family as 4 | 6, protocol === TCP ? 'TCP' : 'UDP', protocol] as const),
  )

  it.each(ways)('are written where they belong, of IPv%i and %s', async (family, _, protocol) => {
    const packet = fresh(family, protocol)
    const { refused, left } = await send(Array.from({ length: 5 }, () => ({ packet, place: rightPlace(packet) })))
    expect(refused).toBe(0)
    expect(left.map(known)).toEqual(Array.from({ length: 5 }, () => known(packet)))
    expect(left.map(addsUp)).toEqual([true, true, true, true, true])
  })

  it.each(ways)('are written nowhere before that, of IPv%i and %s, whether the flow is known or not', async (family, _, protocol) => {
    const last = rightPlace(fresh(family, protocol))
    const places = Array.from({ length: last - LEAST_START }, (_, index) => LEAST_START + index)
    const flow = fresh(family, protocol)
    const right = { packet: flow, place: last }
    // One packet of a flow that nobody knows, and one between two of a flow that is known.
    const frames = places.flatMap((place) => [fresh(family, protocol), flow].map((packet) => ({ packet, place, start: LEAST_START })))
    const { refused, left } = await send([right, right, ...frames.flatMap((frame) => [frame, right])])
    expect(refused).toBe(frames.length)
    expect(left.map(known)).toEqual([right, right, ...frames].map(() => known(flow)))
  })

  it.each(ways)('may lie further behind, of IPv%i and %s: a pod tunnels by itself', async (family, _, protocol) => {
    const packet = fresh(family, protocol)
    const { refused, left } = await send(Array.from({ length: 3 }, () => ({ packet, place: rightPlace(packet) + 20 })))
    expect([refused, left.length]).toEqual([0, 3])
    // Nothing that was judged has changed.
    const headers = transportOf(packet) + 4
    expect(left.map((one) => known(one).slice(0, headers * 2))).toEqual(left.map(() => known(packet).slice(0, headers * 2)))
  })

  it.each([4, 6] as const)('are nobody’s of ICMP, in IPv%i', async (family) => {
    const packet = fresh(family, UDP)
    packet[family === 4 ? 9 : 6] = family === 4 ? 1 : 58
    if (family === 4) new DataView(packet.buffer).setUint16(10, 0)
    if (family === 4) new DataView(packet.buffer).setUint16(10, 0xffff - sumOf(packet.subarray(0, 20)))
    packet[transportOf(packet)] = family === 4 ? 8 : 128
    for (const place of [0, 2, 4, 8]) {
      const { refused, left } = await send([{ packet, place: ETHERNET + transportOf(packet) + place }])
      expect([place, refused, left.length]).toEqual([place, 1, 0])
    }
    expect(await send([{ packet }])).toMatchObject({ refused: 0 })
  })

  // Most kernels shorten no frame by what they are to sum up: a rate was charged with what the header of the packet says, and all of the frame was sent.
  it.each([4, 6] as const)('are charged to a rate as far behind the packet as they are, of IPv%i', async (family) => {
    const begun = siteTransaction('a', 1, 4)
    const limits = { egress: { bitsPerSecond: 800, burstOctets: 2000 } }
    const limited = begun.ports.set.map((each) => ({ ...each, rateLimits: limits }))
    expect(await routers.a.apply({ ...emptyTransaction(generation++), ports: { set: limited, remove: [] } })).toMatchObject({
      failures: [],
    })
    const shorts = Array.from({ length: 5 }, () => fresh(family, UDP, 8))
    const packets = shorts.map((short) => Uint8Array.of(...short, ...new Uint8Array(1400 - short.length)))
    const place = ETHERNET + 1400 - 2
    try {
      const { refused, left } = await send(
        packets.map((packet) => ({ packet, place })),
        'egress-rate',
      )
      // The last ones cut it off, and then it counts for nothing.
      const isCut = left.every(({ length }) => length === shorts[0].length)
      expect([refused, left.length]).toEqual(isCut ? [0, 5] : [3, 2])
      // What can be cut off is, and counts for nothing.
      await routers.a.apply({ ...emptyTransaction(generation++), ports: begun.ports })
      await routers.a.apply({ ...emptyTransaction(generation++), ports: { set: limited, remove: [] } })
      expect(
        await send(
          packets.map((packet) => ({ packet })),
          'egress-rate',
        ),
      ).toMatchObject({ refused: 0 })
    } finally {
      await routers.a.apply({ ...emptyTransaction(generation++), ports: begun.ports })
    }
  })

  it.each(ways)(
    'begin with the addresses, and are no sum of ports, which a service replaces as well: IPv%i and %s',
    async (family, _, protocol) => {
      const [address, backend] = [family === 4 ? '10.96.0.1' : 'fd96::1', POD.b[family === 4 ? 0 : 1]]
      const services = {
        set: [
          {
            id: 1,
            vrf: 0,
            address: IpAddress.parse(address),
            protocol: protocol === TCP ? ('tcp' as const) : ('udp' as const),
            port: 9000,
            seed: 1,
            backends: [{ address: IpAddress.parse(backend), port: 7000, weight: 1 }],
          },
        ],
        remove: [],
      }
      expect(await routers.a.apply({ ...emptyTransaction(generation++), services })).toMatchObject({ failures: [] })
      try {
        const packet = fresh(family, protocol, 64, address)
        for (const sum of [{ place: rightPlace(packet) }, {}]) {
          const { refused, left } = await send(Array.from({ length: 4 }, () => ({ packet, ...sum })))
          expect([refused, left.map(addsUp)]).toEqual([0, [true, true, true, true]])
          const ends = left.map((one) => [addressesOf(one)[1], new DataView(one.buffer, one.byteOffset).getUint16(transportOf(one) + 2)])
          expect(ends).toEqual(left.map(() => [backend, 7000]))
        }
      } finally {
        await routers.a.apply({ ...emptyTransaction(generation++), services: { set: [], remove: [1] } })
      }
    },
  )

  for (const [name, family, protocol, kind] of [
    ['TCP over IPv4', 4, TCP, GSO_TCPV4],
    ['TCP over IPv6', 6, TCP, GSO_TCPV6],
    ['UDP over IPv4', 4, UDP, GSO_UDP],
    ['UDP over IPv6', 6, UDP, GSO_UDP],
  ] as const) {
    const older = kind !== GSO_UDP || isKernelSince(6, 2) ? '' : 'needs Linux 6.2 for whoever sends by hand'
    it.skipIf(older !== '')(
      titled(`of what is still to be cut are written where they belong, or it is dropped: ${name}`, older),
      async () => {
        const packet = fresh(family, protocol, 3000)
        const place = rightPlace(packet)
        const cut = { packet, kind, size: 1000 }
        for (let times = 0; times < 3; times++) {
          const { refused, left } = await send([{ ...cut, place }])
          expect(refused).toBe(0)
          await expect
            .poll(() => left.push(...capture.take().map((one) => one.subarray(TUNNEL))), { timeout: 5000 * PACE })
            .toBeGreaterThanOrEqual(3)
          expect(left.map(addsUp)).toEqual([true, true, true])
        }
        // Some kernels take no other place from whoever sends by hand.
        const wrong = { ...cut, place: place - 4, start: ETHERNET + transportOf(packet) - 4 }
        const { taken, refused, left } = await send([wrong], 'inner-malformed', true)
        expect([refused, left.length]).toEqual([taken, 0])
      },
    )
  }
}
