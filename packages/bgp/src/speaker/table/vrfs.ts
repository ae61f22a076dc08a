import type { RouteDistinguisher } from '@heddle/wire'
import type { AttributeSet } from '../../attribute/attribute-set.js'
import { routeTargetsOf } from '../../community/extended.js'
import type { AttributeSets } from '../../rib/attribute-sets.js'
import { LOCAL, type RibTable } from '../../rib/rib-table.js'
import type { VrfConfig } from '../config.js'
import type { Decision } from './decision.js'
import type { ImportExplanation } from '../query/explain.js'
import { SpeakerError } from '../speaker-error.js'
import type { Tables } from './tables.js'
import { vrfsOf, type Vrf } from './vrf-config.js'
import {
  FIRST_IMPORT_ID,
  ImportIds,
  exportedSet,
  importedSet,
  isLongStale,
  packedSet,
  unicastOf,
  vpnOf,
  type InternalCustomer,
} from './vrf-routes.js'

/** A VRF and its tables. */
export interface VrfInstance extends Vrf {
  readonly tables: Tables
  readonly decision: Decision
}

/** What VRFs need of the speaker. */
export interface VrfsContext {
  readonly sets: AttributeSets
  /** Tables of the families between PEs. */
  readonly global: Tables
  /** Makes a VRF's tables, which tell what was decided to `exported`. */
  instance(vrf: Vrf): VrfInstance
  /** The AS of the speaker. */
  readonly as: number
  /** Whether a peer is in a VRF. */
  isCustomer(peer: number): boolean
  /** A customer in its VRF's own AS; `undefined` for every other peer. */
  internalCustomer(peer: number): InternalCustomer | undefined
}

/** Path identifier that a VRF's routes have among our own VPN routes, so that nobody else's are taken for them. */
const EXPORT_ID = 0xffff_ffff

/**
 * The VRFs of a PE (RFC 4364): routes of their peers, which are customers, become VPN routes of ours; VPN routes that have one of the import
 * route targets become paths of the VRF, from which its peers are told the best.
 */
export class Vrfs {
  #instances: ReadonlyMap<string, VrfInstance>
  readonly #ids = new ImportIds()

  /** @throws SpeakerError `speaker.config` */
  constructor(
    configs: readonly VrfConfig[],
    private readonly context: VrfsContext,
  ) {
    this.#instances = new Map(vrfsOf(configs).map((vrf) => [vrf.name, context.instance(vrf)]))
  }

  /**
   * Takes other VRFs in the place of those that there are: one of the same name keeps its routes, and goes out and in by what it now is.
   *
   * @throws SpeakerError `speaker.config`; then nothing has changed
   */
  use(configs: readonly VrfConfig[]): void {
    const wanted = new Map(vrfsOf(configs).map((vrf) => [vrf.name, vrf]))
    for (const held of this.all()) {
      const next = wanted.get(held.name)
      if (next === undefined || !next.rd.equals(held.rd)) for (const table of held.tables.all()) this.#takeBack(held, table)
      if (next === undefined) for (const table of held.tables.all()) clear(table)
    }
    const entries = Array.from(wanted, ([name, vrf]): [string, VrfInstance] => {
      const held = this.#instances.get(name)
      return [name, held === undefined ? this.context.instance(vrf) : { ...held, ...vrf }]
    })
    this.#instances = new Map(entries)
    for (const table of this.context.global.all()) for (const destination of table.destinations()) this.imported(table, destination)
    for (const { name, tables } of this.all()) {
      for (const table of tables.all()) for (const destination of table.destinations()) this.exported(name, table, destination)
    }
  }

  all(): Iterable<VrfInstance> {
    return this.#instances.values()
  }

  /** @throws SpeakerError `speaker.config` */
  get(name: string): VrfInstance {
    const found = this.#instances.get(name)
    if (found === undefined) throw new SpeakerError('speaker.config', 'vrf', `there is no VRF '${name}'`)
    return found
  }

