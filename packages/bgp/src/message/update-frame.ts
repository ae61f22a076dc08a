import { ByteWriter } from '@heddle/wire'
import { HOP, attributeEnd, hopStart, valueStart } from '../attribute/canonical.js'
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
  readonly #base: boolean
  readonly #vpn: boolean
  readonly #v6: boolean

  constructor(private readonly family: Family) {
    this.#base = family.key === IPV4_UNICAST.key
    this.#vpn = nextHopForm(family) === 'vpn'
    this.#v6 = family.afi === AFI.ipv6 && !hasMixedNextHops(family)
  }

  /** @param canonical octets that `canonicalAttributes` made @returns a frame that is valid until the next call */
  frame(canonical: Uint8Array): UpdateFrame {
    const attributes = this.#attributes.truncate(0)
    const end = hopStart(canonical)
    const hop = end === canonical.length ? end : valueStart(canonical, end)
    const plainV4 = canonical[hop] === 0 && canonical.length === hop + 1 + NEXT_HOP_SIZE
    if (this.#base && plainV4) {
      const at = behindAsPath(canonical, end)
      attributes.copy(canonical, 0, at).u8(ATTRIBUTE_FLAG.transitive).u8(ATTRIBUTE.nextHop).u8(NEXT_HOP_SIZE)
      attributes.copy(canonical, hop + 1, canonical.length).copy(canonical, at, end)
      return { attributes: attributes.view() }
    }
    attributes.copy(canonical, 0, end)
    this.#head(canonical, hop)
    return { attributes: attributes.view(), reach: this.#reach.view() }
  }

  /** AFI, SAFI, next hop, reserved octet; `hop` is where the canonical form of the next hop begins, if there is one. */
  #head(canonical: Uint8Array, hop: number): void {
    const { afi, safi } = this.family
    const out = this.#reach.truncate(0).u16(afi).u8(safi)
    const close = out.reserveU8()
    if (hop < canonical.length) {
      const form = canonical[hop]
      if (form === HOP.raw) out.copy(canonical, hop + 1, canonical.length)
      else this.#nextHop(out, canonical, hop + 1, form)
    }
    close()
    out.u8(0)
  }

  #nextHop(out: ByteWriter, canonical: Uint8Array, at: number, form: number): void {
    const rd = (form & HOP.rd) === 0 ? at : at + RD
    const address = (form & HOP.linkLocal) === 0 ? rd : rd + V6
    if (this.#vpn) {
      if (rd === at) out.u32(0).u32(0)
      else out.copy(canonical, at, rd)
    }
    if (this.#v6 && canonical.length - address === 4) out.u32(0).u32(0).u32(0xffff)
    out.copy(canonical, address, canonical.length)
    if (address === rd) return
    if (this.#vpn) out.u32(0).u32(0)
    out.copy(canonical, rd, address)
  }
}

/** Where NEXT_HOP stands in the order of types. */
function behindAsPath(canonical: Uint8Array, end: number): number {
  let at = 0
  while (at < end && canonical[at + 1] < ATTRIBUTE.nextHop) at = attributeEnd(canonical, at)
  return at
}
