import { ebpfDataplane, type EbpfXdp } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import type { Series } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { layOut, NODE } from '../tun/contender.ts'
import { Namespaces } from '../tun/namespaces.ts'
import { FAR, frameWith, LABELS, packet, transitTables } from './across.ts'
import { NAMES, softwareOf } from './contender.ts'
import { linkOf, takeFrames, timeOfFrames, type Chain } from './frames.ts'
import { ethernet, ipv4 } from './kernel.ts'

const BY_TC = 'Heddle, tc'
/** Last octet of the source port of UDP in the innermost IPv4, behind so many octets of headers. */
const sourcePort = (headers: number): number => headers + 14 + 20 + 1
const LABELLED = 20 + 8 + 4
const IN_VXLAN = 20 + 8 + 8 + 14
const VNI = { in: 42, out: 43 } as const

interface Router {
  readonly namespaces: Namespaces
  close(): Promise<void>
}

async function router(setUp: (namespaces: Namespaces) => Promise<(() => Promise<void>) | undefined>): Promise<Router> {
  const namespaces = new Namespaces()
  try {
    layOut(namespaces)
    takeFrames(namespaces, 'node-a', 'node-b')
    namespaces.run('node-a', 'sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.up0.send_redirects=0')
    namespaces.run('node-a', `ip neighbour replace ${NODE.b} lladdr ${linkOf(namespaces, 'node-b', 'up0').address} nud permanent dev up0`)
    const close = await setUp(namespaces)
    return {
      namespaces,
      close: async () => {
        await close?.()
        namespaces.close()
      },
    }
  } catch (error) {
    namespaces.close()
    throw error
  }
}

const heddle = (xdp: EbpfXdp): Promise<Router> =>
  router(async (namespaces) => {
    const dataplane = await ebpfDataplane({
      addresses: [IpAddress.parse(NODE.a)],
      uplink: 'up0',
      underlayNetns: namespaces.path('node-a'),
      devices: 'veth',
      fibBlocks: 131_072,
      routes: 16_384,
      xdp,
    })
    const report = await dataplane.apply(transitTables())
    if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report))
    return () => dataplane.close()
  })

/** From one VXLAN into another one, as the kernel routes between them. */
const vxlan = (): Promise<Router> =>
  router(async (namespaces) => {
    const run = (command: string): string => namespaces.run('node-a', command)
    for (const [name, id, net] of [
      ['vx0', VNI.in, 0],
      ['vx1', VNI.out, 1],
    ] as const) {
      run(`ip link add ${name} type vxlan id ${id} local ${NODE.a} remote ${NODE.b} dstport 4789 dev up0 udpcsum`)
      run(`ip address add 10.9.${net}.254/24 dev ${name}`)
      run(`ip link set ${name} up`)
    }
    run('ip neighbour replace 10.9.1.1 lladdr 02:00:00:00:00:0b nud permanent dev vx1')
    run(`ip route add ${String(IpAddress.v4(FAR))}/32 via 10.9.1.1`)
  })

const routing = (): Promise<Router> =>
  router(async (namespaces) => {
    namespaces.run('node-a', `ip route add ${String(IpAddress.v4(FAR))}/32 via ${NODE.b}`)
  })

/** The packet in VXLAN for the router's first device. */
function inVxlan(namespaces: Namespaces): Uint8Array {
  const inner = ethernet(packet())
  inner.set([...linkOf(namespaces, 'node-a', 'vx0').mac, 2, 0, 0, 0, 0, 0xb])
  const header = Uint8Array.of(8, 0, 0, 0, 0, 0, VNI.in, 0)
  return ethernet(ipv4(NODE.b, NODE.a, 17, Uint8Array.of(0xc0, 0, 0x12, 0xb5, 0, 8 + 8 + inner.length, 0, 0, ...header, ...inner)))
}

function chainOf(name: string, { namespaces }: Router, frame: Uint8Array, headers: number): Chain {
  const to = { short: 'node-b', link: 'up0' }
  const addressed = Uint8Array.from(frame)
  addressed.set(linkOf(namespaces, 'node-a', 'up0').mac)
  return { name, namespaces, frame: addressed, varies: sourcePort(headers), from: to, to }
}

export const gateway: Part = {
  id: 'gateway',
  title: 'Through a router between tunnels, 64 octets',
  about: `UDP of 16 flows in packets of 64 octets, out of one tunnel and into another by the same link: MPLS over UDP through Heddle, VXLAN through the kernel, and no
tunnel at all through plain forwarding. From the far end of the router's veth and back to it, where a program of tc takes each packet. Made and counted as in the chain
of devices: live frames of BPF_PROG_TEST_RUN, all in one process on one core and its \`ksoftirqd\`, nanoseconds of processor time a packet that arrives. By XDP is the full program, 10,000 routes in the VRF.`,
  async run(context) {
    const routers: Router[] = []
    const add = async (made: Promise<Router>): Promise<Router> => {
      routers.push(await made)
      return routers.at(-1) as Router
    }
    try {
      const [byXdp, byTc, byVxlan, plain] = [
        await add(heddle('native')),
        await add(heddle('off')),
        await add(vxlan()),
        await add(routing()),
      ]
      const figures = await timeOfFrames(
        [
          chainOf('XDP, VRF', byXdp, frameWith(LABELS.vrf), LABELLED),
          chainOf('XDP, label', byXdp, frameWith(LABELS.swap), LABELLED),
          chainOf('tc, VRF', byTc, frameWith(LABELS.vrf), LABELLED),
          chainOf('tc, label', byTc, frameWith(LABELS.swap), LABELLED),
          chainOf('VXLAN', byVxlan, inVxlan(byVxlan.namespaces), IN_VXLAN),
          chainOf('routing', plain, ethernet(packet()), 0),
        ],
        context,
      )
      const series = (way: 'VRF' | 'label'): Series[] => [
        { name: NAMES.heddle, rounds: figures.get(`XDP, ${way}`)! },
        { name: BY_TC, rounds: figures.get(`tc, ${way}`)! },
        { name: NAMES.vxlan, rounds: figures.get('VXLAN')! },
        { name: NAMES.routing, rounds: figures.get('routing')! },
      ]
      const common = { unit: 'ns', better: 'lower', axis: 'gateway' } as const
      const [subject, ...rivals] = softwareOf(['heddle', 'vxlan', 'routing'])
      return {
        software: [
          { ...subject, note: 'bpf/across.bpf.c by XDP, with sources, counters, TTL, all of it' },
          { ...subject, name: BY_TC, note: 'what does the same where there is no XDP' },
          { ...rivals[0], note: 'with UDP checksums, routed from one device to the other' },
          { ...rivals[1], note: 'no tunnel' },
        ],
        measures: [
          { id: 'vrf', title: 'A packet, its label that of a VRF', ...common, series: series('VRF') },
          { id: 'swap', title: 'A packet, its label swapped', ...common, series: series('label') },
        ],
      }
    } finally {
      for (const one of routers.reverse()) await one.close()
    }
  },
}
