import type { ByteReader } from '../byte-reader.js'

/**
 * BFD control packet (RFC 5880 §4.1), over UDP port 3784 for one hop (RFC 5881 §4) and 4784 for several (RFC 5883 §5).
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                       My Discriminator                        |
 *     |                      Your Discriminator                       |
 *     |                    Desired Min TX Interval                    |
 *     |                   Required Min RX Interval                    |
 *     |                 Required Min Echo RX Interval                 |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface BfdPacket {
  /** Why the session last went down, 0–31: a value of `BFD_DIAGNOSTICS`, or one that is reserved. */
  readonly diagnostic: number
  readonly state: BfdState
  readonly poll: boolean
  readonly final: boolean
  /** The sender's BFD does not share the fate of its control plane. */
  readonly controlPlaneIndependent: boolean
  readonly demand: boolean
  /** 1–255. */
  readonly detectMultiplier: number
  /** Unsigned words; mine is never 0. */
  readonly myDiscriminator: number
  readonly yourDiscriminator: number
  /** Microseconds. */
  readonly desiredMinTxInterval: number
  readonly requiredMinRxInterval: number
  readonly requiredMinEchoRxInterval: number
}

/** States by their number on the wire (RFC 5880 §4.1). */
export const BFD_STATES = ['admin-down', 'down', 'init', 'up'] as const
/** One of `BFD_STATES`. */
export type BfdState = (typeof BFD_STATES)[number]

/** Diagnostics (RFC 5880 §4.1) that a session without echo gives. */
export const BFD_DIAGNOSTICS = {
  none: 0,
  detectionTimeExpired: 1,
  neighborSignaledDown: 3,
  forwardingPlaneReset: 4,
  pathDown: 5,
  administrativelyDown: 7,
} as const

/** Octets of a packet without authentication. */
export const BFD_PACKET_SIZE = 24
/** UDP destination port for one hop (RFC 5881 §4). */
export const BFD_PORT = 3784
/** UDP destination port for several hops (RFC 5883 §5). */
export const BFD_MULTIHOP_PORT = 4784

const VERSION = 1
const POLL = 0x20
const FINAL = 0x10
const INDEPENDENT = 0x08
const AUTHENTICATED = 0x04
const DEMAND = 0x02
const MULTIPOINT = 0x01

/** Writes `packet` at `offset`; returns the offset behind it. */
export function encodeBfdPacket(packet: BfdPacket, out: DataView, offset: number): number {
  const flags =
    (BFD_STATES.indexOf(packet.state) << 6) |
    (packet.poll ? POLL : 0) |
    (packet.final ? FINAL : 0) |
    (packet.controlPlaneIndependent ? INDEPENDENT : 0) |
    (packet.demand ? DEMAND : 0)
  out.setUint8(offset, (VERSION << 5) | packet.diagnostic)
  out.setUint8(offset + 1, flags)
  out.setUint8(offset + 2, packet.detectMultiplier)
  out.setUint8(offset + 3, BFD_PACKET_SIZE)
  out.setUint32(offset + 4, packet.myDiscriminator)
  out.setUint32(offset + 8, packet.yourDiscriminator)
  out.setUint32(offset + 12, packet.desiredMinTxInterval)
  out.setUint32(offset + 16, packet.requiredMinRxInterval)
  out.setUint32(offset + 20, packet.requiredMinEchoRxInterval)
  return offset + BFD_PACKET_SIZE
}

/**
 * Reads a packet by the rules of reception that need no session (RFC 5880 §6.8.6); what follows it in its container stays unread.
 *
 * @throws WireError `wire.truncated`, `wire.bfd.version`, `wire.bfd.length`, `wire.bfd.multiplier`, `wire.bfd.multipoint`, `wire.bfd.discriminator`,
 * `wire.bfd.authentication` (a packet with an authentication section, which no session here uses)
 */
export function decodeBfdPacket(input: ByteReader): BfdPacket {
  const first = input.u8()
  if (first >>> 5 !== VERSION) input.fail('wire.bfd.version', 'RFC 5880 §6.8.6')
  const flags = input.u8()
  const detectMultiplier = input.u8()
  const length = input.u8()
  if (length < BFD_PACKET_SIZE) input.fail('wire.bfd.length', 'RFC 5880 §6.8.6')
  if (detectMultiplier === 0) input.fail('wire.bfd.multiplier', 'RFC 5880 §6.8.6')
  if ((flags & MULTIPOINT) !== 0) input.fail('wire.bfd.multipoint', 'RFC 5880 §6.8.6')
  const myDiscriminator = input.u32()
  if (myDiscriminator === 0) input.fail('wire.bfd.discriminator', 'RFC 5880 §6.8.6')
  const yourDiscriminator = input.u32()
  const state = BFD_STATES[flags >>> 6]
  const needsYours = state === 'init' || state === 'up'
  if (yourDiscriminator === 0 && needsYours) input.fail('wire.bfd.discriminator', 'RFC 5880 §6.8.6')
  if ((flags & AUTHENTICATED) !== 0) input.fail('wire.bfd.authentication', 'RFC 5880 §6.8.6')
  const [desiredMinTxInterval, requiredMinRxInterval, requiredMinEchoRxInterval] = [input.u32(), input.u32(), input.u32()]
  input.skip(length - BFD_PACKET_SIZE)
  return {
    diagnostic: first & 0x1f,
    state,
    poll: (flags & POLL) !== 0,
    final: (flags & FINAL) !== 0,
    controlPlaneIndependent: (flags & INDEPENDENT) !== 0,
    demand: (flags & DEMAND) !== 0,
    detectMultiplier,
    myDiscriminator,
    yourDiscriminator,
    desiredMinTxInterval,
    requiredMinRxInterval,
    requiredMinEchoRxInterval,
  }
}
