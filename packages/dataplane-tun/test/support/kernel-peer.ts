import type { Encapsulation } from '@heddle/core'
import { missingInKernel } from './requirements.js'
import { LABEL, POD, UNDERLAY, type TwoSites } from './two-sites.js'

/*
 * Site b without Heddle: Linux's own tunnels. VRF red alone, its addresses on the loopback device.
 *
 *   pod-a ─ TUN ─ [virtual router a] ─ site-a ══ veth ══ site-b ─ Linux: FOU + MPLS, GRE + MPLS, or VXLAN ─ lo
 */

/** MAC addresses of the two routers, as `two-sites.ts` has them. */
const MAC = { a: '02:00:00:00:00:0a', b: '02:00:00:00:00:0b' } as const

/** IP protocol number by which Linux carries MPLS inside IP (RFC 4023 §3). */
const MPLS_IN_IP = 137
const MPLS_UDP_PORT = 6635
const VXLAN_PORT = 4789

/** What Linux carries by itself. */
export type KernelEncapsulation = Exclude<Encapsulation, 'mpls' | 'mpls-udp-joint'>

export interface KernelPeerOptions {
  readonly encapsulation: KernelEncapsulation
  /** Of the underlay. */
  readonly family: 4 | 6
  /** Whether it is told to take UDP over IPv6 without a checksum in VXLAN, which it refuses otherwise; behind FOU it takes it as it is. */
  readonly takesZeroChecksums: boolean
}

/** Tunnels of `encapsulation` to site a: commands in the namespace of site b. Without link-local addresses, devices have nothing to say of themselves. */
const TUNNELS: Readonly<Record<KernelEncapsulation, (options: KernelPeerOptions, local: string, remote: string) => readonly string[]>> = {
  'mpls-udp': ({ family }, local, remote) => [
    `ip ${family === 6 ? '-6 ' : ''}fou add port ${MPLS_UDP_PORT} ipproto ${MPLS_IN_IP}`,
    `ip link add t0 type ${family === 4 ? 'ipip mode mplsip' : 'ip6tnl mode any encaplimit none'} local ${local} remote ${remote} ttl 64 encap fou encap-sport auto encap-dport ${MPLS_UDP_PORT} ${family === 6 ? 'encap-csum' : 'noencap-csum'}`,
    ...mplsBy('t0'),
  ],
  'mpls-gre': ({ family }, local, remote) => [
    `ip link add t0 type ${family === 4 ? 'gre' : 'ip6gre encaplimit none'} local ${local} remote ${remote} ttl 64`,
    ...mplsBy('t0'),
  ],
  // A device has one VNI for both ways: one sends, the other receives. Both have one socket, and so the same settings of it.
  vxlan: ({ takesZeroChecksums }, local, remote) => [
    `ip link add t0 address ${MAC.b} type vxlan id ${LABEL.a.red} local ${local} remote ${remote} dstport ${VXLAN_PORT} noudp6zerocsumtx ${takesZeroChecksums ? '' : 'no'}udp6zerocsumrx`,
    `ip link add t1 address ${MAC.b} type vxlan id ${LABEL.b.red} local ${local} dstport ${VXLAN_PORT} noudp6zerocsumtx ${takesZeroChecksums ? '' : 'no'}udp6zerocsumrx`,
    'ip link set t0 addrgenmode none up',
    'ip link set t1 addrgenmode none up',
    ...POD.a.map((address) => `ip neighbour add ${address} lladdr ${MAC.a} nud permanent dev t0`),
    ...POD.a.map((address, index) => `ip route add ${address}/${index === 0 ? 32 : 128} dev t0 src ${POD.b[index]}`),
  ],
}

function mplsBy(device: string): readonly string[] {
  return [
    `ip link set ${device} addrgenmode none up`,
    'sysctl -qw net.mpls.platform_labels=4096',
    `sysctl -qw net.mpls.conf.${device}.input=1`,
    ...POD.a.map(
      (address, index) => `ip route add ${address}/${index === 0 ? 32 : 128} encap mpls ${LABEL.a.red} dev ${device} src ${POD.b[index]}`,
    ),
    `ip -f mpls route add ${LABEL.b.red} dev lo`,
  ]
}

/** Makes site b a Linux router. @throws what the first command that failed said */
export function makeKernelPeer(sites: TwoSites, options: KernelPeerOptions): void {
  const { encapsulation, family } = options
  const at = (site: 'a' | 'b'): string => UNDERLAY[site][family === 4 ? 0 : 1]
  const commands = [
    'sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0',
    ...POD.b.map((address, index) => `ip address add ${address}/${index === 0 ? 32 : 128} dev lo`),
    ...TUNNELS[encapsulation](options, at('b'), at('a')),
  ]
  for (const command of commands) sites.in('site-b', ...command.split(' '))
}

/** Why this kernel is no such peer; empty when it is. */
export function missingTunnels(encapsulation: KernelEncapsulation): string {
  const [what, probe] =
    encapsulation === 'vxlan' ? ['VXLAN', 'ip link add p0 type vxlan id 1 dstport 4789'] : ['MPLS', 'sysctl net.mpls.platform_labels']
  return missingInKernel(what, probe, 'peers:kernel')
}
