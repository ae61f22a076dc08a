import { ETHERNET_HEADER_SIZE, IP_PROTOCOL_UDP, UDP_HEADER_SIZE, ValueError, type MacAddress } from '@heddle/wire'
import { underlayHeaderSize, writeUnderlayHeader, type TunnelTemplate, type UnderlayOptions } from './tunnel-template.js'
import { encodeVxlanHeader, VXLAN_HEADER_SIZE, VXLAN_PORT } from './vxlan-header.js'

/*
 * VXLAN (RFC 7348 §5) between routers: the inner frame is from router to router (RFC 9135 §4.1).
 *
 *     +-----------+-----------------------------------+---------------+---------------------------------+--------+
 *     | IPv4/IPv6 | UDP: entropy, 4789, length, 0     | I flag, VNI   | Ethernet: router MAC, own, type | packet |
 *     +-----------+-----------------------------------+---------------+---------------------------------+--------+
 */

/** A tunnel of VXLAN. */
export interface VxlanOptions extends UnderlayOptions {
  /** 0–16,777,215. */
  readonly vni: number
  /** Destination of the inner frame: the far router. */
  readonly routerMac: MacAddress
  /** Source of the inner frame: this router. */
  readonly localMac: MacAddress
  /** Whether to compute UDP checksums. By default not over IPv4, and over IPv6 yes (RFC 6936 §4). */
  readonly udpChecksum?: boolean
}

/** Lays out the headers of a VXLAN tunnel that carries IP packets. @throws ValueError `mpls.tunnel.family`, `mpls.tunnel.vni` */
export function vxlan(options: VxlanOptions): TunnelTemplate {
  const { local, vni, routerMac, localMac, udpChecksum = local.family === 6 } = options
  if (!Number.isInteger(vni) || vni < 0 || vni > 0xffffff) throw new ValueError('mpls.tunnel.vni', String(vni), 'a VNI of 0–16777215')
  const udp = underlayHeaderSize(options)
  const inner = udp + UDP_HEADER_SIZE + VXLAN_HEADER_SIZE
  const octets = new Uint8Array(inner + ETHERNET_HEADER_SIZE)
  const out = new DataView(octets.buffer)
  const ipv4Sum = writeUnderlayHeader(octets, options, IP_PROTOCOL_UDP)
  out.setUint16(udp + 2, VXLAN_PORT)
  encodeVxlanHeader({ vni }, out, udp + UDP_HEADER_SIZE)
  routerMac.writeTo(out, inner)
  localMac.writeTo(out, inner + 6)
  return { octets, family: local.family, ipv4Sum, udp, udpChecksum, joint: -1, stack: -1, labels: 0, innerEtherType: inner + 12 }
}
