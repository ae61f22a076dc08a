import { IpAddress, RouteDistinguisher } from '@heddle/wire'
import { FAMILIES, IPV4_UNICAST, IPV6_UNICAST, type Family } from '../nlri/family.js'
import type { SpeakerConfig, VrfConfig } from '../speaker/config.js'
import { BMP_PEER_TYPE } from './iana.js'
import type { BmpMessage } from './message.js'
import type { BmpPeer } from './peer.js'
import { NO_DISTINGUISHER, UNSPECIFIED, locRibDown, locRibUp, type MonitoredPeer } from './session-messages.js'

/** A Loc-RIB that the station is told of, with its header (RFC 9069 §4.1). */
interface MonitoredLocRib {
  readonly name: string
  readonly peer: MonitoredPeer
  /** Families of whose end the station is to hear. */
  readonly families: Family[]
}

/** What a message about a peer is made of, once the moment is known. */
type Making = (peer: BmpPeer) => BmpMessage

/** The Loc-RIBs that a station is told of: that of no VRF, and those of VRFs as they come and go. */
export class LocRibs {
  readonly #known = new Map<string | undefined, MonitoredLocRib>()

  constructor(
    private readonly own: Pick<SpeakerConfig, 'as' | 'routerId'>,
    private readonly send: (peer: MonitoredPeer, make: Making) => void,
  ) {}

  /** The header of what is told of a VRF, or of none; `undefined` for what the station does not know. */
  peerOf(vrf: string | undefined): MonitoredPeer | undefined {
    return this.#known.get(vrf)?.peer
  }

  /**
   * Tells the station which there are. One with another RD is another one (RFC 9069 §4.1).
   *
   * @returns VRFs whose routes the station knows nothing of
   */
  follow(vrfs: readonly VrfConfig[]): Set<string | undefined> {
    const wanted = new Map([this.#global(), ...vrfs.map((vrf) => this.#ofVrf(vrf))])
    for (const [vrf, { name, peer }] of this.#known) {
      const next = wanted.get(vrf)
      if (next !== undefined && next.peer.distinguisher.equals(peer.distinguisher)) continue
      this.#known.delete(vrf)
      this.send(peer, (at) => locRibDown(at, name))
    }
    const fresh = [...wanted].filter(([vrf]) => !this.#known.has(vrf))
    for (const [vrf, rib] of fresh) {
      this.#known.set(vrf, rib)
      this.send(rib.peer, (at) => locRibUp(at, [...rib.families], rib.name))
    }
    return new Set(fresh.map(([vrf]) => vrf))
  }

  /** Takes the families of each that the station has been told everything of, once. */
  *ends(): Generator<readonly [MonitoredPeer, Family]> {
    for (const { peer, families } of this.#known.values()) for (const family of families.splice(0)) yield [peer, family]
  }

  /**
   * Every family that there is: what a station is told must be what it was told to expect (RFC 9069 §5.2), and neighbors and routes of our own bring
   * families at any time.
   */
  #global(): readonly [undefined, MonitoredLocRib] {
    return [undefined, this.#rib('global', NO_DISTINGUISHER, [...FAMILIES])]
  }

  /** What a VRF imports is in its tables whether it has customers or not. */
  #ofVrf({ name, rd }: VrfConfig): readonly [string, MonitoredLocRib] {
    return [name, this.#rib(name, RouteDistinguisher.parse(rd), [IPV4_UNICAST, IPV6_UNICAST])]
  }

  #rib(name: string, distinguisher: RouteDistinguisher, families: Family[]): MonitoredLocRib {
    const { as, routerId } = this.own
    const peer = { peerType: BMP_PEER_TYPE.locRib, flags: 0, distinguisher, as, routerId: IpAddress.parse(routerId), address: UNSPECIFIED }
    return { name, peer, families }
  }
}
