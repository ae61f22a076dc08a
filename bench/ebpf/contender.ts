import type { Encapsulation, FibTransaction } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { tunnelMtu } from '@heddle/mpls'
import { IpAddress, MacAddress } from '@heddle/wire'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kernelVersion, root } from '../harness/machine.ts'
import type { Software } from '../harness/result.ts'
import { kernelWay, LABEL, layOut, NODE, other, POD, type KernelWay, type Site } from '../tun/contender.ts'
import { Namespaces } from '../tun/namespaces.ts'
import { linkOf, linksOf, takeFrames } from './frames.ts'
import { fullTables } from './kernel.ts'
import { loadObject, words, type LoadedObject, type Programs } from './objects.ts'

/** What contenders are called in results. */
export const NAMES = {
  heddle: 'Heddle',
  heddleJoint: 'Heddle, joint labels',
  heddleVxlan: 'Heddle, VXLAN',
  minimal: 'minimal tc program',
  minimalOnePort: 'minimal tc program, one port',
  forward: 'XDP at every device',
  vxlan: 'kernel VXLAN',
  vxlanNoSums: 'kernel VXLAN, no sums',
  routing: 'kernel routing',
} as const
export type Kind = keyof typeof NAMES
/** Those that a pod's own sockets go by. */
export const KINDS: readonly Kind[] = ['heddle', 'heddleVxlan', 'minimal', 'vxlan', 'routing']
/** Those, and what joins only streams of TCP. */
export const TCP_KINDS: readonly Kind[] = ['heddle', 'heddleJoint', 'heddleVxlan', 'minimal', 'vxlan', 'vxlanNoSums', 'routing']

export interface Contender {
  readonly kind: Kind
  readonly name: string
  readonly namespaces: Namespaces
  close(): Promise<void>
}

const NOTES: Readonly<Partial<Record<Kind, string>>> = {
  heddle:
    'MPLS over UDP, by tcx on veth and uplink, once programs have moved there from filters (docs/adr/0026), where the host forwards (net.ipv4.conf.UPLINK.forwarding=1); 10,000 routes, a policy each way, a service, sources, counters, TTL, all of it; UDP checksums are zero',
  heddleJoint: 'the same with a joint label on top, as routers with this dataplane send it to each other (docs/adr/0025)',
  heddleVxlan: 'the same with VXLAN between the routers',
  minimal:
    'bench/ebpf/bpf/minimal.bpf.c: the same headers and redirections, to a gateway that it is given; nothing looked up, checked or counted',
  minimalOnePort:
    'the same, with one source port for all flows, so that no hash of a packet is asked for, which a network would need to spread flows',
  forward:
    'bench/ebpf/bpf/forward.bpf.c: forwarding only, by the tables of Heddle; no sources, policies, services or counters, and pods would lose segmentation offload',
  vxlan: 'with UDP checksums, routed between veth pairs',
  vxlanNoSums: 'the same with UDP checksums of zero, as those of Heddle are',
  routing: 'veth pairs, no tunnel',
}

const ENCAPSULATION_OF: Readonly<Partial<Record<Kind, Encapsulation>>> = { heddleJoint: 'mpls-udp-joint', heddleVxlan: 'vxlan' }

const ROLES: Readonly<Record<Kind, Software['role']>> = {
  heddle: 'subject',
  heddleJoint: 'subject',
  heddleVxlan: 'subject',
  forward: 'study',
  minimal: 'rival',
  minimalOnePort: 'rival',
  vxlan: 'rival',
  vxlanNoSums: 'rival',
  routing: 'rival',
}

/** What is the kernel's own. */
const KERNEL_WAYS: Readonly<Partial<Record<Kind, KernelWay>>> = { vxlan: 'vxlan', vxlanNoSums: 'vxlan-no-sums', routing: 'routing' }

/** @param notes in place of those that tell how packets go */
export function softwareOf(kinds: readonly Kind[], notes: Readonly<Partial<Record<Kind, string>>> = NOTES): Software[] {
  const { version } = JSON.parse(readFileSync(join(root, 'packages', 'dataplane-ebpf', 'package.json'), 'utf8')) as { version: string }
  return kinds.map((kind) => ({
    name: NAMES[kind],
    version: kind in KERNEL_WAYS ? kernelVersion() : version,
    role: ROLES[kind],
    ...(notes[kind] === undefined ? {} : { note: notes[kind] }),
  }))
}

