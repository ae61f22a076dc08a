import { RouteBatch, type FibTransaction, type PolicyObject } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane, type EbpfDataplaneOptions } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from '../harness/statistics.ts'
import { layOut, NODE, other, POD, type Site } from '../tun/contender.ts'
import { Namespaces } from '../tun/namespaces.ts'
import { siteTransaction } from '../tun/start.ts'

/** Octets of an Ethernet header. */
export const ETHERNET = 14

/** The dataplane's own ways to run a program on a frame, and into its maps, which it has for its tests. */
export type Runner = EbpfDataplane & {
  readonly parts: {
    readonly maps: {
      get(map: string, key: number): Uint8Array | undefined
      set(map: string, key: number, value: Uint8Array): void
      forgetDecisions(): void
    }
  }
  run(
    program: string,
    frame: Uint8Array,
    segment?: number,
    repeat?: number,
    netns?: string,
  ): { readonly verdict: number; readonly duration: number; readonly packet: Uint8Array }
}

export interface Node {
  readonly dataplane: Runner
  readonly namespaces: Namespaces
  readonly pins: string
  [Symbol.asyncDispose](): Promise<void>
}

/** A node by itself, its maps pinned, with room for many routes and few flows unless it is told otherwise. */
export async function node(room: Pick<EbpfDataplaneOptions, 'fibBlocks' | 'routes' | 'flows' | 'ports'>): Promise<Node> {
  const namespaces = new Namespaces()
  const directory = mkdtempSync(join(tmpdir(), 'hdbench-ebpf-'))
  layOut(namespaces)
  namespaces.run('node-a', 'sysctl -q -w net.ipv4.conf.up0.forwarding=1')
  const dataplane = (await ebpfDataplane({
    addresses: [IpAddress.parse(NODE.a)],
    uplink: 'up0',
    underlayNetns: namespaces.path('node-a'),
    devices: 'veth',
    pinDirectory: directory,
    fibBlocks: 131_072,
    flows: 1024,
    ...room,
  })) as Runner
  return {
    dataplane,
    namespaces,
    pins: directory,
    [Symbol.asyncDispose]: async () => {
      await dataplane.close()
      namespaces.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** How many /24 there are of unicast, from 1.0.0.0 on. */
const UNICAST = 0xdeff00

/** Addresses of that many different /24, up to a million, far apart: nothing that a table could be lucky with. */
export function addresses(count: number): Uint32Array {
  // Multiples of the golden ratio are spread evenly over a range, and so are different after they are scaled to fewer values, too.
  const place = (index: number): number => Math.floor(((Math.imul(index, 0x9e37_79b1) >>> 0) / 2 ** 32) * UNICAST)
  return Uint32Array.from({ length: count }, (_, index) => 0x0100_0000 + place(index) * 256)
}

/** Room for the routes of the site, so that a batch does not grow, as a whole, while it is timed. */
export const SITE_ROUTES = siteTransaction('a').routes.count

/** First word of the addresses of IPv6: those of documentation (RFC 3849). */
export const NETWORK6 = 0x2001_0db8

/** Second words of that many different /64 of a /40, likewise: the third and fourth are zero. */
export function addresses6(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => Math.imul(index, 0x9e37_79b1) >>> 8)
}

/** @param group of each route, by its place */
export function routesTo(targets: Uint32Array, family: 4 | 6 = 4, group: (index: number) => number = () => 2): RouteBatch {
  const batch = new RouteBatch(targets.length + SITE_ROUTES)
  for (const [index, target] of targets.entries()) {
    if (family === 4) batch.pushWords(1, 4, target, 0, 0, 0, 24, group(index))
    else batch.pushWords(1, 6, NETWORK6, target, 0, 0, 64, group(index))
  }
  return batch
}

/** The tables of a site with further routes. */
export function withRoutes(generation: number, routes: RouteBatch, site: Site = 'a'): FibTransaction {
  const tables = siteTransaction(site)
  for (let row = 0; row < tables.routes.count; row++) {
    const at = row * 4
    const { vrf, address, length, group } = tables.routes
    routes.pushWords(vrf[row], 4, address[at], address[at + 1], address[at + 2], address[at + 3], length[row], group[row])
  }
  return { ...tables, generation, routes }
}

/** Address of the service in the VRF of `fullTables`. */
export const VIRTUAL = '10.96.0.10'

/** What the full program goes by: 10,000 routes, a policy each way at the port of the pod, and a service in its VRF. */
export function fullTables(site: Site): FibTransaction {
  const policies = (['ingress', 'egress'] as const).map((direction, id): PolicyObject => ({
    id,
    port: 1,
    direction,
    rules: [17, 6, 1].map((protocol) => ({ verdict: 'allow', protocol })),
    defaultVerdict: 'deny',
  }))
  const backends = [{ address: IpAddress.parse(POD[other[site]]), port: 53, weight: 1 }]
  const service = { id: 1, vrf: 1, address: IpAddress.parse(VIRTUAL), protocol: 'udp' as const, port: 53, backends, seed: 1 }
  return {
    ...withRoutes(1, routesTo(addresses(10_000)), site),
    policies: { set: policies, remove: [] },
    services: { set: [service], remove: [] },
  }
}

export function ethernet(packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET + packet.length)
  frame.set([0x08, 0x00], 12)
  frame.set(packet, ETHERNET)
  return frame
}

export function ipv4(from: string, to: string, protocol: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(20 + payload.length)
  const view = new DataView(packet.buffer)
  view.setUint32(0, 0x4500_0000 | packet.length)
  view.setUint32(8, 0x4000_0000 | (protocol << 16))
  IpAddress.parse(from).writeTo(view, 12)
  IpAddress.parse(to).writeTo(view, 16)
  packet.set(payload, 20)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  view.setUint16(10, ~sum & 0xffff)
  return packet
}

/** Single runs, nanoseconds: a program may not be run on its own output. */
export function timesOf(run: () => { readonly duration: number; readonly verdict: number }, runs: number, verdict: number): number[] {
  return Array.from({ length: runs }, () => {
    const outcome = run()
    if (outcome.verdict !== verdict) throw new Error(`a program returned ${outcome.verdict} and not ${verdict}`)
    return outcome.duration
  })
}

/** The median of `timesOf`. */
export function timeOf(...of: Parameters<typeof timesOf>): number {
  return median(timesOf(...of))
}

/** Keeps this thread, and those that it starts from now on, on one core until it is disposed of. */
export function keepOn(cpu: number): Disposable {
  const move = (list: string): string => execFileSync('taskset', ['-cp', list, `${process.pid}`], { encoding: 'utf8' })
  const said = move(`${cpu}`)
  const before = /current affinity list: (\S+)/.exec(said)?.[1]
  if (before === undefined) throw new Error(`taskset does not say where this process was: ${said}`)
  return { [Symbol.dispose]: () => void move(before) }
}
