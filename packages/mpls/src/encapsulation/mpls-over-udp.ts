import { IP_PROTOCOL_UDP, UDP_HEADER_SIZE } from '@heddle/wire'
import { JOINT_LABEL_OTHER } from '../joint-label.js'
import { LABEL_STACK_ENTRY_SIZE, setLabelStackWordAt } from '../label-stack.js'
import { underlayHeaderSize, writeLabels, writeUnderlayHeader, type TunnelTemplate, type UnderlayOptions } from './tunnel-template.js'

/*
 * MPLS-in-UDP (RFC 7510 §3).
 *
 *     +-----------+---------------------------------------------+-------------+--------+
 *     | IPv4/IPv6 | UDP: entropy, 6635, length, checksum        | label stack | packet |
 *     +-----------+---------------------------------------------+-------------+--------+
 *
 * Between ends that agreed on it, a joint label goes on top of the stack: see `joint-label.ts`.
 */

/** UDP destination port (RFC 7510 §6). */
export const MPLS_UDP_PORT = 6635
/** The port that was used before one was assigned; taken on receive only. */
export const MPLS_UDP_LEGACY_PORT = 51_234

/** A tunnel of MPLS over UDP. */
export interface MplsOverUdpOptions extends UnderlayOptions {
  /** Top first, each 0–1,048,575; at least one. Two or more: MPLS over MPLS inside the tunnel. */
  readonly labels: readonly number[]
  /**
   * Whether to compute UDP checksums. By default not over IPv4, and over IPv6 yes: there, to go without needs an operator who knows that the network
   * does not corrupt packets (RFC 7510 §3.1, RFC 6936 §4).
   */
  readonly udpChecksum?: boolean
  /** Whether a joint label goes on top of `labels`; only to a far end that reads it. False by default. */
  readonly joint?: boolean
}

/** Lays out the headers of an MPLS-over-UDP tunnel. @throws ValueError `mpls.tunnel.family`, `mpls.tunnel.labels` */
export function mplsOverUdp(options: MplsOverUdpOptions): TunnelTemplate {
  const { labels, local, udpChecksum = local.family === 6, joint: isJoint = false } = options
  const udp = underlayHeaderSize(options)
  const joint = udp + UDP_HEADER_SIZE
  const stack = isJoint ? joint + LABEL_STACK_ENTRY_SIZE : joint
  const octets = new Uint8Array(stack + labels.length * LABEL_STACK_ENTRY_SIZE)
  const ipv4Sum = writeUnderlayHeader(octets, options, IP_PROTOCOL_UDP)
  new DataView(octets.buffer).setUint16(udp + 2, MPLS_UDP_PORT)
  if (isJoint) setLabelStackWordAt(octets, joint, JOINT_LABEL_OTHER)
  writeLabels(octets, stack, labels)
  return {
    octets,
    family: local.family,
    ipv4Sum,
    udp,
    udpChecksum,
    joint: isJoint ? joint : -1,
    stack,
    labels: labels.length,
    innerEtherType: -1,
  }
}

/** Whether a datagram to `port` carries MPLS. */
export function isMplsUdpPort(port: number): boolean {
  return port === MPLS_UDP_PORT || port === MPLS_UDP_LEGACY_PORT
}
