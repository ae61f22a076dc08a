import type { RouteSource } from '../../policy/export-rules.js'
import { ranksOf, type PathOrigin } from '../../rib/best-path.js'
import { LOCAL } from '../../rib/rib-table.js'
import { isInternalCustomer } from './customer.js'
import type { Peer } from './peer.js'
import type { SpeakerIdentity } from './peer-config.js'
import { LOCAL_PEER } from '../route.js'
import type { InternalCustomer } from '../table/vrf-routes.js'

/** Peers by their index in the tables; an address keeps its index for life, so that paths of a peer that is gone can still be told. */
export class PeerIndex {
  readonly #byIndex: (Peer | undefined)[] = [undefined]
  /** Order of the addresses, by index. */
  #ranks: readonly number[] = []

  constructor(private readonly identity: SpeakerIdentity) {}

  /** The index for a peer of that name: the one that it had, or the next one. */
  indexFor(name: string): number {
    const known = this.#byIndex.findIndex((peer) => peer?.name === name)
    return known < 0 ? this.#byIndex.length : known
  }

  put(peer: Peer): void {
    const isNew = peer.index === this.#byIndex.length
    this.#byIndex[peer.index] = peer
    if (isNew) this.rank()
  }

  /** Peers have other addresses: their order is another one. */
  rank(): void {
    this.#ranks = ranksOf(this.#byIndex.map((other) => other?.address))
  }

  get(index: number): Peer | undefined {
    return index === LOCAL ? undefined : this.#byIndex[index]
  }

  nameOf(index: number): string {
    return this.get(index)?.name ?? LOCAL_PEER
  }

  /** What the decision must know of whoever gave a path. */
  originOf(index: number): PathOrigin {
    const peer = this.get(index)
    if (peer === undefined) return { external: false, routerId: this.identity.routerId.w0, rank: 0, local: true }
    const external = peer.config.relation === 'external'
    return { external, routerId: peer.routerId.w0, rank: this.#ranks[index] ?? 0, local: false }
  }

  /** A customer in its VRF's own AS; `undefined` for every other peer. */
  internalCustomer(index: number): InternalCustomer | undefined {
    const peer = this.get(index)
    return peer !== undefined && isInternalCustomer(peer.config) ? { as: peer.config.localAs, routerId: peer.routerId } : undefined
  }

  /** Who a peer is to us, whose rules of FlowSpec are validated; `undefined` for every other one. */
  flowspecSource(index: number): 'external' | 'internal' | undefined {
    const config = this.get(index)?.config
    if (config === undefined) return undefined
    const source = config.relation === 'external' ? 'external' : 'internal'
    return (config.neighbor.flowspecValidation ?? source === 'external') ? source : undefined
  }

  /** What export must know of whoever gave a path. */
  sourceOf(index: number): RouteSource {
    const peer = this.get(index)
    if (peer === undefined) return { kind: 'local', client: false, routerId: this.identity.routerId }
    const { relation, neighbor } = peer.config
    const client = isInternalCustomer(peer.config) || (neighbor.routeReflectorClient ?? false)
    return { kind: peer.peerType, client, routerId: peer.routerId, member: relation === 'member', name: peer.name }
  }
}
