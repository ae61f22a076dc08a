import type { FibTransaction } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import type { Part } from '../harness/run.ts'
import { NODE } from '../tun/contender.ts'
import { siteTransaction } from '../tun/start.ts'
import { softwareOf } from './contender.ts'
import { addresses, ethernet, ipv4, keepOn, node, routesTo, timeOf } from './kernel.ts'
import { loadObject, words } from './objects.ts'

const NAMES = { heddle: 'Heddle', tc: 'Heddle, tc', minimal: 'minimal XDP program' } as const
/** Verdicts of XDP and of tc. */
const [XDP_PASS, XDP_TX, TC_REDIRECT, TC_NEXT] = [2, 3, 7, 0xffff_ffff]
/** A label that is swapped, and that of the VRF. */
export const LABELS = { swap: 2001, vrf: 2002 } as const
const ROUTES = 10_000
export const [FAR] = addresses(ROUTES)

/** Tables of a router between site b and others: both labels lead to a tunnel to site b. */
export function transitTables(): FibTransaction {
  const { nextHops, labels, ...rest } = siteTransaction('a')
  const way = {
    id: 40,
    action: {
      type: 'tunnel',
      encapsulation: 'mpls-udp',
      local: IpAddress.parse(NODE.a),
      remote: IpAddress.parse(NODE.b),
      labels: [3001],
      ttlModel: 'pipe',
      trafficClassModel: 'pipe',
    },
  } as const
  const swap = { label: LABELS.swap, action: { type: 'swap', nextHop: way.id }, sources: 1 } as const
  const vrf = { label: LABELS.vrf, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 } as const
  return {
    ...rest,
    nextHops: { set: [...nextHops.set, way], remove: [] },
    labels: { set: [...labels.set, swap, vrf], remove: [] },
    routes: routesTo(addresses(ROUTES)),
  }
}

/** A UDP packet of 64 octets to one of the routes. */
export function packet(): Uint8Array {
  return ipv4('10.9.0.1', String(IpAddress.v4(FAR)), 17, Uint8Array.of(0x30, 0x30, 0, 9, 0, 44, 0, 0, ...new Uint8Array(36)))
}

/** The packet in a tunnel from site b. */
export function frameWith(label: number): Uint8Array {
  const inner = packet()
  const entry = Uint8Array.of(label >> 12, (label >> 4) & 255, (label & 15) * 16 + 1, 64)
  return ethernet(ipv4(NODE.b, NODE.a, 17, Uint8Array.of(0xc0, 0, 0x19, 0xeb, 0, 8 + 4 + inner.length, 0, 0, ...entry, ...inner)))
}

export const across: Part = {
  id: 'across',
  title: 'From tunnel to tunnel, the programs by themselves',
  about: `A packet of 64 octets that comes in by MPLS over UDP and goes out by it: BPF_PROG_TEST_RUN, one run a call, the time of a program that does nothing taken
off. By XDP everything is looked up for each packet, and the neighbour asked of the kernel every 10 ms; by tc as well, but for the neighbour, which the kernel finds behind
the program. The minimal program looks nothing up, checks nothing and counts nothing. What a program of XDP saves besides, a packet that the kernel need not make, is not in these figures.`,
  async run({ quick, progress }) {
    await using one = await node({ routes: 16_384 })
    const { dataplane, namespaces } = one
    namespaces.run('node-a', `ip neighbour replace ${NODE.b} lladdr 02:00:00:00:00:0b nud permanent dev up0`)
    const report = await dataplane.apply(transitTables())
    if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report))
    const bare = loadObject('minimal')
    try {
      bare.update('ways', words(0), Uint8Array.of(...words(1, 1), ...new Uint8Array(48)))
      // Where the neighbour is known. Each run of each program goes there on a thread of its own, and all of these to one core: its caches are as warm for one as
      // for another.
      const netns = namespaces.path('node-a')
      using _kept = keepOn(1)
      // The first packet of each CPU goes by the kernel's own output, and one in a while, and so is left by the program.
      const byXdp = (frame: Uint8Array): ReturnType<typeof dataplane.run> => {
        for (let left = 100; ; left--) {
          const outcome = dataplane.run('across', frame, 0, 1, netns)
          if (outcome.verdict !== XDP_PASS || left === 0) return outcome
        }
      }
      const figures = { swap: [[], [], []], vrf: [[], [], []] } as Record<'swap' | 'vrf', [number[], number[], number[]]>
      const runs = quick ? 300 : 2000
      for (let round = 0; round < (quick ? 1 : 5); round++) {
        for (const kind of ['swap', 'vrf'] as const) {
          const frame = frameWith(LABELS[kind])
          const [idleXdp, idleTc] = [
            timeOf(() => bare.testRun('nothing_across', frame, 0, 1, netns), runs, XDP_PASS),
            timeOf(() => bare.testRun('nothing', frame, 0, 1, netns), runs, TC_NEXT),
          ]
          const [xdp, tc, minimal] = figures[kind]
          xdp.push(timeOf(() => byXdp(frame), runs, XDP_TX) - idleXdp)
          tc.push(timeOf(() => dataplane.run('ingress', frame, 0, 1, netns), runs, TC_REDIRECT) - idleTc)
          minimal.push(timeOf(() => bare.testRun('minimal_across', frame, 0, 1, netns), runs, XDP_TX) - idleXdp)
          progress(`${kind}: XDP ${Math.round(xdp[round])} ns, tc ${Math.round(tc[round])} ns, minimal ${Math.round(minimal[round])} ns`)
        }
      }
      const series = ([xdp, tc, minimal]: readonly [number[], number[], number[]]): {
        readonly name: string
        readonly rounds: number[]
      }[] => [
        { name: NAMES.heddle, rounds: xdp },
        { name: NAMES.tc, rounds: tc },
        { name: NAMES.minimal, rounds: minimal },
      ]
      const [{ version }] = softwareOf(['heddle'])
      return {
        software: [
          { name: NAMES.heddle, version, role: 'subject', note: 'bpf/across.bpf.c, with sources, counters, TTL, all of it' },
          { name: NAMES.tc, version, role: 'subject', note: 'what does the same where there is no XDP' },
          { name: NAMES.minimal, version, role: 'rival', note: 'bench/ebpf/bpf/minimal.bpf.c: headers of the same size' },
        ],
        measures: [
          { id: 'swap', title: 'A label that is swapped', unit: 'ns', better: 'lower', series: series(figures.swap) },
          { id: 'vrf', title: 'A label of a VRF with 10,000 routes', unit: 'ns', better: 'lower', series: series(figures.vrf) },
        ],
      }
    } finally {
      bare.close()
    }
  },
}
