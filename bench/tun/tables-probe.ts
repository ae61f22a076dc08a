// One measurement in a process of its own, so that memory is nobody else's: `node --expose-gc tables-probe.ts PROBE`; prints its figures as JSON.
import { RouteBatch, type FibTransaction } from '@heddle/core'
import { ForwardingEngine, HEADROOM, PacketOut, SEND, probePacket } from '@heddle/forwarding'
import { IpAddress, IpPrefix } from '@heddle/wire'

const LIMITS = {
  vrfs: 16_384,
  ports: 4096,
  nextHops: 1024,
  groups: 1024,
  groupMembers: 8,
  labels: 1024,
  vnis: 8,
  routes: 4_194_304,
  labelStackDepth: 8,
  policies: 1024,
  policyRules: 64,
  flows: 131_072,
}
const NONE = { set: [], remove: [] }
const OCTETS = 64
const MILLION = 1_000_000
const TTL = 64

const probes: Readonly<Record<string, () => Record<string, number>>> = {
  'encap-10k': () => ({ nanoseconds: encapTime(denseRoutes(10_000), 0) }),
  'encap-1m': () => ({ nanoseconds: encapTime(randomRoutes(MILLION), 0xff) }),
  'routes-dense': () => program(denseRoutes(MILLION)),
  'routes-random': () => program(randomRoutes(MILLION)),
  vrfs,
  flows,
}

/** A reproducible sequence of 32-bit numbers. */
function sequence(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x9e3779b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }
}

/** Routes of distinct /24 to /32, spread over all unicast addresses. */
function randomRoutes(count: number): RouteBatch {
  const next = sequence(7)
  const [routes, seen] = [new RouteBatch(count), new Set<number>()]
  while (routes.count < count) {
    const address = (0x0100_0000 + (next() % 0x7d00_0000)) & 0xffff_ff00
    if (address >>> 24 === 127 || seen.has(address)) continue
    seen.add(address)
    routes.pushWords(1, 4, address >>> 0, 0, 0, 0, 24, 1 + (routes.count & 63))
  }
  return routes
}

/** Host routes that follow each other, as a VRF with many endpoints has them. */
function denseRoutes(count: number): RouteBatch {
  const routes = new RouteBatch(count)
  for (let host = 0; host < count; host++) routes.pushWords(1, 4, 0x0a00_0000 + host, 0, 0, 0, 32, 1 + (host & 63))
  return routes
}

function transaction(generation: number, vrfs: number, routes: RouteBatch): FibTransaction {
  const ids = Array.from({ length: 64 }, (_, index) => index + 1)
  return {
    generation,
    vrfs: { set: Array.from({ length: vrfs }, (_, index) => ({ id: index + 1, name: `v${index + 1}` })), remove: [] },
    ports: {
      set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [IpPrefix.parse('172.16.0.1/32')], gateways: [], mtu: 1468 }],
      remove: [],
    },
    nextHops: {
      set: ids.map((id) => ({
        id,
        action: {
          type: 'tunnel' as const,
          encapsulation: 'mpls-udp' as const,
          local: IpAddress.parse('192.0.2.1'),
          remote: IpAddress.v4(0xc000_0200 + 100 + id),
          labels: [1000 + id],
          ttlModel: 'pipe' as const,
          trafficClassModel: 'pipe' as const,
        },
      })),
      remove: [],
    },
    groups: { set: ids.map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })), remove: [] },
    tunnelSources: NONE,
    labels: NONE,
    vnis: NONE,
    routes,
  }
}

function programmed(
  generation: number,
  count: number,
  routes: RouteBatch,
  engine = new ForwardingEngine({ limits: LIMITS }),
): ForwardingEngine {
  const report = engine.apply(transaction(generation, count, routes))
  if (report.status !== 'applied') throw new Error(JSON.stringify(report.failures.slice(0, 3)))
  return engine
}

/**
 * Nanoseconds a packet of 64 octets from parsing to its MPLS header, in batches of 64 as the forwarder has them; each goes to another random
 * destination. Writing that into the packet is counted in.
 */
