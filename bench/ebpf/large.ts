import { Netlink } from '@heddle/linux'
import type { Goal } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { compiled } from '../tun/native-tools.ts'
import { setUnderlay } from '../tun/contender.ts'
import { NAMES, softwareOf, start, type Contender, type Kind } from './contender.ts'
import { linksOf } from './frames.ts'
import { CPU, PORT, rounds, tcpOnce } from './traffic.ts'

/** Octets of the largest segment over IPv4: what Linux takes for "BIG TCP" in its own examples. */
const LARGE = 196_608
const SIZES = { gsoIpv4MaxSize: LARGE } as const
/** Segments of the same size as the others have would be lost: a goal against it is an easier one than on equal segments. */
const VXLAN = `${NAMES.vxlan} with segments of 64 KiB`
const VXLAN_LARGE = `${NAMES.vxlan}, as large`
const KINDS: readonly Kind[] = ['heddle', 'minimal', 'routing', 'vxlan']

/** Has all links of a contender let large segments pass in one piece: of Heddle the uplinks alone, which devices of endpoints follow by themselves. */
async function enlarge({ kind, namespaces }: Contender): Promise<void> {
  const places = kind === 'heddle' ? ['node-a', 'node-b'] : ['node-a', 'node-b', 'pod-a', 'pod-b']
  for (const short of places) {
    using netlink = await Netlink.open(namespaces.path(short))
    for (const { ifname } of linksOf(namespaces, short)) {
      if (kind === 'heddle' ? ifname === 'up0' : ifname !== 'lo') await netlink.links.setUp(ifname, SIZES)
    }
  }
  for (const short of ['pod-a', 'pod-b']) {
    using netlink = await Netlink.open(namespaces.path(short))
    for (const end = performance.now() + 10_000; (await netlink.links.get('eth0')).gsoIpv4MaxSize !== LARGE;) {
      if (performance.now() > end) throw new Error(`eth0 of ${short} takes no segments of ${LARGE} octets`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

export const large: Part = {
  id: 'large',
  title: 'TCP from pod to pod, in segments of up to 192 KiB',
  about: `As "TCP from pod to pod", underlay "super", where the administrator of the nodes lets their uplinks take IPv4 segments that are longer than a length field can
say (\`ip link set UPLINK gso_ipv4_max_size ${LARGE}\`, Linux 6.3). Heddle has its endpoints' devices follow; of the others each device is set by hand. Kernel VXLAN
has what the kernel gives it, segments of 64 KiB; "as large" has the same sizes, of which Linux 6.18 loses each segment that is too long for the length field of UDP.`,
  async run(context) {
    const contenders: Contender[] = []
    try {
      const add = async (kind: Kind, name: string, isLarge: boolean): Promise<void> => {
        if (!context.wants(name)) return
        const contender = await start(kind)
        contenders.push({ ...contender, name })
        setUnderlay(contender.namespaces, 'super')
        if (isLarge) await enlarge(contender)
        await contender.namespaces.serve('pod-b', [compiled('traffic'), 'tcp-serve', `${PORT}`], CPU)
      }
      for (const kind of KINDS) await add(kind, kind === 'vxlan' ? VXLAN : NAMES[kind], kind !== 'vxlan')
      await add('vxlan', VXLAN_LARGE, true)
      // What that one has lost it sends again for a while, on the core of whoever comes next: it has its rounds behind all others.
      const [losing, others] = [true, false].map((isLosing) => contenders.filter(({ name }) => (name === VXLAN_LARGE) === isLosing))
      const figures = new Map([
        ...(await rounds(others, context, '192 KiB', tcpOnce)),
        ...(await rounds(losing, context, '192 KiB', tcpOnce)),
      ])
      const goals: readonly Goal[] = [
        { kind: 'times-better', factor: 0.97, than: NAMES.minimal, beyond: true },
        { kind: 'times-better', factor: 1.4, than: VXLAN, beyond: true },
      ]
      const series = Array.from(figures, ([name, one]) => ({ name, rounds: one, ...(name === VXLAN_LARGE && { apart: true }) }))
      const software = softwareOf(contenders.map(({ kind }) => kind)).map((one, index) => ({ ...one, name: contenders[index].name }))
      return {
        software,
        measures: [{ id: 'tcp-large', title: 'One stream', unit: 'Gbit/s', better: 'higher', series, goals }],
      }
    } finally {
      for (const contender of contenders.reverse()) await contender.close()
    }
  },
}
