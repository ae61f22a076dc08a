import { IpPrefix, type IpAddress } from '@heddle/wire'
import type { StaticRouteIntent, VrfIntent } from '../intent/intents.js'
import type { VpnRoute } from '../vpn-route.js'
import type { EndpointState } from './endpoint-state.js'

/** What a VRF has for one prefix. */
export interface TableEntry {
  readonly prefix: IpPrefix
  /** Imported routes by their identity. */
  readonly remote: Map<string, VpnRoute>
  /** Of this VRF or, by a common route target, of others on this node, by the VRF they belong to. */
  readonly local: Map<VrfState, LocalRoute>
}

/** A route that starts on this node. */
export interface LocalRoute {
  readonly prefix: IpPrefix
  /** The VRF it belongs to; others may have it too. */
  readonly owner: VrfState
  /** The endpoint that packets go to, the static route that says so, or both; a static route alone discards, or leads to another VRF. */
  readonly via:
    | { readonly endpoint: EndpointState; readonly route?: StaticRouteIntent }
    | { readonly endpoint?: undefined; readonly route: StaticRouteIntent }
  /** The VRFs that have it. */
  importers: readonly VrfState[]
}

/** The label under which others send to a local route. */
export function localLabel({ owner, via }: LocalRoute): number {
  return via.endpoint === undefined || via.route !== undefined ? owner.label : via.endpoint.label
}

/** One VRF with its table. */
export class VrfState {
  readonly table = new Map<string, TableEntry>()
  /** The VRF's own local routes, by prefix. */
  readonly local = new Map<string, LocalRoute>()
  /** Endpoints by the host prefixes of their addresses. */
  readonly addresses = new Map<string, EndpointState>()
  /** Static routes by prefix. */
  statics: ReadonlyMap<string, StaticRouteIntent> = new Map()
  /** The VNI that the dataplane is told of; that of the intent, unless it was another VRF's until just now. */
  vni: number | undefined
  /** Next hops of imported routes, with the number of routes of each. */
  readonly #sources = new Map<string, { readonly address: IpAddress; routes: number }>()

  constructor(
    readonly id: number,
    /** Label of the whole VRF: pop and look up. */
    readonly label: number,
    public intent: VrfIntent,
  ) {}

  get name(): string {
    return this.intent.name
  }

  entry(prefix: IpPrefix): TableEntry {
    const name = String(prefix)
    let entry = this.table.get(name)
    if (entry === undefined) {
      entry = { prefix, remote: new Map(), local: new Map() }
      this.table.set(name, entry)
    }
    return entry
  }

  /** Local routes of an entry, best first: this VRF's own, then those of others by their names, so that the order in which they came says nothing. */
  localCandidates(entry: TableEntry): readonly LocalRoute[] {
    const rank = ({ owner }: LocalRoute): string => (owner === this ? '' : owner.name)
    return [...entry.local.values()].sort((a, b) => (rank(a) < rank(b) ? -1 : 1))
  }

  /** Drops an entry that has nothing. */
  tidy(entry: TableEntry): void {
    if (entry.remote.size === 0 && entry.local.size === 0) this.table.delete(String(entry.prefix))
  }

  /** Next hops of imported routes. */
  *sources(): Iterable<IpAddress> {
    for (const { address } of this.#sources.values()) yield address
  }

  /** Counts a route of `address`; returns whether it is a source that was not known. */
  addSource(address: IpAddress): boolean {
    const known = this.#sources.get(String(address))
    if (known !== undefined) known.routes++
    else this.#sources.set(String(address), { address, routes: 1 })
    return known === undefined
  }

  /** Returns whether that was the last route of `address`. */
  removeSource(address: IpAddress): boolean {
    const known = this.#sources.get(String(address))
    if (known === undefined || --known.routes > 0) return false
    return this.#sources.delete(String(address))
  }

  /** Underlay prefixes that may send into this VRF, with others that may for now, in canonical order. */
  tunnelSources(others: readonly IpPrefix[] = []): readonly IpPrefix[] {
    const known = [...this.#sources.values()].map(({ address }) => IpPrefix.of(address))
    const all = [...known, ...(this.intent.tunnelSources ?? []), ...others]
    return [...new Map(all.map((prefix) => [String(prefix), prefix])).values()].sort((a, b) => a.compare(b))
  }
}
