import {
  keepsFlows,
  type ApplyFailure,
  type DataplaneState,
  type Encapsulation,
  type FibTransaction,
  type NextHopObject,
  type ObjectKind,
  type PortObject,
} from '@heddle/core'
import type { MacAddress } from '@heddle/wire'
import { FibStore, type Roots } from '../fib/fib-store.js'
import { GracePeriods } from '../fib/grace-periods.js'
import { decodeNextHop, encodeNextHop } from '../layout/next-hop.js'
import {
  decodeGroup,
  decodeLabel,
  decodePort,
  decodeVni,
  decodeVrf,
  encodeGroup,
  encodeLabel,
  encodeVni,
  encodeVrf,
} from '../layout/objects.js'
import { FibFullError } from '../fib/block-memory.js'
import { View } from '../layout/struct.js'
import { VRF } from '../layout/structs/objects.js'
import { attemptFor, attemptsInto, idOf, NOTHING, orThrow, removedIn, type Attempt } from './changes.js'
import { configOf, tellVnis, type ConfigView } from './config.js'
import { CounterMaps, type CounterMap } from './counter-maps.js'
import { isSameBytes, PROGRAMS, type KernelMaps } from './kernel-maps.js'
import { NodePorts } from './node-ports.js'
import { PathMtus } from './path-mtus.js'
import { Policies } from './policies.js'
import { KernelRoutes } from './kernel-routes.js'
import { Rates } from './rates.js'
import { SourceSets } from './source-sets.js'
import { Sweep } from './sweep.js'
import { Translations } from './translations.js'

/** Maps of the objects that are counted, by those that say where. */
const COUNTED_IN = {
  port_counters: 'ports',
  vrf_counters: 'vrfs',
  label_counters: 'labels',
  next_hop_counters: 'next_hops',
} as const satisfies Record<CounterMap, string>

/**
 * The tables in the kernel. A transaction that was found valid is written object by object: what it sets first, pools before what leads through
 * them, then its routes, and what it removes last, when nothing leads there any more.
 */
export class KernelTables {
  readonly counters: CounterMaps
  readonly fib: FibStore
  readonly routes: KernelRoutes
  readonly config: ConfigView
  readonly policies: Policies
  readonly translations: Translations
  readonly paths: PathMtus
  readonly #maps: KernelMaps
  readonly #sources: SourceSets
  readonly #rates: Rates
  readonly #nodePorts: NodePorts
  readonly #sweep: Sweep
  /** Router's own MAC addresses by VNI, which headers of VXLAN tunnels have. */
  readonly #macs = new Map<number, MacAddress>()
  #gap: { readonly routes: number; readonly lost: number } | undefined
  /** VRFs of whose roots programs could not be told. */
  readonly #untold = new Set<number>()
  /** Whether next hops have the MAC addresses of their VNIs. */
  #hasMacs = true

