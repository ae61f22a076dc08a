import { RouteBatch, type FibTransaction, type PolicyObject } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from '../harness/statistics.ts'
import type { Part } from '../harness/run.ts'
import { layOut, NODE, POD } from '../tun/contender.ts'
import { Namespaces } from '../tun/namespaces.ts'
import { siteTransaction } from '../tun/start.ts'
import { NAMES, softwareOf } from './contender.ts'
import { loadObject, words } from './objects.ts'

const ETHERNET = 14

/** The dataplane's own way to run a program on a frame, which it has for its tests. */
type Runner = EbpfDataplane & {
  run(
    program: string,
    frame: Uint8Array,
    segment?: number,
    repeat?: number,
    netns?: string,
  ): { readonly verdict: number; readonly duration: number }
}

interface Node {
  readonly dataplane: Runner
  readonly namespaces: Namespaces
  readonly pins: string
  [Symbol.asyncDispose](): Promise<void>
}

/** A node by itself, its maps pinned, with room for `routes`. */
export async function node(routes: number, flows = 1024): Promise<Node> {
  const namespaces = new Namespaces()
  const directory = mkdtempSync(join(tmpdir(), 'hdbench-ebpf-'))
  layOut(namespaces)
  const dataplane = (await ebpfDataplane({
    addresses: [IpAddress.parse(NODE.a)],
    uplink: 'up0',
    underlayNetns: namespaces.path('node-a'),
    devices: 'veth',
    pinDirectory: directory,
    fibBlocks: 131_072,
    routes,
    flows,
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

/** Addresses of that many different /24, far apart: nothing that a table could be lucky with. */
export function addresses(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => (0x0100_0000 + ((Math.imul(index, 0x9e37_79b1) >>> 8) % 0xdeff00) * 256) >>> 0)
}

/** Room for the routes of the site, so that a batch does not grow, as a whole, while it is timed. */
export const SITE_ROUTES = siteTransaction('a').routes.count

export function routesTo(targets: Uint32Array): RouteBatch {
  const batch = new RouteBatch(targets.length + SITE_ROUTES)
  for (const target of targets) batch.pushWords(1, 4, target, 0, 0, 0, 24, 2)
  return batch
}

/** The tables of site a with further routes. */
export function withRoutes(generation: number, routes: RouteBatch): FibTransaction {
  const tables = siteTransaction('a')
  for (let row = 0; row < tables.routes.count; row++) {
    const at = row * 4
    const { vrf, address, length, group } = tables.routes
    routes.pushWords(vrf[row], 4, address[at], address[at + 1], address[at + 2], address[at + 3], length[row], group[row])
  }
  return { ...tables, generation, routes }
}

/** A policy each way at the port, and a service in its VRF. */
function watched(): Pick<FibTransaction, 'policies' | 'services'> {
  const policies = (['ingress', 'egress'] as const).map((direction, id): PolicyObject => ({
    id,
    port: 1,
    direction,
    rules: [{ verdict: 'allow', protocol: 17 }],
    defaultVerdict: 'deny',
  }))
  const backends = [{ address: IpAddress.parse(POD.b), port: 53, weight: 1 }]
  const service = { id: 1, vrf: 1, address: IpAddress.parse('10.96.0.10'), protocol: 'udp' as const, port: 53, backends, seed: 1 }
  return { policies: { set: policies, remove: [] }, services: { set: [service], remove: [] } }
}

/** A UDP packet of 64 octets from pod a, and the same from site b in its tunnel. */
function frames(): { readonly out: Uint8Array; readonly back: Uint8Array } {
  const inner = (from: string, to: string): Uint8Array =>
    ipv4(from, to, 17, Uint8Array.of(0x30, 0x39, 0, 9, 0, 44, 0, 0, ...new Uint8Array(36)))
  const label = Uint8Array.of(0, 0x3e, 0x91, 0xff)
  const back = inner(POD.b, POD.a)
  const udp = Uint8Array.of(0xc0, 0, 0x19, 0xeb, 0, 8 + 4 + back.length, 0, 0, ...label, ...back)
  return { out: ethernet(inner(POD.a, POD.b)), back: ethernet(ipv4(NODE.b, NODE.a, 17, udp)) }
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

/** Median of single runs, nanoseconds: a program may not be run on its own output. */
export function timeOf(run: () => { readonly duration: number; readonly verdict: number }, runs: number, verdict: number): number {
  const durations = Array.from({ length: runs }, () => {
    const outcome = run()
    if (outcome.verdict !== verdict) throw new Error(`a program returned ${outcome.verdict} and not ${verdict}`)
    return outcome.duration
  })
  return median(durations)
}

const REDIRECT = 7
const PASS = 0xffff_ffff

export const programs: Part = {
  id: 'programs',
  title: 'The programs by themselves',
  about: `BPF_PROG_TEST_RUN with a packet of 64 octets, one run a call, since a program may not be run on its own output; the time of a program that does nothing
is taken off. Both ways together: out of a pod into the tunnel, and back. 10,000 routes, a policy each way, a service, all counters. Heddle remembers what it
decided about a flow: of its first packet everything is looked up and judged, and so it is when a table has changed.`,
  async run({ quick, progress }) {
    await using one = await node(16_384)
    const { dataplane, namespaces } = one
    const report = await dataplane.apply({ ...withRoutes(1, routesTo(addresses(10_000))), ...watched() })
    if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report))
    await dataplane.attachPort(1, { netns: namespaces.path('pod-a'), ifname: 'eth0', addresses: [IpAddress.parse(POD.a)], mtu: 1468 })
    const bare = loadObject('minimal')
    try {
      // Test packets come from loopback: it is made another device of the port.
      const own = dataplane as unknown as {
        parts: { maps: { set(map: string, key: number, value: Uint8Array): void; forgetDecisions(): void } }
      }
      own.parts.maps.set('devices', 1, words(1))
      bare.update('ways', words(0), Uint8Array.of(...words(1, 1), ...new Uint8Array(48)))
      const { out, back } = frames()
      const rounds = quick ? 1 : 5
      const runs = quick ? 300 : 2000
      const figures: Record<'heddle' | 'first' | 'minimal', number[]> = { heddle: [], first: [], minimal: [] }
      const first = (program: string, frame: Uint8Array): ReturnType<Runner['run']> => {
        own.parts.maps.forgetDecisions()
        return dataplane.run(program, frame)
      }
      for (let round = 0; round < rounds; round++) {
        const idle = timeOf(() => bare.testRun('nothing', out, 0, 1), runs, PASS)
        const [egress, ingress] = [
          timeOf(() => dataplane.run('egress', out), runs, REDIRECT),
          timeOf(() => dataplane.run('ingress', back), runs, REDIRECT),
        ]
        const [opening, answering] = [
          timeOf(() => first('egress', out), runs, REDIRECT),
          timeOf(() => first('ingress', back), runs, REDIRECT),
        ]
        const [encap, decap] = [
          timeOf(() => bare.testRun('minimal_encap', out, 0, 1), runs, REDIRECT),
          timeOf(() => bare.testRun('minimal_decap', back, 0, 1), runs, REDIRECT),
        ]
        figures.heddle.push(egress + ingress - 2 * idle)
        figures.first.push(opening + answering - 2 * idle)
        figures.minimal.push(encap + decap - 2 * idle)
        progress(`idle ${idle}, egress ${egress}, ingress ${ingress}, anew ${opening} and ${answering}, minimal ${encap} and ${decap} ns`)
      }
      return {
        software: softwareOf(['heddle', 'minimal']),
        measures: [
          {
            id: 'chain',
            title: 'Encapsulation and decapsulation',
            unit: 'ns',
            better: 'lower',
            series: [
              { name: NAMES.heddle, rounds: figures.heddle },
              { name: NAMES.minimal, rounds: figures.minimal },
            ],
            goals: [{ kind: 'times-better', factor: 0.71, than: NAMES.minimal }],
          },
          {
            id: 'first',
            title: 'The same for a packet whose flow is not known',
            unit: 'ns',
            better: 'lower',
            series: [
              { name: NAMES.heddle, rounds: figures.first },
              { name: NAMES.minimal, rounds: figures.minimal },
            ],
          },
        ],
      }
    } finally {
      bare.close()
    }
  },
}
