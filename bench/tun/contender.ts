import type { ChildProcess } from 'node:child_process'
import type { Namespaces } from './namespaces.ts'

/*
 *     pod-a ─ node-a ═══ veth up0, MTU 1500 ═══ node-b ─ pod-b
 *
 * Each contender has four namespaces of its own in this shape, and its own way from pod to pod.
 */

/** What the underlay's veth does with large segments. */
export type Underlay = 'super' | 'wire'

/** What a contender is called in results. */
export const NAMES = { heddle: 'Heddle', c: 'C forwarder', vxlan: 'kernel VXLAN', routing: 'kernel routing' } as const
export type ContenderKind = keyof typeof NAMES

export const NODE = { a: '192.0.2.1', b: '192.0.2.2' } as const
export const POD = { a: '10.1.0.1', b: '10.1.0.2' } as const
/** Label that each node allocated. */
export const LABEL = { a: 1001, b: 1002 } as const
export type Site = keyof typeof NODE
export const other = { a: 'b', b: 'a' } as const

export interface Contender {
  readonly name: string
  /** Pod to pod. */
  readonly namespaces: Namespaces
  close(): Promise<void>
}

/** Namespaces and underlay of one contender. */
export function layOut(namespaces: Namespaces): void {
  namespaces.add('node-a', 'node-b', 'pod-a', 'pod-b')
  namespaces.run('node-a', 'ip link add up0 mtu 1500 type veth peer name up0 mtu 1500 netns @node-b')
  for (const site of ['a', 'b'] as const) {
    namespaces.run(`node-${site}`, 'ip link set up0 up')
    namespaces.run(`node-${site}`, `ip address add ${NODE[site]}/24 dev up0`)
  }
}

/**
 * `super`: large segments cross the veth whole, as in every lab. `wire`: they are cut in software into frames of at most 1,500 octets before they
 * cross, and joined by GRO behind, as with a NIC that knows nothing of the tunnel.
 */
export function setUnderlay(namespaces: Namespaces, underlay: Underlay): void {
  const large = underlay === 'super' ? 'on' : 'off'
  for (const node of ['node-a', 'node-b']) {
    namespaces.run(node, `ethtool -K up0 tso ${large} gso ${large} tx-udp-segmentation ${large} gro ${underlay === 'wire' ? 'on' : 'off'}`)
  }
}

/** By a VXLAN with UDP checksums, or with those of zero; or without a tunnel. */
export type KernelWay = 'vxlan' | 'vxlan-no-sums' | 'routing'

/** Ways from pod to pod by the kernel alone: a veth into each node, which routes. */
export function kernelWay(namespaces: Namespaces, kind: KernelWay): void {
  const mtu = kind === 'routing' ? 1500 : 1450
  const sums = kind === 'vxlan' ? 'udpcsum' : 'noudpcsum'
  for (const site of ['a', 'b'] as const) {
    const [node, pod, far] = [`node-${site}`, `pod-${site}`, other[site]]
    namespaces.run(node, 'sysctl -q -w net.ipv4.ip_forward=1')
    namespaces.run(node, `ip link add pod0 mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns @${pod}`)
    namespaces.run(node, 'ip link set pod0 up')
    namespaces.run(pod, 'ip link set eth0 up')
    namespaces.run(pod, `ip address add ${POD[site]}/32 dev eth0`)
    namespaces.run(pod, 'ip route add 169.254.1.1 dev eth0 scope link')
    namespaces.run(pod, 'ip route add default via 169.254.1.1 dev eth0 onlink')
    namespaces.run(node, 'ip address add 169.254.1.1/32 dev pod0')
    namespaces.run(node, `ip route add ${POD[site]}/32 dev pod0`)
    if (kind === 'routing') namespaces.run(node, `ip route add ${POD[far]}/32 via ${NODE[far]}`)
    else {
      namespaces.run(
        node,
        `ip link add vx0 mtu ${mtu} type vxlan id 42 local ${NODE[site]} remote ${NODE[far]} dstport 4789 dev up0 ${sums}`,
      )
      namespaces.run(node, `ip address add 10.9.0.${site === 'a' ? 1 : 2}/24 dev vx0`)
      namespaces.run(node, 'ip link set vx0 up')
      namespaces.run(node, `ip route add ${POD[far]}/32 via 10.9.0.${far === 'a' ? 1 : 2}`)
    }
  }
}

/** Gives a pod's TUN its address and routes, for the forwarder in C, which makes only the device. */
export function configurePod(namespaces: Namespaces, site: Site): void {
  namespaces.run(`pod-${site}`, 'ip link set eth0 mtu 1468 up')
  namespaces.run(`pod-${site}`, `ip address add ${POD[site]}/32 dev eth0`)
  namespaces.run(`pod-${site}`, 'ip route add default dev eth0')
}

/** Ends a program that was started, and waits for it. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGKILL')
  await ended
}
