import type { PortObject } from '@heddle/core'
import { ETHERNET_HEADER_SIZE, ETHER_TYPE_ARP, ETHER_TYPE_IPV4, ETHER_TYPE_IPV6 } from '@heddle/wire'
import { REASON } from '../context.js'
import type { PacketOut } from '../packet-out.js'
import { covers } from '../source-set.js'
import type { LinkAddress } from './link-addresses.js'
import { answerNeighbour, type LinkPort } from './neighbour-proxy.js'

/** What `receive` returns for a frame whose packet goes on, and for one that was answered; everything else is a slot in `DROP_REASONS`. */
export const PACKET = -1
export const ANSWERED = -2
/** Hardware and protocol of IPv4 on Ethernet (RFC 826), and the sizes of their addresses. */
const ARP_IPV4_ON_ETHERNET = 0x0001_0800
const ARP_SIZES = 0x0604

/**
 * The link of a port whose device carries Ethernet frames. The endpoint's address is that of the last frame that is known to be the endpoint's; before the
 * first, its device's where that is known, or all.
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
    const isForUs = this.#isOwn(view, offset)
    if (this.#isOfEndpoint(view, offset, length, isForUs)) this.#endpoint.write(view.getUint16(offset + 6), view.getUint32(offset + 8))
    this.answer = answerNeighbour(bytes, offset, length, this.#port)
    if (this.answer > 0) return ANSWERED
    const etherType = view.getUint16(offset + 12)
    if (!isForUs || etherType === ETHER_TYPE_ARP) return REASON['destination-invalid']
    const version = length > ETHERNET_HEADER_SIZE ? bytes[offset + ETHERNET_HEADER_SIZE] >>> 4 : 0
    if (etherType === ETHER_TYPE_IPV4) return version === 4 ? PACKET : REASON['inner-malformed']
    if (etherType === ETHER_TYPE_IPV6) return version === 6 ? PACKET : REASON['inner-malformed']
    return REASON['family-unsupported']
  }

  /**
   * Whether the frame is the endpoint's: for the router or a group, and from an address that the endpoint may send from. Where its device is in a bridge, frames
   * of others come in as well, and whoever is heard gets what is for the endpoint.
   */
  #isOfEndpoint(view: DataView, offset: number, length: number, isForUs: boolean): boolean {
    const isFromNobody = view.getUint16(offset + 6) === 0 && view.getUint32(offset + 8) === 0
    if (isFromNobody || isGroup(view, offset + 6) || this.#isOwn(view, offset + 6)) return false
    return (isForUs || isGroup(view, offset)) && this.#mayBeFrom(view, offset + ETHERNET_HEADER_SIZE, offset + length)
  }

  /** Whether what is in a frame says that it is from an address of the endpoint. */
  #mayBeFrom(view: DataView, at: number, end: number): boolean {
    const etherType = view.getUint16(at - 2)
    if (etherType === ETHER_TYPE_IPV6) {
      if (at + 24 > end) return false
      return this.#isAllowed(6, view.getUint32(at + 8), view.getUint32(at + 12), view.getUint32(at + 16), view.getUint32(at + 20))
    }
    if (etherType === ETHER_TYPE_IPV4) return at + 16 <= end && this.#isAllowed(4, view.getUint32(at + 12), 0, 0, 0)
    if (etherType !== ETHER_TYPE_ARP || at + 18 > end) return false
    const isIpv4OnEthernet = view.getUint32(at) === ARP_IPV4_ON_ETHERNET && view.getUint16(at + 4) === ARP_SIZES
    return isIpv4OnEthernet && this.#isAllowed(4, view.getUint32(at + 14), 0, 0, 0)
  }

  #isAllowed(family: 4 | 6, w0: number, w1: number, w2: number, w3: number): boolean {
    const { own } = this.#port
    if (own.length === 0) return true
    for (const prefix of own) if (covers(prefix, family, w0, w1, w2, w3)) return true
    return false
  }

  #isOwn(view: DataView, at: number): boolean {
    return view.getUint16(at) === this.#ownHigh && view.getUint32(at + 2) === this.#ownLow
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

function isGroup(view: DataView, at: number): boolean {
  return (view.getUint8(at) & 1) === 1
}