/** Sets a contender up, pod to pod. */
export async function start(kind: Kind): Promise<Contender> {
  const namespaces = new Namespaces()
  const closing: (() => Promise<void> | void)[] = [() => namespaces.close()]
  const close = async (): Promise<void> => {
    for (const one of closing.splice(0).reverse()) await one()
  }
  try {
    layOut(namespaces)
    const kernel = KERNEL_WAYS[kind]
    if (kernel !== undefined) kernelWay(namespaces, kernel)
    else if (isBare(kind)) closing.push(await bare(namespaces, BARE[kind]))
    else {
      const dataplanes: EbpfDataplane[] = []
      for (const site of ['a', 'b'] as const) {
        const pins = kind === 'forward' ? mkdtempSync(join(tmpdir(), 'hdbench-ebpf-')) : undefined
        if (pins !== undefined) closing.push(() => rmSync(pins, { recursive: true, force: true }))
        const dataplane = await heddle(namespaces, site, ENCAPSULATION_OF[kind] ?? 'mpls-udp', pins)
        closing.push(() => dataplane.close())
        if (pins !== undefined) closing.push(await forward(namespaces, site, dataplane, pins))
        dataplanes.push(dataplane)
      }
      await Promise.all(dataplanes.map(untilMoved))
    }
    namespaces.run('pod-a', `ping -q -c 3 -i 0.1 -W 2 ${POD.b}`)
    return { kind, name: NAMES[kind], namespaces, close }
  } catch (error) {
    await close()
    throw error
  }
}

const VNI = 42
const ROUTER_MAC = { a: MacAddress.parse('02:00:00:00:00:0a'), b: MacAddress.parse('02:00:00:00:00:0b') } as const

async function heddle(namespaces: Namespaces, site: Site, encapsulation: Encapsulation, pins?: string): Promise<EbpfDataplane> {
  // As on a node of a cluster, and for the kernel's own ways.
  namespaces.run(`node-${site}`, 'sysctl -q -w net.ipv4.conf.up0.forwarding=1')
  const dataplane = await ebpfDataplane({
    addresses: [IpAddress.parse(NODE[site])],
    uplink: 'up0',
    underlayNetns: namespaces.path(`node-${site}`),
    // What rivals have too, and what XDP has a place on.
    devices: 'veth',
    fibBlocks: 32_768,
    routes: 16_384,
    ...(pins === undefined ? {} : { pinDirectory: pins }),
  })
  const report = await dataplane.apply(byTunnel(fullTables(site), site, encapsulation))
  if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report.failures.slice(0, 3)))
  if (dataplane.choice.devices !== 'veth') throw new Error(`endpoints get ${dataplane.choice.devices}`)
  const addresses = [IpAddress.parse(POD[site])]
  const mtu = tunnelMtu(1500, encapsulation, 4, 1)
  await dataplane.attachPort(1, { netns: namespaces.path(`pod-${site}`), ifname: 'eth0', addresses, mtu })
  return dataplane
}

/** How long programs may take to be moved to tcx, milliseconds: devices have to stay for ten seconds. */
const MOVE_PATIENCE = 60_000