function encapTime(routes: RouteBatch, hosts: number): number {
  const engine = programmed(1, 1, routes)
  const [batch, slot, count] = [64, 320, 1 << 19]
  const next = sequence(11)
  const [destinations, checksums] = [new Uint32Array(count), new Uint16Array(count)]
  const source = IpAddress.parse('172.16.0.1')
  for (let index = 0; index < count; index++) {
    const address = IpAddress.v4((routes.address[(next() % routes.count) * 4] + (next() & hosts)) >>> 0)
    destinations[index] = address.w0
    const packet = index < 1 ? probePacket({ source, destination: address, length: OCTETS }) : undefined
    checksums[index] = packet === undefined ? headerChecksum(address.w0) : (packet[10] << 8) | packet[11]
    if (packet !== undefined && checksums[0] !== headerChecksum(address.w0)) throw new Error('the header is not as expected')
  }
  const buffer = new Uint8Array(batch * slot)
  const view = new DataView(buffer.buffer)
  const sample = probePacket({ source, destination: IpAddress.parse('10.0.0.1'), length: OCTETS })
  for (let at = HEADROOM; at < buffer.length; at += slot) buffer.set(sample.subarray(0, OCTETS), at)
  const out = new PacketOut()
  const pass = (): number => {
    const begin = busy()
    for (let index = 0; index < count;) {
      for (let at = HEADROOM; at < buffer.length; at += slot) {
        buffer[at + 8] = TTL
        view.setUint16(at + 10, checksums[index])
        view.setUint32(at + 16, destinations[index++])
        if (engine.fromPort(1, buffer, at, OCTETS, out) !== SEND) throw new Error(`a packet was not sent: reason ${out.reason}`)
      }
    }
    return busy() - begin
  }
  for (let warm = 0; warm < 3; warm++) pass()
  const times = Array.from({ length: 7 }, pass).sort((a, b) => a - b)
  return (times[times.length >> 1] / count) * 1e6
}

/** Of the header that `probePacket` writes, for another destination. */
function headerChecksum(destination: number): number {
  const words = [0x4500, OCTETS, 0, 0x4000, (TTL << 8) | 17, 0xac10, 0x0001, destination >>> 16, destination & 0xffff]
  let sum = words.reduce((total, word) => total + word, 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function program(routes: RouteBatch): Record<string, number> {
  programmed(1, 1, smallest())
  const before = memory()
  const engine = new ForwardingEngine({ limits: LIMITS })
  const begin = busy()
  programmed(1, 1, routes, engine)
  const milliseconds = busy() - begin
  const octets = (memory() - before) / routes.count
  if (engine.state().routes.count !== routes.count) throw new Error('routes are missing')
  return { milliseconds, octets }
}

function smallest(): RouteBatch {
  const routes = new RouteBatch(10_000)
  for (let host = 0; host < 10_000; host++) routes.pushWords(1, 4, 0x0b00_0000 + host, 0, 0, 0, 32, 1)
  return routes
}

function vrfs(): Record<string, number> {
  const before = memory()
  const routes = new RouteBatch(MILLION)
  const next = sequence(3)
  for (let vrf = 1; vrf <= 10_000; vrf++) {
    for (let host = 0; host < 100; host++) routes.pushWords(vrf, 4, (0x0a00_0000 + (next() & 0xff_ffff)) >>> 0, 0, 0, 0, 32, 1)
  }
  const engine = programmed(1, 10_000, routes)
  const mebibytes = (memory() - before) / 2 ** 20
  if (engine.state().vrfs.length !== 10_000) throw new Error('VRFs are missing')
  return { mebibytes }
}

/** Flows of 100,000 endpoints, one each, at a port whose policy allows what it sends. */
function flows(): Record<string, number> {
  const engine = new ForwardingEngine({ limits: LIMITS, clock: { now: () => 0 } })
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse('0.0.0.0/0'), 1)
  const before = memory()
  const base = transaction(1, 1, routes)
  const open = { ...base, ports: { set: [{ ...base.ports.set[0], allowedSources: [] }], remove: [] } }
  const policy = {
    id: 1,
    port: 1,
    direction: 'egress' as const,
    rules: [{ verdict: 'allow' as const, protocol: 17 }],
    defaultVerdict: 'deny' as const,
  }
  const report = engine.apply({ ...open, policies: { set: [policy], remove: [] } })
  if (report.status !== 'applied') throw new Error(JSON.stringify(report.failures))
  const out = new PacketOut()
  const buffer = new Uint8Array(HEADROOM + 256)
  const count = 100_000
  for (let round = 0; round < 2; round++) {
    for (let host = 0; host < count; host++) {
      const packet = probePacket({ source: IpAddress.v4(0x0a00_0000 + host), destination: IpAddress.v4(0xc633_6401) })
      buffer.set(packet, HEADROOM)
      if (engine.fromPort(1, buffer, HEADROOM, packet.length, out) !== SEND) throw new Error(`flow ${host}: reason ${out.reason}`)
    }
  }
  const octets = (memory() - before) / count
  // What is asked for afterwards is still there when memory is looked at.
  if (engine.counters().drops.some((drops) => drops > 0)) throw new Error('packets were dropped')
  return { octets }
}

/** Milliseconds that this thread has computed: what others do on the machine does not count. */
function busy(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

function memory(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}

const probe = probes[process.argv[2] ?? '']
if (probe === undefined) throw new Error(`no probe ${process.argv[2]}`)
console.log(JSON.stringify(probe()))