  /** A VPN destination has another best path, or none: brings it into the VRFs that want it, and takes it out of the others. */
  imported(table: RibTable, destination: number): void {
    const family = this.#instances.size === 0 ? undefined : unicastOf(table.family)
    if (family === undefined) return
    const nlri = table.nlri(destination, 0, 0)
    if (nlri.kind !== 'vpn') return
    const { set, peer, decisionOf } = this.#offered(table, destination, nlri.rd)
    const id = this.#ids.of(nlri.rd)
    for (const vrf of this.all()) {
      const into = vrf.tables.of(family)
      const key = into.newKey()
      into.key.fromNlri({ kind: 'unicast', prefix: nlri.prefix }, key)
      const wanted = decisionOf(vrf).reason === undefined
      const held = into.pathsOf(into.find(key)).find((path) => into.pathIdOf(path) === id && this.#isImported(into, path))
      if (held !== undefined && !(wanted && into.peerOf(held) === peer)) into.withdraw(into.peerOf(held), key, id)
      if (wanted && set !== undefined) this.#put(into, peer, key, id, 0, importedSet(set, vrf.as ?? this.context.as))
      vrf.tables.touched(into)
    }
  }

  /** What each VRF makes of a destination; nothing where it is none of a VPN. @param destination slot, or 0 when nobody has told of it */
  explain(table: RibTable, destination: number): ImportExplanation[] {
    if (unicastOf(table.family) === undefined) return []
    const nlri = destination === 0 ? undefined : table.nlri(destination, 0, 0)
    if (nlri?.kind !== 'vpn') return Array.from(this.all(), ({ name }) => ({ vrf: name, targets: [], reason: 'no-path' }))
    const { decisionOf } = this.#offered(table, destination, nlri.rd)
    return Array.from(this.all(), decisionOf)
  }

  /** The best path of a VPN destination, and who wants it. */
  #offered(
    table: RibTable,
    destination: number,
    rd: RouteDistinguisher,
  ): { readonly set?: AttributeSet; readonly peer: number; readonly decisionOf: (vrf: Vrf) => ImportExplanation } {
    const best = table.best(destination)
    if (best === 0) return { peer: LOCAL, decisionOf: ({ name }) => ({ vrf: name, targets: [], reason: 'no-path' }) }
    const [set, peer] = [table.sets.get(table.setOf(best)), table.peerOf(best)]
    const isOurs = peer === LOCAL && table.pathIdOf(best) === EXPORT_ID
    const offered = routeTargetsOf(set.attributes.extendedCommunities).map(String)
    return {
      set,
      peer,
      decisionOf: (vrf) => {
        const targets = offered.filter((target) => vrf.importTargets.has(target))
        const reason = isOurs && rd.equals(vrf.rd) ? 'own-route' : targets.length === 0 ? 'no-target' : undefined
        return { vrf: vrf.name, targets, ...(reason === undefined ? {} : { reason }) }
      },
    }
  }

  /** A destination of a VRF has another best path, or none: tells the other PEs of it, unless it came from them. */
  exported(name: string, table: RibTable, destination: number): void {
    const family = vpnOf(table.family)
    const vrf = this.#instances.get(name)
    if (family === undefined || vrf === undefined) return
    const { rd, label, exportTargets } = vrf
    const nlri = table.nlri(destination, 0, 0)
    if (nlri.kind !== 'unicast') return
    const best = table.best(destination)
    const to = this.context.global.of(family)
    const route = { kind: 'vpn', labels: [label], rd, prefix: nlri.prefix } as const
    const key = to.newKey()
    to.key.fromNlri(route, key)
    if (best === 0 || this.#isImported(table, best)) to.withdraw(LOCAL, key, EXPORT_ID)
    else {
      const own = table.sets.get(table.setOf(best))
      const customer = this.context.internalCustomer(table.peerOf(best))
      const set = customer === undefined ? exportedSet(own, exportTargets) : packedSet(own, exportTargets, customer)
      this.#put(to, LOCAL, key, EXPORT_ID, to.key.dataFromNlri(route), set)
    }
    this.context.global.touched(to)
  }

  #put(table: RibTable, peer: number, key: Uint32Array, id: number, data: number, set: AttributeSet): void {
    table.announce(peer, key, id, data, this.context.sets.intern(set), undefined, 0, isLongStale(set))
  }

  /** Nothing of a VRF's table goes to other PEs any more. */
  #takeBack({ rd }: Vrf, table: RibTable): void {
    const family = vpnOf(table.family)
    if (family === undefined) return
    const to = this.context.global.of(family)
    for (const destination of table.destinations()) {
      const nlri = table.nlri(destination, 0, 0)
      if (nlri.kind !== 'unicast') continue
      const key = to.newKey()
      to.key.fromNlri({ kind: 'vpn', labels: [], rd, prefix: nlri.prefix }, key)
      to.withdraw(LOCAL, key, EXPORT_ID)
    }
    this.context.global.touched(to)
  }

  /** Customers choose their path identifiers freely. */
  #isImported(table: RibTable, path: number): boolean {
    return table.pathIdOf(path) >= FIRST_IMPORT_ID && !this.context.isCustomer(table.peerOf(path))
  }
}

/** Gives back what a table holds. */
function clear(table: RibTable): void {
  const destinations = [...table.destinations()]
  for (const destination of destinations) for (const path of table.pathsOf(destination)) table.remove(path)
}
