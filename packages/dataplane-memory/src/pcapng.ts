/**
 * Writes captures that Wireshark reads (pcapng, draft-ietf-opsawg-pcapng): a section header, an interface description for each interface, and an
 * enhanced packet block a packet, all little-endian.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |                          Block type                           |
 *     |                      Block total length                       |
 *     |              Body, padded to a multiple of 32 bits            |
 *     |                      Block total length                       |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
export interface PcapngWriter {
  /** Describes an interface and returns its id for `packet`. */
  addInterface(name: string, linkType: LinkType): number
  /** Writes a packet. @param microseconds since the Unix epoch, or since any start that all packets share */
  packet(interfaceId: number, microseconds: number, bytes: Uint8Array, about?: PacketNotes | string): void
}

/** What a capture says of a packet besides its octets; a text alone is a comment. */
export interface PacketNotes {
  readonly comment?: string
  /** As the interface's owner sees it. */
  readonly direction?: 'inbound' | 'outbound'
  /** Octets that the packet had, if more than are there. */
  readonly length?: number
}

/** LINKTYPE registry values: what the first octets of an interface's packets are. */
export const LINK_TYPES = { ethernet: 1, raw: 101, ipv4: 228, ipv6: 229 } as const
/** A name of `LINK_TYPES`. */
export type LinkType = keyof typeof LINK_TYPES

const SECTION_HEADER = 0x0a0d0d0a
const INTERFACE_DESCRIPTION = 1
const ENHANCED_PACKET = 6

const OPTION_END = 0
const OPTION_COMMENT = 1
const OPTION_IF_NAME = 2
const OPTION_FLAGS = 2

/** Starts a capture: writes the section header to `sink`, which gets each block as a chunk of its own. */
export function pcapngWriter(sink: (chunk: Uint8Array) => void): PcapngWriter {
  let interfaces = 0
  sink(sectionHeader())
  return {
    addInterface(name, linkType) {
      sink(interfaceDescription(name, linkType))
      return interfaces++
    },
    packet(interfaceId, microseconds, bytes, about = {}) {
      sink(enhancedPacket(interfaceId, microseconds, bytes, typeof about === 'string' ? { comment: about } : about))
    },
  }
}

function sectionHeader(): Uint8Array {
  const { chunk, view } = block(SECTION_HEADER, 16)
  view.setUint32(8, 0x1a2b3c4d, true)
  view.setUint16(12, 1, true)
  view.setUint16(14, 0, true)
  view.setBigInt64(16, -1n, true) // section length: not given
  return chunk
}

function interfaceDescription(name: string, linkType: LinkType): Uint8Array {
  const options = encodeOptions([[OPTION_IF_NAME, new TextEncoder().encode(name)]])
  const { chunk, view } = block(INTERFACE_DESCRIPTION, 8 + options.length)
  view.setUint16(8, LINK_TYPES[linkType], true)
  view.setUint32(12, 0, true) // snapshot length: no limit
  chunk.set(options, 16)
  return chunk
}

function enhancedPacket(
  interfaceId: number,
  microseconds: number,
  bytes: Uint8Array,
  { comment, direction, length }: PacketNotes,
): Uint8Array {
  const options = encodeOptions([
    ...(comment === undefined ? [] : [[OPTION_COMMENT, new TextEncoder().encode(comment)] as const]),
    ...(direction === undefined ? [] : [[OPTION_FLAGS, Uint8Array.of(direction === 'inbound' ? 1 : 2, 0, 0, 0)] as const]),
  ])
  const { chunk, view } = block(ENHANCED_PACKET, 20 + padded(bytes.length) + options.length)
  view.setUint32(8, interfaceId, true)
  view.setUint32(12, Math.floor(microseconds / 0x1_0000_0000), true)
  view.setUint32(16, microseconds % 0x1_0000_0000, true)
  view.setUint32(20, bytes.length, true)
  view.setUint32(24, length ?? bytes.length, true)
  chunk.set(bytes, 28)
  chunk.set(options, 28 + padded(bytes.length))
  return chunk
}

function block(type: number, bodyLength: number): { chunk: Uint8Array; view: DataView } {
  const length = 12 + bodyLength
  const chunk = new Uint8Array(length)
  const view = new DataView(chunk.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, length, true)
  view.setUint32(length - 4, length, true)
  return { chunk, view }
}

function encodeOptions(options: readonly (readonly [code: number, octets: Uint8Array])[]): Uint8Array {
  if (options.length === 0) return new Uint8Array(0)
  const out = new Uint8Array(options.reduce((size, [, octets]) => size + 4 + padded(octets.length), 4))
  const view = new DataView(out.buffer)
  let at = 0
  for (const [code, octets] of options) {
    view.setUint16(at, code, true)
    view.setUint16(at + 2, octets.length, true)
    out.set(octets, at + 4)
    at += 4 + padded(octets.length)
  }
  view.setUint16(at, OPTION_END, true)
  return out
}

function padded(length: number): number {
  return (length + 3) & ~3
}
