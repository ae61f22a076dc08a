import { IpAddress, type ByteReader, type ByteWriter } from '@heddle/wire'

/**
 * What a PMSI tunnel is known by (RFC 6514 §5, and the RFCs that have registered further tunnel types). Addresses of one identifier are of one family.
 */
export type PmsiTunnelIdentifier =
  /** The routes have no tunnel, or its information is elsewhere (type 0). */
  | { readonly kind: 'none' }
  /** RSVP-TE P2MP LSP (type 1): SESSION object without its end (RFC 4875 §19.1). */
  | {
      readonly kind: 'rsvp-te-p2mp'
      readonly extendedTunnelId: IpAddress
      /** 0–65,535; 0 by the RFC. */
      readonly reserved: number
      /** 0–65,535. */
      readonly tunnelId: number
      /** 32 bits. */
      readonly p2mpId: number
    }
  /** mLDP LSP (types 2 and 7): a FEC element (RFC 6388 §2.2, §3.1), `fec` 6 for P2MP, 7 and 8 for MP2MP. */
  | { readonly kind: 'mldp-p2mp' | 'mldp-mp2mp'; readonly fec: number; readonly root: IpAddress; readonly opaque: Uint8Array }
  /** mLDP MP2MP LSP by its opaque value element alone, as OpenDaylight sends it in the place of a FEC element (type 7). */
  | { readonly kind: 'mldp-opaque'; readonly type: number; readonly value: Uint8Array }
  /** PIM tree (types 3, 4, 5): the root of an SSM tree, else the sender. */
  | { readonly kind: 'pim-ssm' | 'pim-sm' | 'bidir-pim'; readonly root: IpAddress; readonly group: IpAddress }
  /** Ingress replication (type 6), assisted replication (type 10, RFC 9574 §4): the end of the unicast tunnel. */
  | { readonly kind: 'ingress-replication' | 'assisted-replication'; readonly endpoint: IpAddress }
  /** BIER (type 11, RFC 8556 §2.1). */
  | { readonly kind: 'bier'; readonly subDomain: number; readonly bfrId: number; readonly bfrPrefix: IpAddress }
  /** Tree of segment routing (types 12 and 13, draft-ietf-bess-mvpn-evpn-sr-p2mp §2). */
  | { readonly kind: 'sr-mpls-p2mp' | 'srv6-p2mp'; readonly treeId: number; readonly root: IpAddress }

/** IANA "P-Multicast Service Interface Tunnel (PMSI Tunnel) Tunnel Types". */
export const PMSI_TUNNEL_TYPE: Readonly<Record<PmsiTunnelIdentifier['kind'], number>> = {
  none: 0,
  'rsvp-te-p2mp': 1,
  'mldp-p2mp': 2,
  'pim-ssm': 3,
  'pim-sm': 4,
  'bidir-pim': 5,
  'ingress-replication': 6,
  'mldp-opaque': 7,
  'mldp-mp2mp': 7,
  'assisted-replication': 10,
  bier: 11,
  'sr-mpls-p2mp': 12,
  'srv6-p2mp': 13,
}

/** Kinds by which tunnel types are read; one of them turns out to be another. */
export type PmsiTunnelKind = Exclude<PmsiTunnelIdentifier['kind'], 'mldp-opaque'>

const KIND_OF = new Map(
  Object.entries(PMSI_TUNNEL_TYPE).flatMap(([kind, type]): [number, PmsiTunnelKind][] =>
    kind === 'mldp-opaque' ? [] : [[type, kind as PmsiTunnelKind]],
  ),
)

/** FEC element types of each kind of mLDP LSP (IANA "FEC Type Name Space"). */
const FECS = { 'mldp-p2mp': [6], 'mldp-mp2mp': [7, 8] } as const

/** The kind that a tunnel type means, or `undefined` for one that is not assigned. */
export function pmsiTunnelKind(type: number): PmsiTunnelKind | undefined {
  return KIND_OF.get(type)
}

