import { ByteWriter, RouteDistinguisher, ValueError, type ByteReader } from '@heddle/wire'
import { AFI, SAFI } from '../iana.js'
import type { Family } from './family.js'
import { componentNumber, decodeComponents, encodeComponent, type FlowspecComponent } from './flowspec-component.js'
import { decodeFramed } from './framed-entries.js'
import type { NlriCodec } from './nlri-codec.js'
import { writePathId } from './prefix-field.js'
import type { RawNlri } from './raw.js'

/** A traffic filtering rule of IPv4, IPv6 or a VPN of these (RFC 8955 §4, RFC 8956 §3). */
export interface FlowspecNlri {
  readonly kind: 'flowspec'
  /** Only in VPN families (RFC 8955 §8). */
  readonly rd?: RouteDistinguisher
  /** Ordered by type, each type at most once. */
  readonly components: readonly FlowspecComponent[]
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}

/** Lengths from here on have two octets, the first of which begins with 0xf (RFC 8955 §4.1). */
const LONG = 0xf0
const MAX_LENGTH = 0xfff

/**
 * Length, route distinguisher, components (RFC 8955 §4, §8).
 *
 *     +------------------------------+
 *     | length (1 or 2 octets)       |  of all that follows
 *     +------------------------------+
 *     | route distinguisher (8)      |  VPN
 *     +------------------------------+
 *     | components                   |
 *     +------------------------------+
 */
export const flowspecCodec: NlriCodec<FlowspecNlri | RawNlri> = Object.freeze<NlriCodec<FlowspecNlri | RawNlri>>({
  kind: 'flowspec',
  decode: (input, family, mode) => decodeFramed(input, family, mode, (entry) => decodeRule(entry, family)),
  encode(nlri, out, family, mode) {
    if (nlri.kind === 'raw') return
    writePathId(out, nlri, mode)
    const rule = new ByteWriter(64)
    if (isVpn(family)) {
      const { high, low } = nlri.rd ?? { high: 0, low: 0 }
      rule.u32(high).u32(low)
    }
    let last = 0
    for (const component of nlri.components) {
      const number = componentNumber(component)
      if (number <= last) throw new ValueError('bgp.nlri.flowspec.order', component.type, 'each type once, in ascending order')
      last = number
      encodeComponent(component, rule, family.afi)
    }
    const { length } = rule
    if (nlri.components.length === 0 || length > MAX_LENGTH)
      throw new ValueError('bgp.nlri.length', `${length} octets`, 'a rule of 1–4,095 octets')
    if (length < LONG) out.u8(length)
    else out.u16((LONG << 8) | length)
    out.octets(rule.view())
  },
})

/** Whether rules of the family are taken apart: those of layer 2 (draft-ietf-idr-flowspec-l2vpn) are kept as octets. */
export function isFlowspec({ afi, safi }: Family): boolean {
  return (afi === AFI.ipv4 || afi === AFI.ipv6) && (safi === SAFI.flowspec || safi === SAFI.flowspecVpn)
}

function isVpn({ safi }: Family): boolean {
  return safi === SAFI.flowspecVpn
}

function decodeRule(entry: ByteReader, family: Family): FlowspecNlri {
  entry.skip(entry.peekU8() < LONG ? 1 : 2)
  if (!isVpn(family)) return { kind: 'flowspec', components: decodeComponents(entry, family.afi) }
  const rd = RouteDistinguisher.fromWords(entry.u32(), entry.u32())
  return { kind: 'flowspec', rd, components: decodeComponents(entry, family.afi) }
}
