import { ByteWriter } from '@heddle/wire'
import { HOP, attributeEnd, hopStart, valueStart, type CanonicalSpan } from '../attribute/canonical.js'
import { AFI, ATTRIBUTE, ATTRIBUTE_FLAG } from '../iana.js'
import { hasMixedNextHops, nextHopForm } from '../next-hop/codec.js'
import { IPV4_UNICAST, type Family } from '../nlri/family.js'
import type { UpdateFrame } from './update-batch.js'

const NEXT_HOP_SIZE = 4
/** Octets of an RD. */
const RD = 8
const V6 = 16

/**
 * Makes the frame of UPDATEs from canonical attributes, octets from octets: within four-octet AS numbers what is interned is what stands on the
 * wire, but for the next hop.
 */
export class FrameWriter {
  readonly #attributes = new ByteWriter()
  readonly #reach = new ByteWriter(64)
  /** With the next hop in NEXT_HOP, and in MP_REACH_NLRI. */
  readonly #plain: UpdateFrame = { attributes: this.#attributes }
  readonly #multiprotocol: UpdateFrame = { attributes: this.#attributes, reach: this.#reach }
  readonly #base: boolean
  readonly #vpn: boolean
  readonly #v6: boolean

  constructor(private readonly family: Family) {
    this.#base = family.key === IPV4_UNICAST.key
    this.#vpn = nextHopForm(family) === 'vpn'
    this.#v6 = family.afi === AFI.ipv6 && !hasMixedNextHops(family)
  }

  /** @param canonical octets that `canonicalAttributes` made, where they stand @returns a frame that is valid until the next call */
  frame({ bytes, from, to }: CanonicalSpan): UpdateFrame {
    const attributes = this.#attributes.truncate(0)
    const end = hopStart(bytes, from, to)
    const hop = end === to ? end : valueStart(bytes, end)
    const plainV4 = bytes[hop] === 0 && to === hop + 1 + NEXT_HOP_SIZE
    if (this.#base && plainV4) {
      const at = behindAsPath(bytes, from, end)
      attributes.copy(bytes, from, at).u8(ATTRIBUTE_FLAG.transitive).u8(ATTRIBUTE.nextHop).u8(NEXT_HOP_SIZE)
      attributes.copy(bytes, hop + 1, to).copy(bytes, at, end)
      return this.#plain
    }
    attributes.copy(bytes, from, end)
    this.#head(bytes, hop, to)
    return this.#multiprotocol
  }

  /** AFI, SAFI, next hop, reserved octet; the canonical form of the next hop is from `hop` up to `end`, if there is one. */
  #head(canonical: Uint8Array, hop: number, end: number): void {
    const { afi, safi } = this.family
    const out = this.#reach.truncate(0).u16(afi).u8(safi)
    const close = out.reserveU8()
    if (hop < end) {
      const form = canonical[hop]
      if (form === HOP.raw) out.copy(canonical, hop + 1, end)
      else this.#nextHop(out, canonical, hop + 1, end, form)
    }
    close()
    out.u8(0)
  }

  #nextHop(out: ByteWriter, canonical: Uint8Array, at: number, end: number, form: number): void {
    const rd = (form & HOP.rd) === 0 ? at : at + RD
    const address = (form & HOP.linkLocal) === 0 ? rd : rd + V6
    if (this.#vpn) {
      if (rd === at) out.u32(0).u32(0)
      else out.copy(canonical, at, rd)
    }
    if (this.#v6 && end - address === 4) out.u32(0).u32(0).u32(0xffff)
    out.copy(canonical, address, end)
    if (address === rd) return
    if (this.#vpn) out.u32(0).u32(0)
    out.copy(canonical, rd, address)
  }
}

/** Where NEXT_HOP stands in the order of types. */
function behindAsPath(canonical: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && canonical[at + 1] < ATTRIBUTE.nextHop) at = attributeEnd(canonical, at)
  return at
}
