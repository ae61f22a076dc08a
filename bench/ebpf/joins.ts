import { cpus } from 'node:os'
import type { Software } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { layOut, POD, setUnderlay } from '../tun/contender.ts'
import { Namespaces } from '../tun/namespaces.ts'
import { compiled } from '../tun/native-tools.ts'
import { bare, NAMES, softwareOf, start, type BarePrograms, type Contender } from './contender.ts'
import { linkOf } from './frames.ts'
import { words, type LoadedObject } from './objects.ts'
import { CPU, PORT, rounds, tcpOnce } from './traffic.ts'

/** Least number of frames that a way which joins them has to make one of, on average. */
const JOINED = 4

interface Way {
  readonly name: string
  readonly note: string
  readonly programs: BarePrograms
  readonly joins: boolean
}

const WAYS: readonly Way[] = [
  {
    name: 'joined by a queue',
    note: 'tc takes the tunnel away and redirects into a pair of veths with a queue a CPU, whose far end has GRO and a program that delivers',
    programs: { object: 'joins', decap: 'queue_decap', complete: addQueue },
    joins: true,
  },
  {
    name: 'queue that keeps headers',
    note: 'the same, but tc puts a word before the label instead, which makes VXLAN-GPE of it (Linux 6.5): all headers go through the pair, and its far end takes them away',
    programs: { object: 'joins', decap: 'queue_keep', complete: addKeepingQueue },
    joins: true,
  },
  {
    name: 'a joint label',
    note: 'the sender puts a label on top whose entry reads as the first word of VXLAN-GPE: GRO of the uplink joins, without a queue and without XDP',
    programs: { object: 'joins', encap: 'joint_encap', labels: 2, decap: 'joint_decap', complete: addJointDevice },
    joins: true,
  },
  {
    name: 'joined in the driver',
    note: 'XDP puts a word before the label, which makes VXLAN-GPE of it (Linux 6.5), which GRO joins; tc takes both away and delivers',
    programs: { object: 'joins', decap: 'gpe_decap', complete: addGpe },
    joins: true,
  },
  {
    name: 'nothing in the driver',
    note: 'the minimal tc program behind one of XDP that does nothing: what a veth takes for having one, and other drivers do not',
    programs: { object: 'joins', decap: 'minimal_decap', complete: (...at) => attachToDriver(...at, 'nothing_across') },
    joins: false,
  },
]

/** A pair of veths without addresses: what goes in at one end is joined at the other. */
async function addQueue(namespaces: Namespaces, node: string, object: LoadedObject, deliver = 'queue_deliver'): Promise<void> {
  const each = `mtu 65535 numtxqueues ${cpus().length} numrxqueues ${cpus().length}`
  namespaces.run(node, `ip link add near0 ${each} type veth peer name far0 ${each}`)
  // GRO is for what comes from a device that cuts nothing itself (`veth_skb_is_eligible_for_gro`).
  namespaces.run(node, 'ethtool -K near0 tso off')
  namespaces.run(node, 'ethtool -K far0 gro on')
  for (const link of ['near0', 'far0']) namespaces.run(node, `ip link set ${link} addrgenmode none arp off up`)
  object.update('queues', words(0), words(linkOf(namespaces, node, 'near0').ifindex))
  const { ifindex } = linkOf(namespaces, node, 'far0')
  await object.attach({ program: deliver, namespace: namespaces.path(node), ifindex, usesTcx: true })
}

async function addKeepingQueue(...at: readonly [Namespaces, string, LoadedObject]): Promise<void> {
  addGpeDevice(at[0], at[1], 4790)
  await addQueue(...at, 'gpe_decap')
}

async function addJointDevice(namespaces: Namespaces, node: string): Promise<void> {
  addGpeDevice(namespaces, node, 6635)
}

async function addGpe(namespaces: Namespaces, node: string, object: LoadedObject): Promise<void> {
  addGpeDevice(namespaces, node, 4790)
  await attachToDriver(namespaces, node, object, 'gpe_driver')
}

/** A device that carries nothing, and lets nothing through: while it is up, GRO takes what comes to the port for VXLAN-GPE. */
function addGpeDevice(namespaces: Namespaces, node: string, port: number): void {
  namespaces.run(node, `ip link add gpe0 type vxlan external vnifilter gpe dstport ${port}`)
  namespaces.run(node, 'ip link set gpe0 addrgenmode none up')
}

async function attachToDriver(namespaces: Namespaces, node: string, object: LoadedObject, program: string): Promise<void> {
  const { ifindex } = linkOf(namespaces, node, 'up0')
  await object.attach({ program, namespace: namespaces.path(node), ifindex, usesTcx: false, isXdp: true })
}

async function startWay({ name, programs }: Way): Promise<Contender> {
  const namespaces = new Namespaces()
  try {
    layOut(namespaces)
    const detach = await bare(namespaces, programs)
    const close = async (): Promise<void> => {
      detach()
      namespaces.close()
    }
    namespaces.run('pod-a', `ping -q -c 3 -i 0.1 -W 2 ${POD.b}`)
    return { kind: 'minimal', name, namespaces, close }
  } catch (error) {
    namespaces.close()
    throw error
  }
}

/** Frames of the underlay that a packet in the pod is made of. */
function framesJoined({ namespaces }: Contender): number {
  const packets = (short: string, link: string): number => Number(namespaces.run(short, `cat /sys/class/net/${link}/statistics/rx_packets`))
  return packets('node-b', 'up0') / packets('pod-b', 'eth0')
}

export const joins: Part = {
  id: 'joins',
  title: 'Ways to join segments behind a label',
  about: `GRO has nothing for what is behind a label. What joining would be worth where a network cuts, by programs as bare as the minimal one: as "TCP from pod to pod",
underlay "wire". A study by programs of its own; the joint label is what Heddle has of it (docs/adr/0025), and docs/adr/0023 says why.`,
  async run(context) {
    const contenders: Contender[] = []
    try {
      for (const kind of ['minimal', 'vxlan'] as const) if (context.wants(NAMES[kind])) contenders.push(await start(kind))
      const ways = WAYS.filter(({ name }) => context.wants(name))
      for (const way of ways) contenders.push(await startWay(way))
      for (const { namespaces } of contenders) {
        setUnderlay(namespaces, 'wire')
        await namespaces.serve('pod-b', [compiled('traffic'), 'tcp-serve', `${PORT}`], CPU)
      }
      const figures = await rounds(contenders, context, 'wire', tcpOnce)
      for (const contender of contenders) {
        const { name } = contender
        const joined = framesJoined(contender)
        context.progress(`${name}: a packet of the pod is ${joined.toFixed(1)} frames of the underlay`)
        if (ways.some((way) => way.joins && way.name === name) && joined < JOINED) throw new Error(`${name} joins nothing`)
      }
      const studies = ways.map(({ name, note }): Software => ({ ...softwareOf(['minimal'])[0], name, role: 'study', note }))
      const software = [...softwareOf(['minimal', 'vxlan']).filter(({ name }) => context.wants(name)), ...studies]
      const series = Array.from(figures, ([name, one]) => ({ name, rounds: one }))
      return { software, measures: [{ id: 'joins', title: 'One stream', unit: 'Gbit/s', better: 'higher', series }] }
    } finally {
      for (const contender of contenders.reverse()) await contender.close()
    }
  },
}
