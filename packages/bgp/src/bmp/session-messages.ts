import { ByteWriter, IpAddress, RouteDistinguisher, ValueError } from '@heddle/wire'
import type { AttributeSet } from '../attribute/attribute-set.js'
import { encodeMessage } from '../decode.js'
import { AFI } from '../iana.js'
import type { Capability } from '../capability/capability.js'
import type { OpenMessage } from '../message/message.js'
import type { EncodeOptions } from '../message/options.js'
import { packUpdates, packWithdrawals } from '../message/pack.js'
import type { Family } from '../nlri/family.js'
import type { NeighborView } from '../speaker/peer/neighbor-view.js'
import { BMP_PEER_DOWN, BMP_PEER_FLAG, BMP_PEER_TYPE } from './iana.js'
import { encodeInformation } from './information.js'
import type { BmpPeerDown, BmpPeerUp } from './message.js'
import type { MonitoredGroup } from './monitored-tables.js'
import type { BmpPeer } from './peer.js'

/** Who a message is about, without the moment. */
export type MonitoredPeer = Omit<BmpPeer, 'seconds' | 'microseconds'>

/** Of a neighbor that has not been found yet, and of tables of our own. */
export const UNSPECIFIED = IpAddress.parse('::')
/** Of what is in no VRF (RFC 7854 §4.2). */
export const NO_DISTINGUISHER = RouteDistinguisher.fromWords(0, 0)

/** The header of a neighbor (RFC 7854 §4.2). @param distinguisher of the VRF that the neighbor is in, or of none */
export function monitoredPeer(view: NeighborView, distinguisher: RouteDistinguisher): MonitoredPeer {
  const address = view.remoteAddress ?? UNSPECIFIED
  return {
    peerType: view.config.vrf === undefined ? BMP_PEER_TYPE.global : BMP_PEER_TYPE.rd,
    flags: address.family === 6 ? BMP_PEER_FLAG.ipv6 : 0,
    distinguisher,
    address,
    as: view.as,
    routerId: view.negotiated?.remoteRouterId ?? IpAddress.v4(0),
  }
}

/** A session that is established, or `undefined` for a neighbor whose session is not (RFC 7854 §4.10). */
export function peerUpOf(peer: BmpPeer, { session }: NeighborView): BmpPeerUp | undefined {
  if (session === undefined) return undefined
  const { localAddress, localPort, remotePort, sentOpen, receivedOpen } = session
  return {
    type: 'peer-up',
    peer,
    localAddress,
    localPort,
    remotePort,
    sentOpen: encodeMessage(sentOpen),
    receivedOpen: encodeMessage(receivedOpen),
    information: [],
  }
}

/** The peer that a Loc-RIB is shown as: OPENs with what its routes look like, and its name (RFC 9069 §5.2). */
export function locRibUp(peer: BmpPeer, families: readonly Family[], name: string): BmpPeerUp {
  const capabilities: Capability[] = [
    ...families.map((family): Capability => ({ kind: 'multiprotocol', family })),
    { kind: 'four-octet-as', as: peer.as },
  ]
  const open: OpenMessage = { type: 'open', as: peer.as, holdTime: 0, routerId: peer.routerId, capabilities }
  const [sentOpen, receivedOpen] = [encodeMessage(open), encodeMessage(open)]
  const information = [{ kind: 'table-name', text: name }] as const
  return { type: 'peer-up', peer, localAddress: peer.address, localPort: 0, remotePort: 0, sentOpen, receivedOpen, information }
}

/** A Loc-RIB that is not there any more, with its name (RFC 9069 §5.3). */
export function locRibDown(peer: BmpPeer, name: string): BmpPeerDown {
  const out = new ByteWriter(64)
  encodeInformation([{ kind: 'table-name', text: name }], out)
  return { type: 'peer-down', peer, reason: BMP_PEER_DOWN.locRib, data: out.finish() }
}

/** A peer whose routes are told of as those of another one from here on (RFC 7854 §4.9). */
export function peerRenamed(peer: BmpPeer): BmpPeerDown {
  return { type: 'peer-down', peer, reason: BMP_PEER_DOWN.deconfigured, data: new Uint8Array() }
}

/** Event that stands for an end without a word from either side: the TCP connection failed (RFC 4271 §8.1.4). */
const CONNECTION_FAILS = 18

/** Why a session ended (RFC 7854 §4.9). */
export function peerDownOf(peer: BmpPeer, { lastNotification, lastError }: NeighborView): BmpPeerDown {
  // a notification may be that of a session before this one, whose end left other words
  if (lastNotification !== undefined && lastError?.startsWith('NOTIFICATION') === true) {
    const { direction, code, subcode, data = new Uint8Array() } = lastNotification
    const reason = direction === 'sent' ? BMP_PEER_DOWN.localNotification : BMP_PEER_DOWN.remoteNotification
    return { type: 'peer-down', peer, reason, data: encodeMessage({ type: 'notification', code, subcode, data }) }
  }
  if (lastError !== undefined) return { type: 'peer-down', peer, reason: BMP_PEER_DOWN.remoteClosed, data: new Uint8Array() }
  return { type: 'peer-down', peer, reason: BMP_PEER_DOWN.localFsm, data: Uint8Array.of(0, CONNECTION_FAILS) }
}

/** Routes of our own that have our address in each session as next hop have none here: the one that means "this router" stands for it. */
function withNextHop(set: AttributeSet, family: Family): AttributeSet {
  if (set.nextHop !== undefined || set.rawNextHop !== undefined) return set
  return { ...set, nextHop: { address: family.afi === AFI.ipv6 ? IpAddress.parse('::') : IpAddress.v4(0) } }
}

/** The UPDATEs that say what a group says. Attributes may need the longer form (RFC 8654), whatever the session had agreed on. */
export function updatesOf({ family, set, nlri }: Pick<MonitoredGroup, 'family' | 'set' | 'nlri'>, options: EncodeOptions): Uint8Array[] {
  const pack = (more: EncodeOptions): Uint8Array[] =>
    set === undefined ? packWithdrawals(family, nlri, more) : packUpdates({ family, ...withNextHop(set, family), nlri }, more)
  try {
    return pack(options)
  } catch (error) {
    if (!(error instanceof ValueError)) throw error
    return pack({ ...options, extended: true })
  }
}
