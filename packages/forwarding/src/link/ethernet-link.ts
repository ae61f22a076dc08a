import type { PortObject } from '@heddle/core'
import { ETHERNET_HEADER_SIZE, ETHER_TYPE_ARP, ETHER_TYPE_IPV4, ETHER_TYPE_IPV6 } from '@heddle/wire'
import { REASON } from '../context.js'
import type { PacketOut } from '../packet-out.js'
import type { LinkAddress } from './link-addresses.js'
import { answerNeighbour, type LinkPort } from './neighbour-proxy.js'

/** What `receive` returns for a frame whose packet goes on, and for one that was answered; everything else is a slot in `DROP_REASONS`. */
export const PACKET = -1
export const ANSWERED = -2

/**
 * The link of a port whose device carries Ethernet frames. The endpoint's address is that of the last frame that it sent; before the first, its device's
 * where that is known, or all.
 */
export class EthernetLink {
  readonly #port: LinkPort
  readonly #ownHigh: number
  readonly #ownLow: number
  readonly #endpoint: LinkAddress
  /** Octets of the answer. */
  answer = 0

  constructor({ gateways, allowedSources, link }: PortObject & { readonly link: NonNullable<PortObject['link']> }, endpoint: LinkAddress) {
    this.#port = { mac: link.mac, gateways, own: allowedSources }
    this.#ownHigh = link.mac.high >>> 8
    this.#ownLow = ((link.mac.high << 24) | link.mac.low) >>> 0
    this.#endpoint = endpoint
  }

  /** Where the endpoint's address is known. */
  get endpoint(): LinkAddress {
    return this.#endpoint
  }

  /** Judges a frame; one that asks for a neighbour is answered in place. */
  receive(bytes: Uint8Array, view: DataView, offset: number, length: number): number {
    if (length < ETHERNET_HEADER_SIZE) return REASON['inner-malformed']
    const isUnicast = (bytes[offset + 6] & 1) === 0
    if (isUnicast) this.#endpoint.write(view.getUint16(offset + 6), view.getUint32(offset + 8))
    this.answer = answerNeighbour(bytes, offset, length, this.#port)
    if (this.answer > 0) return ANSWERED
    const etherType = view.getUint16(offset + 12)
    const isForUs = view.getUint16(offset) === this.#ownHigh && view.getUint32(offset + 2) === this.#ownLow
    if (!isForUs || etherType === ETHER_TYPE_ARP) return REASON['destination-invalid']
    const version = length > ETHERNET_HEADER_SIZE ? bytes[offset + ETHERNET_HEADER_SIZE] >>> 4 : 0
    if (etherType === ETHER_TYPE_IPV4) return version === 4 ? PACKET : REASON['inner-malformed']
    if (etherType === ETHER_TYPE_IPV6) return version === 6 ? PACKET : REASON['inner-malformed']
    return REASON['family-unsupported']
  }

  /** Puts the header of a frame to the endpoint before the packet that `out` names. */
  frame(bytes: Uint8Array, out: PacketOut): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const etherType = bytes[out.offset] >>> 4 === 6 ? ETHER_TYPE_IPV6 : ETHER_TYPE_IPV4
    out.offset -= ETHERNET_HEADER_SIZE
    out.length += ETHERNET_HEADER_SIZE
    out.segment += ETHERNET_HEADER_SIZE
    const endpoint = this.#endpoint
    endpoint.read()
    view.setUint16(out.offset, endpoint.high)
    view.setUint32(out.offset + 2, endpoint.low)
    view.setUint16(out.offset + 6, this.#ownHigh)
    view.setUint32(out.offset + 8, this.#ownLow)
    view.setUint16(out.offset + 12, etherType)
  }
}
