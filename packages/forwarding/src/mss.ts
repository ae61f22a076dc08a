import {
  IPV4_HEADER_SIZE,
  IPV6_HEADER_SIZE,
  IP_PROTOCOL_TCP,
  TCP_HEADER_SIZE,
  clampTcpMss,
  ipv4IsFragment,
  ipv4Protocol,
  ipv6NextHeader,
} from '@heddle/wire'
import type { Context } from './context.js'

/**
 * Lowers the MSS that a SYN announces to what its way takes, where the port that it comes from or goes to wants it. Options are not counted, as
 * whoever adds them to a segment makes room for them (RFC 6691 §3).
 *
 * @param wanted whether the port that the packet goes to wants it
 * @param mtu largest IP packet that the next hop takes
 * @param step the one that hands the packet on, which does so
 */
export function clampMss({ packet, port, trace }: Context, wanted: boolean, mtu: number, step: 'deliver' | 'encap'): void {
  const ofPort = port?.object.clampMss === true ? port.object.mtu : mtu
  if (!wanted && port?.object.clampMss !== true) return
  const { bytes, offset, length, family, headerLength } = packet
  const protocol = family === 4 ? ipv4Protocol(bytes, offset) : ipv6NextHeader(bytes, offset)
  if (protocol !== IP_PROTOCOL_TCP || (family === 4 && ipv4IsFragment(bytes, offset))) return
  const headers = (family === 4 ? IPV4_HEADER_SIZE : IPV6_HEADER_SIZE) + TCP_HEADER_SIZE
  const mss = Math.min(mtu, ofPort) - headers
  if (clampTcpMss(bytes, offset + headerLength, offset + length, mss)) trace?.step(step, `the MSS is lowered to ${mss}`)
}
