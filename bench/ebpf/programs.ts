import { internetChecksum, IpAddress, pseudoHeaderSum } from '@heddle/wire'
import type { Goal, Measure } from '../harness/result.ts'
import { rotated, type Part } from '../harness/run.ts'
import { histogram, median } from '../harness/statistics.ts'
import { NODE, POD } from '../tun/contender.ts'
import { BARE, NAMES, softwareOf, untilMoved, type BareKind } from './contender.ts'
import { ETHERNET, ethernet, fullTables, ipv4, keepOn, node, timeOf, timesOf, VIRTUAL, type Node, type Runner } from './kernel.ts'
import { inTraffic, MANY, type Frames } from './live.ts'
import { loadObject, words } from './objects.ts'

/** Octets before an IPv4 packet in the tunnel: outer IPv4 and UDP, and the label. */
const TUNNEL = 20 + 8 + 4

/** Two IPv4 packets of 64 octets, the second of them in its tunnel; flows differ in the pod's port. */
function framesOf(out: Uint8Array, back: Uint8Array): Frames {
  const label = Uint8Array.of(0, 0x3e, 0x91, 0xff)
  const udp = Uint8Array.of(0xc0, 0, 0x19, 0xeb, 0, 8 + 4 + back.length, 0, 0, ...label, ...back)
  return {
    out: ethernet(out),
    back: ethernet(ipv4(NODE.b, NODE.a, 17, udp)),
    outVaries: ETHERNET + 20 + 1,
    backVaries: ETHERNET + TUNNEL + 20 + 3,
  }
}

/** UDP from pod to pod, without a checksum. */
function direct(): Frames {
  const inner = (from: string, to: string): Uint8Array =>
    ipv4(from, to, 17, Uint8Array.of(0x30, 0x39, 0, 9, 0, 44, 0, 0, ...new Uint8Array(36)))
  return framesOf(inner(POD.a, POD.b), inner(POD.b, POD.a))
}

/** A question to the virtual address, and the answer of its backend; their checksums have to be kept right. */
function served(): Frames {
  const [client, service] = [0x3039, 53]
  return framesOf(datagram(POD.a, VIRTUAL, client, service), datagram(POD.b, POD.a, service, client))
}

function datagram(from: string, to: string, source: number, destination: number): Uint8Array {
  const udp = new Uint8Array(44)
  const view = new DataView(udp.buffer)
  view.setUint16(0, source)
  view.setUint16(2, destination)
  view.setUint16(4, udp.length)
  view.setUint16(6, internetChecksum(udp, 0, udp.length, pseudoHeaderSum(IpAddress.parse(from), IpAddress.parse(to), 17, udp.length)))
  return ipv4(from, to, 17, udp)
}

/** @throws where a packet is not translated both ways: another way would be another figure */
function checkServed(dataplane: Runner, { out, back }: Frames): void {
  const [sent, delivered] = [dataplane.run('egress', out).packet.subarray(TUNNEL), dataplane.run('ingress', back).packet]
  const endsOf = (frame: Uint8Array): string => frame.subarray(ETHERNET + 12, ETHERNET + 24).join()
  const lowered = (packet: Uint8Array): string => endsOf(ethernet(packet))
  const wanted = [lowered(datagram(POD.a, POD.b, 0x3039, 53)), lowered(datagram(VIRTUAL, POD.a, 53, 0x3039))]
  if (endsOf(sent) !== wanted[0] || endsOf(delivered) !== wanted[1])
    throw new Error(`translated to ${endsOf(sent)} and ${endsOf(delivered)}`)
}

/** Its tables, and its pod. */
async function begin({ dataplane, namespaces }: Node): Promise<void> {
  const report = await dataplane.apply(fullTables('a'))
  if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report))
  await dataplane.attachPort(1, { netns: namespaces.path('pod-a'), ifname: 'eth0', addresses: [IpAddress.parse(POD.a)], mtu: 1468 })
  await untilMoved(dataplane)
}

const REDIRECT = 7
const PASS = 0xffff_ffff

const BARE_KINDS = ['minimal', 'minimalOnePort'] as const satisfies readonly BareKind[]

/** A row of Heddle against the minimal programs: the one that does the same, and beyond that whichever is better. */
const measure = (
  id: string,
  title: string,
  heddle: readonly number[],
  minimal: Readonly<Record<BareKind, readonly number[]>>,
  goal: Pick<Goal, 'beyond'> = { beyond: true },
): Measure => ({
  id,
  title,
  unit: 'ns',
  better: 'lower',
  series: [{ name: NAMES.heddle, rounds: heddle }, ...BARE_KINDS.map((kind) => ({ name: NAMES[kind], rounds: minimal[kind] }))],
  goals: [
    { kind: 'times-better', factor: 1 / 1.4, than: NAMES.minimal, ...goal },
    { kind: 'times-better', factor: 1 / 1.4, beyond: true },
  ],
})