/** Reads to the end of the container. @throws WireError `bgp.attribute.pmsi-tunnel.identifier`, `wire.truncated` */
export function decodePmsiTunnelIdentifier(kind: PmsiTunnelKind, input: ByteReader, rfc: string): PmsiTunnelIdentifier {
  /** An address that is what remains after `others` octets. */
  const address = (others = 0): IpAddress => {
    const size = input.remaining - others
    if (size !== 4 && size !== 16) input.fail('bgp.attribute.pmsi-tunnel.identifier', rfc)
    return IpAddress.fromBytes(input.octets(size))
  }
  switch (kind) {
    case 'none':
      return { kind }
    case 'rsvp-te-p2mp':
      return { kind, extendedTunnelId: address(8), reserved: input.u16(), tunnelId: input.u16(), p2mpId: input.u32() }
    case 'mldp-p2mp':
    case 'mldp-mp2mp':
      return decodeLsp(kind, input, rfc)
    case 'pim-ssm':
    case 'pim-sm':
    case 'bidir-pim': {
      const root = address(input.remaining / 2)
      return { kind, root, group: address() }
    }
    case 'ingress-replication':
    case 'assisted-replication':
      return { kind, endpoint: address() }
    case 'bier':
      return { kind, subDomain: input.u8(), bfrId: input.u16(), bfrPrefix: address() }
    default:
      return { kind, treeId: input.u32(), root: address() }
  }
}

/** Writes what `decodePmsiTunnelIdentifier` reads. */
export function encodePmsiTunnelIdentifier(identifier: PmsiTunnelIdentifier, out: ByteWriter): void {
  switch (identifier.kind) {
    case 'none':
      return
    case 'rsvp-te-p2mp':
      out.octets(identifier.extendedTunnelId.toBytes()).u16(identifier.reserved).u16(identifier.tunnelId).u32(identifier.p2mpId)
      return
    case 'mldp-p2mp':
    case 'mldp-mp2mp': {
      const { fec, root, opaque } = identifier
      const octets = root.toBytes()
      out
        .u8(fec)
        .u16(root.family === 4 ? 1 : 2)
        .u8(octets.length)
        .octets(octets)
        .u16(opaque.length)
        .octets(opaque)
      return
    }
    case 'mldp-opaque':
      out.u8(identifier.type).u16(identifier.value.length).octets(identifier.value)
      return
    case 'pim-ssm':
    case 'pim-sm':
    case 'bidir-pim':
      out.octets(identifier.root.toBytes()).octets(identifier.group.toBytes())
      return
    case 'ingress-replication':
    case 'assisted-replication':
      out.octets(identifier.endpoint.toBytes())
      return
    case 'bier':
      out.u8(identifier.subDomain).u16(identifier.bfrId).octets(identifier.bfrPrefix.toBytes())
      return
    default:
      out.u32(identifier.treeId).octets(identifier.root.toBytes())
  }
}

/** Type, address family, length and root, length and opaque value (RFC 6388 §2.2); or type, length and value of the latter (§2.3). */
function decodeLsp(kind: 'mldp-p2mp' | 'mldp-mp2mp', input: ByteReader, rfc: string): PmsiTunnelIdentifier {
  const allowed: readonly number[] = FECS[kind]
  const fec = input.u8()
  if (kind === 'mldp-mp2mp' && !allowed.includes(fec)) return { kind: 'mldp-opaque', type: fec, value: input.octets(input.u16()).slice() }
  const size = FAMILY_SIZES.get(input.u16())
  const isFec = allowed.includes(fec) && size !== undefined && input.u8() === size
  if (!isFec) input.fail('bgp.attribute.pmsi-tunnel.identifier', rfc)
  const root = IpAddress.fromBytes(input.octets(size))
  return { kind, fec, root, opaque: input.octets(input.u16()).slice() }
}

/** Octets of an address by its address family number. */
const FAMILY_SIZES: ReadonlyMap<number, number> = new Map([
  [1, 4],
  [2, 16],
])
