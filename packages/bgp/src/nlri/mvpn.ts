import { IpAddress, RouteDistinguisher, ValueError, type ByteReader, type ByteWriter } from '@heddle/wire'
import { decodeFramed } from './framed-entries.js'
import { readBitAddress, writeBitAddress } from './bit-address.js'
import type { NlriCodec } from './nlri-codec.js'
import { writePathId } from './prefix-field.js'
import type { RawNlri } from './raw.js'

/** What the routes of a multicast VPN have in common. */
interface MvpnCommon {
  readonly kind: 'mvpn'
  readonly pathId?: number
}

/** Intra-AS I-PMSI auto-discovery (type 1, RFC 6514 §4.1). */
export interface MvpnIntraAs extends MvpnCommon {
  readonly route: 'intra-as-i-pmsi'
  readonly rd: RouteDistinguisher
  readonly originator: IpAddress
}

/** Inter-AS I-PMSI auto-discovery (type 2, RFC 6514 §4.2). */
export interface MvpnInterAs extends MvpnCommon {
  readonly route: 'inter-as-i-pmsi'
  readonly rd: RouteDistinguisher
  readonly sourceAs: number
}

/** S-PMSI auto-discovery (type 3, RFC 6514 §4.3). An absent source or group is a wildcard (RFC 6625 §2). */
export interface MvpnSelective extends MvpnCommon {
  readonly route: 's-pmsi'
  readonly rd: RouteDistinguisher
  readonly source?: IpAddress
  readonly group?: IpAddress
  readonly originator: IpAddress
}

/** Leaf auto-discovery (type 4, RFC 6514 §4.4). */
export interface MvpnLeaf extends MvpnCommon {
  readonly route: 'leaf'
  /** The NLRI that is answered, head included. */
  readonly routeKey: Uint8Array
  readonly originator: IpAddress
}

/** Source active auto-discovery (type 5, RFC 6514 §4.5). */
export interface MvpnSourceActive extends MvpnCommon {
  readonly route: 'source-active'
  readonly rd: RouteDistinguisher
  readonly source?: IpAddress
  readonly group?: IpAddress
}

/** C-multicast shared and source tree joins (types 6 and 7, RFC 6514 §4.6). */
export interface MvpnJoin extends MvpnCommon {
  readonly route: 'shared-tree-join' | 'source-tree-join'
  readonly rd: RouteDistinguisher
  readonly sourceAs: number
  readonly source?: IpAddress
  readonly group?: IpAddress
}

/** A route type that is not taken apart. */
export interface MvpnOther extends MvpnCommon {
  readonly route: 'other'
  /** 0–255. */
  readonly routeType: number
  readonly value: Uint8Array
}

/** A route of a multicast VPN (RFC 6514 §4). */
export type MvpnNlri = MvpnIntraAs | MvpnInterAs | MvpnSelective | MvpnLeaf | MvpnSourceActive | MvpnJoin | MvpnOther

const ROUTES = ['intra-as-i-pmsi', 'inter-as-i-pmsi', 's-pmsi', 'leaf', 'source-active', 'shared-tree-join', 'source-tree-join'] as const

/** Route type, length, value (RFC 6514 §4). */
export const mvpnCodec: NlriCodec<MvpnNlri | RawNlri> = Object.freeze<NlriCodec<MvpnNlri | RawNlri>>({
  kind: 'mvpn',
  decode: (input, family, mode) => decodeFramed(input, family, mode, decodeRoute),
  encode(nlri, out, _family, mode) {
    if (nlri.kind === 'raw') return
    writePathId(out, nlri, mode)
    out.u8(nlri.route === 'other' ? nlri.routeType : ROUTES.indexOf(nlri.route) + 1)
    const close = out.reserveU8()
    encodeRoute(nlri, out)
    if (close() > 255) throw new ValueError('bgp.nlri.length', nlri.route, 'at most 255 octets')
  },
})

function decodeRoute(entry: ByteReader): MvpnNlri {
  const routeType = entry.u8()
  entry.skip(1)
  const route = ROUTES[routeType - 1] as (typeof ROUTES)[number] | undefined
  const kind = 'mvpn'
  if (route === undefined) return { kind, route: 'other', routeType, value: entry.rest().slice() }
  if (route === 'leaf') return decodeLeaf(entry)
  const rd = RouteDistinguisher.fromWords(entry.u32(), entry.u32())
  switch (route) {
    case 'intra-as-i-pmsi':
      return { kind, route, rd, originator: restAddress(entry) }
    case 'inter-as-i-pmsi':
      return { kind, route, rd, sourceAs: entry.u32() }
    case 's-pmsi': {
      const flow = readFlow(entry)
      return { kind, route, rd, ...flow, originator: restAddress(entry) }
    }
    case 'source-active':
      return { kind, route, rd, ...readFlow(entry) }
    default:
      return { kind, route, rd, sourceAs: entry.u32(), ...readFlow(entry) }
  }
}

function encodeRoute(nlri: MvpnNlri, out: ByteWriter): void {
  if (nlri.route === 'other') return void out.octets(nlri.value)
  if (nlri.route === 'leaf') return void out.octets(nlri.routeKey).octets(nlri.originator.toBytes())
  out.u32(nlri.rd.high).u32(nlri.rd.low)
  if ('sourceAs' in nlri) out.u32(nlri.sourceAs)
  if (nlri.route === 's-pmsi' || nlri.route === 'source-active' || nlri.route.endsWith('join')) writeFlow(nlri as MvpnSourceActive, out)
  if ('originator' in nlri) out.octets(nlri.originator.toBytes())
}

/** The key is an NLRI with its own length, so what is behind it is the originator. */
function decodeLeaf(entry: ByteReader): MvpnLeaf {
  const key = entry.bytes.subarray(entry.position)
  const size = key.length < 2 ? entry.fail('bgp.nlri.truncated', 'RFC 6514 §4.4') : 2 + key[1]
  return { kind: 'mvpn', route: 'leaf', routeKey: entry.octets(size).slice(), originator: restAddress(entry) }
}

/** The address that fills the rest. */
function restAddress(entry: ByteReader): IpAddress {
  if (entry.remaining !== 4 && entry.remaining !== 16) entry.fail('bgp.nlri.length', 'RFC 6514 §4.1')
  return IpAddress.fromBytes(entry.rest())
}

function readFlow(entry: ByteReader): { source?: IpAddress; group?: IpAddress } {
  const source = readBitAddress(entry, 'RFC 6514 §4.3')
  const group = readBitAddress(entry, 'RFC 6514 §4.3')
  return { ...(source === undefined ? {} : { source }), ...(group === undefined ? {} : { group }) }
}

function writeFlow({ source, group }: { readonly source?: IpAddress; readonly group?: IpAddress }, out: ByteWriter): void {
  writeBitAddress(source, out)
  writeBitAddress(group, out)
}
