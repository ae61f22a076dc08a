import type { Part } from '../harness/run.ts'
import type { Goal } from '../harness/result.ts'
import { POD } from '../tun/contender.ts'
import { NAMES, softwareOf, start, type Contender, type Kind } from './contender.ts'
import { linkOf, linksOf, takeFrames, timeOfFrames, type Chain } from './frames.ts'
import { ethernet, ipv4 } from './kernel.ts'

const KINDS: readonly Kind[] = ['heddle', 'forward', 'heddleVxlan', 'minimal', 'vxlan', 'vxlanNoSums', 'routing']
/** Last octet of the source port of UDP in IPv4 behind Ethernet. */
const SOURCE_PORT = 14 + 20 + 1

/** From the pod's device at site a to that at site b. */
function chainOf({ name, namespaces }: Contender): Chain {
  takeFrames(namespaces, 'node-a', 'node-b', 'pod-a', 'pod-b')
  const host = linksOf(namespaces, 'node-a').find(({ ifname }) => /^(hd(?!.*(?:vxlan|joint)$)|pod0)/.test(ifname))
  if (host === undefined) throw new Error(`${name} has no device for its pod`)
  const frame = ethernet(ipv4(POD.a, POD.b, 17, Uint8Array.of(0x30, 0x30, 0, 9, 0, 44, 0, 0, ...new Uint8Array(36))))
  frame.set(linkOf(namespaces, 'node-a', host.ifname).mac)
  return { name, namespaces, frame, varies: SOURCE_PORT, from: { short: 'pod-a', link: 'eth0' }, to: { short: 'pod-b', link: 'eth0' } }
}

export const chain: Part = {
  id: 'chain',
  title: 'The chain of devices from pod to pod, 64 octets',
  about: `UDP of 16 flows in packets of 64 octets: from the device of one pod over its veth, the router, the underlay's veth and the other router to the device of
the other pod, where a program of tc takes each packet; no sockets. Frames come from a program of XDP in a test run with BPF_F_TEST_XDP_LIVE_FRAMES (batches of 64),
that sends them out by the pod's device, and all that follows runs in the same process on one core, whose processor time is what is counted: nanoseconds a packet that
arrives. At every veth, of all contenders, GRO is on, so that frames are taken by NAPI; of 100 that are sent 99 arrive at least. What \`ksoftirqd\` of that core takes over
is counted as well. "Forwarding only" is a study and no part of Heddle, and its ratios and goals are its own; what Heddle itself is against the kernel is in the
first table, of the full programs of tc.`,
  async run(context) {
    const contenders: Contender[] = []
    try {
      for (const kind of KINDS) if (context.wants(NAMES[kind])) contenders.push(await start(kind))
      const figures = await timeOfFrames(contenders.map(chainOf), context)
      const series = (names: readonly string[]): { readonly name: string; readonly rounds: readonly number[] }[] =>
        names.flatMap((name) => (figures.has(name) ? [{ name, rounds: figures.get(name)! }] : []))
      const byTc: readonly Goal[] = [{ kind: 'times-better', factor: 1.9, than: NAMES.vxlan }]
      const byXdp: readonly Goal[] = [
        { kind: 'times-better', factor: 2.8, than: NAMES.vxlan },
        { kind: 'times-better', factor: 1.7, than: NAMES.routing },
      ]
      const { heddle, heddleVxlan, forward, minimal, vxlan, vxlanNoSums, routing } = NAMES
      const common = { unit: 'ns', better: 'lower', axis: 'chain' } as const
      return {
        software: softwareOf(contenders.map(({ kind }) => kind)),
        measures: [
          {
            id: 'tc',
            title: 'A packet, the full programs of tc',
            ...common,
            series: series([heddle, heddleVxlan, minimal, vxlan, vxlanNoSums, routing]),
            goals: byTc,
          },
          {
            id: 'xdp',
            title: 'A packet, forwarding only by XDP',
            ...common,
            series: series([forward, heddle, vxlan, vxlanNoSums, routing]),
            goals: byXdp,
          },
        ],
      }
    } finally {
      for (const contender of contenders.reverse()) await contender.close()
    }
  },
}
