import { ipv4Address, ipv6Address, macAddress } from '@heddle/wire/testing'
import fc from 'fast-check'
import { mplsOverGre, type MplsOverGreOptions } from '../encapsulation/mpls-over-gre.js'
import { mplsOverEthernet, type MplsOverEthernetOptions } from '../encapsulation/mpls-over-mpls.js'
import { mplsOverUdp, type MplsOverUdpOptions } from '../encapsulation/mpls-over-udp.js'
import type { TunnelTemplate, UnderlayOptions } from '../encapsulation/tunnel-template.js'
import { vxlan, type VxlanOptions } from '../encapsulation/vxlan.js'
import { label } from './labels.js'

/** A tunnel of any kind: what was asked for, and its headers. */
export type TunnelCase =
  | { readonly encapsulation: 'mpls-udp' | 'mpls-udp-joint'; readonly options: MplsOverUdpOptions; readonly template: TunnelTemplate }
  | { readonly encapsulation: 'mpls-gre'; readonly options: MplsOverGreOptions; readonly template: TunnelTemplate }
  | { readonly encapsulation: 'mpls'; readonly options: MplsOverEthernetOptions; readonly template: TunnelTemplate }
  | { readonly encapsulation: 'vxlan'; readonly options: VxlanOptions; readonly template: TunnelTemplate }

const labels = fc.array(label(), { minLength: 1, maxLength: 6, size: 'max' })

/** Tunnels over UDP, of either family, with and without a checksum and a joint label. */
export function mplsOverUdpOptions(): fc.Arbitrary<MplsOverUdpOptions> {
  return fc
    .tuple(underlay(), fc.record({ labels, udpChecksum: fc.boolean(), joint: fc.boolean() }, { requiredKeys: ['labels'] }))
    .map(merged)
}

/** Tunnels over GRE, of either family. */
export function mplsOverGreOptions(): fc.Arbitrary<MplsOverGreOptions> {
  return fc.tuple(underlay(), fc.record({ labels })).map(merged)
}

/** Label switched paths that start on a wire. */
export function mplsOverEthernetOptions(): fc.Arbitrary<MplsOverEthernetOptions> {
  return fc.record({ destination: macAddress(), source: macAddress(), labels })
}

/** VXLAN tunnels between routers, of either family, with and without a checksum. */
export function vxlanOptions(): fc.Arbitrary<VxlanOptions> {
  const own = fc.record(
    { vni: fc.nat(0xffffff), routerMac: macAddress(), localMac: macAddress(), udpChecksum: fc.boolean() },
    { requiredKeys: ['vni', 'routerMac', 'localMac'] },
  )
  return fc.tuple(underlay(), own).map(merged)
}

/** Tunnels of any encapsulation. */
export function tunnel(): fc.Arbitrary<TunnelCase> {
  return fc.oneof(
    mplsOverUdpOptions().map((options): TunnelCase => ({
      encapsulation: options.joint === true ? 'mpls-udp-joint' : 'mpls-udp',
      options,
      template: mplsOverUdp(options),
    })),
    mplsOverGreOptions().map((options): TunnelCase => ({ encapsulation: 'mpls-gre', options, template: mplsOverGre(options) })),
    mplsOverEthernetOptions().map((options): TunnelCase => ({ encapsulation: 'mpls', options, template: mplsOverEthernet(options) })),
    vxlanOptions().map((options): TunnelCase => ({ encapsulation: 'vxlan', options, template: vxlan(options) })),
  )
}

function underlay(): fc.Arbitrary<UnderlayOptions> {
  const marks = { hopLimit: fc.integer({ min: 1, max: 255 }), dscp: fc.nat(63) }
  return fc.oneof(
    ...[ipv4Address(), ipv6Address()].map((address) =>
      fc.record({ local: address, remote: address, ...marks }, { requiredKeys: ['local', 'remote'] }),
    ),
  )
}

function merged<A extends object, B extends object>([a, b]: [A, B]): A & B {
  return { ...a, ...b }
}