  /**
   * @param programs that read the maps
   * @throws LinuxError
   */
  constructor(maps: KernelMaps, programs = PROGRAMS) {
    this.#maps = maps
    this.config = configOf(maps)
    const grace = new GracePeriods(programs)
    this.#sweep = new Sweep(maps)
    this.policies = new Policies(maps, this.config, grace, this.#sweep)
    this.translations = new Translations(maps, this.config, grace, this.#sweep)
    this.paths = new PathMtus(maps)
    this.counters = new CounterMaps(maps)
    this.#sources = new SourceSets(maps)
    this.#rates = new Rates(maps)
    this.#nodePorts = new NodePorts(maps, this.config)
    this.fib = this.#adopted(() => new FibStore(maps.words('fib'), maps.words('routes'), grace))
    this.routes = new KernelRoutes(this.fib)
    for (const [vni, value] of maps.numbered('vnis')) this.#macs.set(vni, decodeVni(vni, value).routerMac)
    this.#mend()
  }

  /** Routes that were taken over without those before them, as they did not fit twice: none were found meanwhile. `lost`: those that fitted not even so. */
  get gap(): { readonly routes: number; readonly lost: number } | undefined {
    return this.#gap
  }

  /**
   * Writes a valid transaction; returns what the kernel refused.
   *
   * @param setRoutes writes its routes to `routes`, when what they lead to is there; left out where it has none
   */
  program(transaction: FibTransaction, setRoutes: () => void = () => undefined): ApplyFailure[] {
    const failures: ApplyFailure[] = []
    const attempt = attemptsInto(failures)
    this.begin(transaction)
    const { vrfs, ports, nextHops, groups, tunnelSources, labels, vnis, policies = NOTHING } = transaction
    const set = (map: string, key: number, value: Uint8Array): void => this.#maps.set(map, key, value)
    const counted = (counters: CounterMap, map: string, key: number, value: Uint8Array): void =>
      this.counters.around(counters, key, () => set(map, key, value))

    for (const port of ports.set) attempt('port', port.id, () => this.#setPort(port))
    for (const vrf of vrfs.set)
      attempt('vrf', vrf.id, () =>
        this.fib.publish(vrf.id, (roots) => counted('vrf_counters', 'vrfs', vrf.id, encodeVrf(vrf, ...rootsOf(roots)))),
      )
    // Before what leads through pools, and behind it: what they hide does not show in between.
    const endTranslations = this.translations.program(transaction, attempt)
    for (const sources of tunnelSources.set) attempt('tunnel-sources', sources.id, () => this.#sources.set(sources))
    // Before next hops, which have the MAC addresses of those that were taken.
    for (const vni of vnis.set) {
      attempt('vni', vni.vni, () => {
        set('vnis', vni.vni, encodeVni(vni))
        this.#macs.set(vni.vni, vni.routerMac)
      })
    }
    this.#tellVnis()
    for (const hop of nextHops.set) {
      attempt('next-hop', hop.id, () => {
        counted('next_hop_counters', 'next_hops', hop.id, this.#encodeHop(hop))
        this.paths.set(hop)
      })
    }
    for (const group of groups.set) attempt('group', group.id, () => set('groups', group.id, encodeGroup(group)))
    for (const label of labels.set)
      attempt('label', label.label, () => counted('label_counters', 'labels', label.label, encodeLabel(label)))

    for (const policy of policies.set) attempt('policy', policy.id, () => this.policies.set(policy))
    const removedPorts = new Set(removedIn(ports, idOf))
    const [ofRemoved, ofOthers] = this.#policiesOf(removedIn(policies, idOf), removedPorts)
    for (const id of ofOthers) attempt('policy', id, () => this.policies.remove(id))
    this.policies.tell(attempt)

    const removedVrfs = new Set(removedIn(vrfs, idOf))
    for (const failure of this.routes.failuresOf(setRoutes)) failures.push(failure)
    for (const id of new Set([...this.#untold, ...this.routes.written])) {
      const isTold = removedVrfs.has(id) || !this.fib.isMoved(id) || attempt('vrf', id, () => this.#publish(id))
      if (isTold) this.#untold.delete(id)
      else this.#untold.add(id)
    }
    endTranslations()

    const remove = (kind: ObjectKind, keys: readonly number[], work: (key: number) => void): void => {
      for (const key of keys) attempt(kind, key, () => work(key))
    }
    const lostVnis = removedIn(vnis, ({ vni }) => vni)
    remove('vni', lostVnis, (vni) => {
      this.#maps.delete('vnis', vni)
      this.#macs.delete(vni)
    })
    this.#tellVnis()
    const lostLabels = removedIn(labels, ({ label }) => label)
    remove('label', lostLabels, (label) => {
      this.#maps.delete('labels', label)
      this.counters.remove('label_counters', label)
    })
    remove('group', removedIn(groups, idOf), (id) => this.#maps.delete('groups', id))
    remove('next-hop', removedIn(nextHops, idOf), (id) => {
      this.#maps.delete('next_hops', id)
      this.paths.remove(id)
      this.counters.remove('next_hop_counters', id)
    })
    remove('tunnel-sources', removedIn(tunnelSources, idOf), (id) => this.#sources.remove(id))
    remove('port', [...removedPorts], (id) => this.#removePort(id))
    // Behind their port: while that is there, everything would pass.
    for (const id of ofRemoved) attempt('policy', id, () => this.policies.removeBehindPort(id))
    if (ofRemoved.length > 0) this.policies.tell(attempt)
    remove('vrf', [...removedVrfs], (id) => {
      // They went with the transaction, whether the VRF does or not.
      this.fib.clear(id)
      this.#maps.delete('vrfs', id)
      this.counters.remove('vrf_counters', id)
      this.fib.remove(id)
    })
    const changedVnis = [...vnis.set.map(({ vni }) => vni), ...lostVnis]
    if (changedVnis.length > 0 || !this.#hasMacs) attemptFor(failures, 'vni', changedVnis)(() => this.#refreshTunnels(attempt, 'vxlan'))
    attemptFor(failures, 'port', [...ports.set.map(idOf), ...ports.remove])(() => this.#nodePorts.tell(attempt))
    this.config.setLarge('generation', transaction.generation)
    // Routes are not in maps that are set.
    this.#maps.forgetDecisions()
    return failures
  }

  /**
   * Tables of no generation are nobody's: whoever comes next takes none over, should this process end before it has written all of the first transaction. For who
   * writes something of it before `program`, too.
   */
  begin({ generation }: Pick<FibTransaction, 'generation'>): void {
    if (this.config.getLarge('generation') === 0) this.config.setLarge('generation', generation)
  }

  /** Has flows taken away that have ended, in steps between which there may be transactions. */
  *sweep(): Generator<void> {
    this.translations.mend()
    if (this.policies.size === 0 && !this.translations.hasFlows) return
    for (const swept of ['flows', 'nat_flows', 'affinities'] as const) yield* this.#sweep.steps(swept)
  }

  /** What the kernel holds, read from its maps. */
  dump(): Omit<DataplaneState, 'devices'> {
    const all = <T>(map: string, decode: (key: number, value: Uint8Array) => T): T[] =>
      Array.from(this.#maps.numbered(map), ([key, value]) => decode(key, value))
    return {
      generation: this.config.getLarge('generation'),
      vrfs: all('vrfs', decodeVrf),
      ports: all('ports', (id, value) => ({ ...decodePort(id, value), ...this.#rates.of(id, value) })),
      nextHops: all('next_hops', decodeNextHop),
      groups: all('groups', decodeGroup),
      tunnelSources: this.#sources.dump(),
      labels: all('labels', decodeLabel),
      vnis: all('vnis', decodeVni),
      policies: this.policies.dump(),
      services: this.translations.services.dump(),
      natPools: this.translations.pools.dump(),
      pathMtus: this.paths.dump(),
      routes: this.fib.batch(),
    }
  }

  /** Tables of a dataplane before this one: its tries are built anew, since what only the writer knows of them is lost. @param open opens the FIB that is there */
  #adopted(open: () => FibStore): FibStore {
    const roots = new Map<number, Roots>()
    for (const [id, value] of this.#maps.numbered('vrfs')) {
      const view = new View(VRF, value)
      roots.set(id, { root4: view.get('root4'), root6: view.get('root6') })
    }
    const fib = open()
    if (roots.size === 0 && this.config.getLarge('generation') === 0) return fib
    try {
      const release = fib.restore(roots)
      for (const id of roots.keys()) this.#publish(id, fib)
      release()
      return fib
    } catch (error) {
      if (!(error instanceof FibFullError)) throw error
      return this.#builtInPlace(open, [...roots.keys()])
    }
  }

  /** As `#adopted`, of tries that do not fit twice: without them, no node that is so full could be restarted. */
  #builtInPlace(open: () => FibStore, vrfs: readonly number[]): FibStore {
    const none = { root4: 0, root6: 0 }
    const empty = open()
    for (const id of vrfs) this.#publish(id, empty)
    let lost = 0
    empty.restore(new Map(vrfs.map((id) => [id, none])), () => lost++)
    for (const id of vrfs) this.#publish(id, empty)
    this.#gap = { routes: empty.rows.capacity - empty.rows.room, lost }
    return empty
  }

  /**
   * A process may end at any step of a transaction. What programs are told besides the objects, which alone shows in dumps, is told anew: nobody would set objects again that are
   * as they shall be.
   */
  #mend(): void {
    this.#tellVnis()
    this.#refreshTunnels(orThrow)
    this.#nodePorts.tell(orThrow)
    for (const [counters, map] of Object.entries(COUNTED_IN)) {
      const objects = Array.from(this.#maps.numbered(map), ([id]) => id)
      this.counters.mend(counters as CounterMap, objects)
    }
  }

  /** Has programs take VXLAN that comes in, while there is a VNI that it could be of. */
  #tellVnis(): void {
    tellVnis(this.config, this.#macs.size > 0)
  }

  /** Tells programs the roots of a VRF. */
  #publish(id: number, fib = this.fib): void {
    const value = this.#maps.get('vrfs', id)
    if (value === undefined) return
    fib.publish(id, (roots) => this.#maps.set('vrfs', id, encodeVrf(decodeVrf(id, value), ...rootsOf(roots))))
  }

  #encodeHop(hop: NextHopObject): Uint8Array {
    const { vni } = hop.action.type === 'tunnel' ? hop.action : {}
    return encodeNextHop(hop, vni === undefined ? undefined : this.#macs.get(vni), this.paths.mtuOf(hop))
  }

  #setPort(port: PortObject): void {
    const before = this.#maps.get('ports', port.id)
    this.counters.around('port_counters', port.id, () => {
      if (before !== undefined && !keepsFlows(decodePort(port.id, before), port)) this.policies.forgetFlows(port.id)
      this.policies.setPort(port)
    })
    this.#rates.set(port)
    this.#nodePorts.set(port)
    this.policies.count(port)
  }

  /** Policies of some ports, and those of others. */
  #policiesOf(ids: readonly number[], ports: ReadonlySet<number>): [of: number[], others: number[]] {
    const [of, others]: [number[], number[]] = [[], []]
    for (const id of ids) (ports.has(this.policies.portOf(id) ?? -1) ? of : others).push(id)
    return [of, others]
  }

  #removePort(id: number): void {
    this.#maps.delete('ports', id)
    this.#rates.set({ id })
    this.#nodePorts.remove(id)
    this.policies.removePort(id)
    this.counters.remove('port_counters', id)
  }

  /** Tunnels have what their path takes, and those of VXLAN, as the source address of inner frames, the MAC address of their VNI. */
  #refreshTunnels(attempt: Attempt, only?: Encapsulation): void {
    let hasMacs = true
    this.#hasMacs = false
    for (const [id, value] of this.#maps.numbered('next_hops')) {
      const hop = decodeNextHop(id, value)
      if (hop.action.type !== 'tunnel' || (only !== undefined && hop.action.encapsulation !== only)) continue
      const told = this.#encodeHop(hop)
      if (isSameBytes(told, value) || attempt('next-hop', id, () => this.#maps.set('next_hops', id, told))) continue
      hasMacs = false
    }
    this.#hasMacs = hasMacs
  }
}

function rootsOf({ root4, root6 }: Roots): [number, number] {
  return [root4, root6]
}