/** What is measured are endpoints that stay: where they are attached is what `minimal` has as well. @throws when they are not moved */
export async function untilMoved(dataplane: EbpfDataplane): Promise<void> {
  for (const end = performance.now() + MOVE_PATIENCE; ;) {
    const ports = (await dataplane.inspectKernel()).parts.filter(({ kind, name }) => kind === 'link' && name.startsWith('port '))
    if (ports.every(({ details }) => details === 'ingress by tcx')) return
    if (performance.now() > end) throw new Error(`endpoints were not moved to tcx: ${ports.map(({ details }) => details).join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Where a dataplane with `pins` has its maps. */
export function mapsOf(dataplane: EbpfDataplane, pins: string): string {
  const { tables } = (dataplane as unknown as { parts: { tables: { config: { get(name: string): number } } } }).parts
  return join(pins, `layout-${tables.config.get('layout_version')}`)
}

/** Attaches programs of XDP to both devices of a site that go by the tables of its dataplane; what takes them away. */
async function forward(namespaces: Namespaces, site: Site, dataplane: EbpfDataplane, pins: string): Promise<() => void> {
  const [node, pod] = [`node-${site}`, `pod-${site}`]
  takeFrames(namespaces, node, pod)
  const object = loadObject('forward', mapsOf(dataplane, pins))
  const { maps } = (dataplane as unknown as { parts: { maps: { get(map: string, key: number): Uint8Array | undefined } } }).parts
  const vrf = maps.get('vrfs', 1)
  if (vrf === undefined) throw new Error(`${node} has no VRF`)
  object.update('roots', words(0), Uint8Array.of(...vrf.subarray(0, 4), 0, 0, 0, 0))
  const namespace = namespaces.path(node)
  const host = linksOf(namespaces, node).find(({ ifname }) => /^hd(?!.*(?:vxlan|joint)$)/.test(ifname))
  if (host === undefined) throw new Error(`${node} has no device for its pod`)
  await object.attach({ program: 'forward_out', namespace, ifindex: host.ifindex, usesTcx: false, isXdp: true })
  const { ifindex } = linkOf(namespaces, node, 'up0')
  await object.attach({ program: 'forward_in', namespace, ifindex, usesTcx: false, isXdp: true })
  return () => object.close()
}

/** The same tables with another encapsulation; VXLAN takes the place of labels. */
function byTunnel(transaction: FibTransaction, site: Site, encapsulation: Encapsulation): FibTransaction {
  const nextHops = transaction.nextHops.set.map((hop) => {
    const { action } = hop
    if (action.type !== 'tunnel') return hop
    if (encapsulation !== 'vxlan') return { ...hop, action: { ...action, encapsulation } }
    return { ...hop, action: { ...action, encapsulation, labels: [], vni: VNI, routerMac: ROUTER_MAC[other[site]] } }
  })
  if (encapsulation !== 'vxlan') return { ...transaction, nextHops: { set: nextHops, remove: [] } }
  const vnis = { set: [{ vni: VNI, vrf: 1, routerMac: ROUTER_MAC[site], sources: 1 }], remove: [] }
  return { ...transaction, nextHops: { set: nextHops, remove: [] }, vnis }
}

/** Programs that go by the tables of the minimal ones, and have their way out. */
export interface BarePrograms {
  readonly object: Programs
  /** On the pod's device, and the labels that it puts before a packet; `minimal_encap` and one when left out. */
  readonly encap?: string
  readonly labels?: number
  /** On the uplink. */
  readonly decap: string
  /** What else a node needs. */
  readonly complete?: (namespaces: Namespaces, node: string, object: LoadedObject) => Promise<void>
}

export type BareKind = 'minimal' | 'minimalOnePort'
/** The minimal ones. */
export const BARE = {
  minimal: { object: 'minimal', encap: 'minimal_encap', decap: 'minimal_decap' },
  minimalOnePort: { object: 'minimal', encap: 'minimal_encap_one_port', decap: 'minimal_decap' },
} as const satisfies Readonly<Record<BareKind, BarePrograms>>
const isBare = (kind: Kind): kind is BareKind => kind in BARE

/** Attaches programs to both nodes; what takes them away. */
export async function bare(
  namespaces: Namespaces,
  { object: name, encap = 'minimal_encap', labels = 1, decap, complete }: BarePrograms,
): Promise<() => void> {
  const objects: LoadedObject[] = []
  const mtu = 1500 - 28 - labels * 4
  for (const site of ['a', 'b'] as const) {
    const [node, pod] = [`node-${site}`, `pod-${site}`]
    namespaces.run(node, `ip link add pod0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns @${pod}`)
    namespaces.run(node, 'ip link set pod0 up')
    namespaces.run(pod, 'ip link set eth0 up')
    namespaces.run(pod, `ip address add ${POD[site]}/32 dev eth0`)
    namespaces.run(pod, 'ip link set eth0 arp off')
    namespaces.run(pod, 'ip route add default dev eth0')
    const object = loadObject(name)
    objects.push(object)
    const [uplink, host, inside] = [linkOf(namespaces, node, 'up0'), linkOf(namespaces, node, 'pod0'), linkOf(namespaces, pod, 'eth0')]
    const headers = headersTo(site)
    const way = Uint8Array.of(...words(uplink.ifindex, host.ifindex), ...inside.mac, ...host.mac, ...words(sumOf(headers)), ...headers)
    object.update('ways', words(0), way)
    const namespace = namespaces.path(node)
    await object.attach({ program: encap, namespace, ifindex: host.ifindex, usesTcx: true })
    await object.attach({ program: decap, namespace, ifindex: uplink.ifindex, usesTcx: true })
    await complete?.(namespaces, node, object)
  }
  return () => {
    for (const object of objects) object.close()
  }
}

/** What a checksum adds up of the outer IPv4 header. */
function sumOf(headers: Uint8Array): number {
  const view = new DataView(headers.buffer)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += view.getUint16(at)
  return sum
}

/** Outer IPv4, UDP and label from a site to the other one; lengths, source port and checksum are the program's. */
function headersTo(site: Site): Uint8Array {
  const headers = new Uint8Array(32)
  const view = new DataView(headers.buffer)
  view.setUint32(0, 0x45000000)
  view.setUint32(8, 0xff110000)
  IpAddress.parse(NODE[site]).writeTo(view, 12)
  IpAddress.parse(NODE[other[site]]).writeTo(view, 16)
  view.setUint16(22, 6635)
  view.setUint32(28, (LABEL[other[site]] << 12) | 0x1ff)
  return headers
}
