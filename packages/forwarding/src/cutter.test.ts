import { RouteBatch } from '@heddle/core'
import { IpPrefix, checksumHolds } from '@heddle/wire'
import { expect, test } from 'vitest'
import { DELIVER, DROP, FRAGMENT, ForwardingEngine, HEADROOM, PacketOut } from './index.js'

const LIMITS = { vrfs: 1, ports: 2, nextHops: 1, groups: 1, groupMembers: 1, labels: 0, vnis: 0, routes: 1, labelStackDepth: 1 }
const none = { set: [], remove: [] }

function engine(mtu: number, features?: readonly []): ForwardingEngine {
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse('10.0.0.2/32'), 1)
  const made = new ForwardingEngine({ limits: LIMITS, ...(features === undefined ? {} : { features }) })
  const port = (id: number, octets: number) => ({ id, kind: 'endpoint' as const, vrf: 1, allowedSources: [], gateways: [], mtu: octets })
  const report = made.apply({
    generation: 1,
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [port(1, 1400), port(2, mtu)], remove: [] },
    nextHops: { set: [{ id: 1, action: { type: 'port', port: 2 } }], remove: [] },
    groups: { set: [{ id: 1, members: [{ nextHop: 1, weight: 1 }], seed: 1 }], remove: [] },
    tunnelSources: none,
    labels: none,
    vnis: none,
    routes,
  })
  expect(report.status).toBe('applied')
  return made
}

/** A datagram of 96 octets of data behind `options`. */
function datagram(options: number[]): Uint8Array {
  const header = [
    0x45 + options.length / 4,
    0,
    0,
    116 + options.length,
    0x12,
    0x34,
    0,
    0,
    64,
    17,
    0,
    0,
    10,
    0,
    0,
    1,
    10,
    0,
    0,
    2,
    ...options,
  ]
  let sum = 0
  for (let at = 0; at < header.length; at += 2) sum += header[at] * 256 + header[at + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  header[10] = (0xffff - sum) >> 8
  header[11] = (0xffff - sum) & 255
  return Uint8Array.from([...header, ...Array.from({ length: 96 }, (_, index) => index)])
}

function parts(from: ForwardingEngine, packet: Uint8Array): Uint8Array[] {
  const buffer = new Uint8Array(HEADROOM + packet.length)
  buffer.set(packet, HEADROOM)
  const out = new PacketOut()
  expect(from.fromPort(1, buffer, HEADROOM, packet.length, out)).toBe(FRAGMENT)
  const room = new Uint8Array(HEADROOM + out.mtu)
  const found: Uint8Array[] = []
  while (from.nextFragment(room, HEADROOM, out) === DELIVER) found.push(room.slice(out.offset, out.offset + out.length))
  expect(out.verdict).toBe(DROP)
  return found
}

test('only options that say so are in parts other than the first (RFC 791 §3.1)', () => {
  const sourceRoute = [0x83, 3, 4] // loose source route, to be copied
  const timestamp = [0x44, 4, 5, 0] // not to be copied
  const found = parts(engine(68), datagram([...sourceRoute, ...timestamp, 1]))
  expect(found.map((part) => [...part.subarray(20, (part[0] & 15) * 4)])).toEqual([
    [...sourceRoute, ...timestamp, 1],
    [...sourceRoute, 0],
    [...sourceRoute, 0],
  ])
  expect(found.map((part) => part.length)).toEqual([28 + 40, 24 + 40, 24 + 16])
  expect(found.every((part) => checksumHolds(part, 0, (part[0] & 15) * 4))).toBe(true)
  expect(found.flatMap((part) => [...part.subarray((part[0] & 15) * 4)])).toEqual(Array.from({ length: 96 }, (_, index) => index))
})

test('parts are counted for the port that gets them, once each', () => {
  const from = engine(68)
  expect(parts(from, datagram([]))).toHaveLength(2)
  const { portIds, ports, drops } = from.counters()
  expect([...portIds]).toEqual([1, 2])
  expect([...ports]).toEqual([1, 116, 0, 0, 0, 0, 0, 2, 68 + 68, 0])
  expect(drops.every((count) => count === 0)).toBe(true)
})

test('without the feature nothing is cut', () => {
  const packet = datagram([])
  const buffer = new Uint8Array(HEADROOM + packet.length)
  buffer.set(packet, HEADROOM)
  const out = new PacketOut()
  expect([engine(68, []).fromPort(1, buffer, HEADROOM, packet.length, out), out.mtu]).toEqual([DELIVER, 68]) // the error
})