export const programs: Part = {
  id: 'programs',
  title: 'The programs by themselves',
  about: `Out of a pod into the tunnel, and back, both ways together, in packets of 64 octets; 10,000 routes, a policy each way, a service, all counters. Heddle
remembers what it decided about a flow: of its first packet everything is looked up and judged, and so it is when a table has changed, or where a CPU sees more flows than it has places
for, 1,024 to 16,384. That every packet goes that way is what the rows beyond tell. Of a flow that is known nothing is looked up, however many routes there are: what the whole of VRF, policy,
service and counters takes at 10,000 routes is the row "of a flow whose decision was forgotten". What is asked for is the first row, against
the minimal program that sends the same headers, with a source port by flow; all else is beyond. The second of the minimal programs asks for no hash of the packet: all flows have one
port, and no network could spread them. It is the least that carries a packet at all. What is for the virtual address of a
service is translated to its backend, and the answer back, which is remembered as well.

"A packet by itself": BPF_PROG_TEST_RUN, one run a call, the median of 2,000. Its \`repeat\` gives a program what it has made of the packet before, and the kernel, which notes of a
packet that it was encapsulated, refuses to do so twice. Between two runs there is a system call, so that what the kernel's own helpers need has left the caches nearest to the core: as
much time for the one as for the other, whose ratio tells less of the programs than the one in traffic.

"In traffic": frames of 16 flows one behind the other, in batches of 64, from the devices of pod and underlay to a program that takes them (as in the chain of devices), and the mean
of what the kernel keeps of each run (BPF_ENABLE_STATS); where each packet opens a flow, the memory of flows has room for an eighth of them, and forgets those that were quiet longest. Everywhere the time of a program that does nothing is taken off.`,
  async run(context) {
    const { quick, progress } = context
    await using one = await node({ routes: 16_384, flows: 8 * MANY })
    await using forgetful = await node({ routes: 16_384, flows: MANY / 8 })
    for (const each of [one, forgetful]) await begin(each)
    const { dataplane } = one
    const bare = loadObject('minimal')
    try {
      // Test packets come from loopback: it is made another device of the port.
      const { maps } = dataplane.parts
      maps.set('devices', 1, words(1))
      bare.update('ways', words(0), Uint8Array.of(...words(1, 1), ...new Uint8Array(48)))
      const { out, back } = direct()
      const asked = served()
      checkServed(dataplane, asked)
      const traffic = await inTraffic(one, forgetful, { direct: direct(), served: served() }, context)
      // What programs remember is of a core, and so are caches.
      using _kept = keepOn(1)
      const rounds = quick ? 1 : 5
      const runs = quick ? 300 : 2000
      const figures: Record<'heddle' | 'first' | 'served' | BareKind, number[]> = {
        heddle: [],
        first: [],
        served: [],
        minimal: [],
        minimalOnePort: [],
      }
      const first = (program: string, frame: Uint8Array): ReturnType<Runner['run']> => {
        maps.forgetDecisions()
        return dataplane.run(program, frame)
      }
      const single = new Map<string, number[]>()
      /** Both ways, with all single runs kept. */
      const bothWays = (name: string, ways: readonly Parameters<typeof timesOf>[0][]): number[] =>
        ways.map((way, at) => {
          const times = timesOf(way, runs, REDIRECT)
          const key = `${name}, ${at === 0 ? 'out of the pod' : 'into it'}`
          single.set(key, [...(single.get(key) ?? []), ...times])
          return median(times)
        })
      const heddle = (): number[] => bothWays(NAMES.heddle, [() => dataplane.run('egress', out), () => dataplane.run('ingress', back)])
      for (let round = 0; round < rounds; round++) {
        const idle = timeOf(() => bare.testRun('nothing', out, 0, 1), runs, PASS)
        let [egress, ingress] = [0, 0]
        // Each is the first one in turn.
        for (const kind of rotated(['heddle', ...BARE_KINDS] as const, round)) {
          if (kind === 'heddle') {
            ;[egress, ingress] = heddle()
            continue
          }
          const [encap, decap] = bothWays(NAMES[kind], [
            () => bare.testRun(BARE[kind].encap, out, 0, 1),
            () => bare.testRun(BARE[kind].decap, back, 0, 1),
          ])
          figures[kind].push(encap + decap - 2 * idle)
          progress(`${NAMES[kind]}: ${encap} and ${decap} ns`)
        }
        const [opening, answering] = [
          timeOf(() => first('egress', out), runs, REDIRECT),
          timeOf(() => first('ingress', back), runs, REDIRECT),
        ]
        const [asking, answered] = [
          timeOf(() => dataplane.run('egress', asked.out), runs, REDIRECT),
          timeOf(() => dataplane.run('ingress', asked.back), runs, REDIRECT),
        ]
        figures.heddle.push(egress + ingress - 2 * idle)
        figures.first.push(opening + answering - 2 * idle)
        figures.served.push(asking + answered - 2 * idle)
        progress(
          `idle ${idle}, egress ${egress}, ingress ${ingress}, anew ${opening} and ${answering}, translated ${asking} and ${answered} ns`,
        )
      }
      return {
        software: softwareOf(['heddle', ...BARE_KINDS]),
        measures: [
          {
            ...measure('chain', 'A packet by itself, of a flow that is known', figures.heddle, figures, {}),
            // With what a run takes by itself.
            histograms: Array.from(single, ([name, times]) => histogram(name, 'ns', times)),
          },
          measure('service', 'A packet by itself, of a known flow to a virtual address, translated', figures.served, figures),
          measure('first', 'A packet by itself, of a flow whose decision was forgotten', figures.first, figures),
          measure('traffic', 'In traffic, of flows that are known', traffic.direct, traffic),
          measure('traffic-many', `In traffic, of ${MANY.toLocaleString('en')} flows, more than caches hold`, traffic.many, traffic),
          measure('traffic-opening', 'In traffic, of flows that each packet opens', traffic.opening, traffic),
          measure('traffic-service', 'In traffic, of known flows to a virtual address, translated', traffic.served, traffic),
        ],
      }
    } finally {
      bare.close()
    }
  },
}
