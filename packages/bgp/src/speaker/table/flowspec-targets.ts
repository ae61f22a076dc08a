import { IpPrefix, type RouteDistinguisher } from '@heddle/wire'
import type { Nlri } from '../../nlri/nlri.js'
import { LOCAL, type RibTable } from '../../rib/rib-table.js'
import type { Scheduler, Task } from '../scheduler.js'
import type { TableObserver, TableObservers } from './table-observers.js'

/** Slots of the unicast table that are looked at before others get their turn. */
const SWEEP_PIECE = 256
/** Targets whose rules are looked at again before others get their turn. */
const DUE_PIECE = 32

/** A destination of unicast routes, in a VPN by its RD. */
export interface UnicastPlace {
  readonly prefix: IpPrefix
  readonly rd?: RouteDistinguisher
}

/** What counts of a path when it is compared with a rule's. */
export interface UnicastFacts {
  /** Leftmost AS of AS_PATH; 0: none. */
  readonly neighborAs: number
  readonly originator: string
}

/** What targets ask of the speaker, and whom they tell. */
export interface TargetsContext {
  readonly scheduler: Scheduler
  readonly observers: TableObservers
  /** Routes of the destinations that rules name. */
  readonly unicast: RibTable
  originatorOf(table: RibTable, path: number): string
  /** What unicast routes say of rules is something else now. @param rules their slots */
  changed(rules: ReadonlySet<number>): void
}

/** A destination that rules name, and what the unicast routes say of it. */
interface Target {
  readonly name: string
  readonly place: UnicastPlace
  /** Slots of the rules. */
  readonly rules: Set<number>
  /** Of the longest prefix that covers it. */
  best: UnicastFacts | undefined
  /** A more specific destination with a path of another neighboring AS; 0: none is known. */
  foreign: number
  /** Where in which round of the sweep the search for one began. */
  since: { readonly round: number; readonly at: number }
}

/**
 * The destinations that the rules of one table name, each with its best match among unicast routes and one more specific route of another AS, if
 * there is any. Kept up to date by what happens in the unicast table: a change costs a look at the targets that it covers or that cover it.
 * Only who becomes a target, or gets another best match, has the table looked through once, together with others and a piece at a time.
 */
export class FlowspecTargets {
  readonly #targets = new Map<string, Target>()
  readonly #byRule = new Map<number, Target>()
  /** By the name of each prefix that covers them, their own included. */
  readonly #covered = new Map<string, Set<Target>>()
  /** How many targets there are of each length. */
  readonly #lengths = new Map<number, number>()
  /** Those that wait for the end of the sweep, which has begun for the first of them first. */
  readonly #sought = new Set<Target>()
  readonly #due = new Set<Target>()
  #round = 0
  #at = 1
  readonly #task: Task = { work: 'decide', run: () => this.#run() }
  readonly #observer: TableObserver = {
    path: (table, path, vrf) => {
      if (table === this.context.unicast && vrf === undefined) this.#pathChanged(table.destinationOf(path))
    },
    best: (table, destination, vrf) => {
      if (table === this.context.unicast && vrf === undefined) this.#bestChanged(destination)
    },
  }

  constructor(private readonly context: TargetsContext) {}

  /** What unicast routes say of a rule's destination. @param isContested see `isFeasible` */
  verdict(place: UnicastPlace, rule: number): { readonly best: UnicastFacts | undefined; readonly isContested: boolean } {
    const target = this.#targetOf(place, rule)
    if (this.#due.has(target)) this.#match(target)
    return { best: target.best, isContested: target.foreign !== 0 || this.#sought.has(target) }
  }

  /** A rule is gone, or is not validated any more. */
  forget(rule: number): void {
    const target = this.#byRule.get(rule)
    if (target === undefined) return
    this.#byRule.delete(rule)
    target.rules.delete(rule)
    if (target.rules.size > 0) return
    this.#targets.delete(target.name)
    this.#sought.delete(target)
    this.#due.delete(target)
    this.#count(target, -1)
    for (const name of coverNames(target.place)) {
      const others = this.#covered.get(name)
      others?.delete(target)
      if (others?.size === 0) this.#covered.delete(name)
    }
    if (this.#targets.size === 0) this.context.observers.delete(this.#observer)
  }

  #targetOf(place: UnicastPlace, rule: number): Target {
    const name = nameOf(place)
    const before = this.#byRule.get(rule)
    if (before?.name === name) return before
    this.forget(rule)
    const target = this.#targets.get(name) ?? this.#add(name, place)
    target.rules.add(rule)
    this.#byRule.set(rule, target)
    return target
  }

  #add(name: string, place: UnicastPlace): Target {
    if (this.#targets.size === 0) this.context.observers.add(this.#observer)
    const target: Target = { name, place, rules: new Set(), best: undefined, foreign: 0, since: { round: 0, at: 0 } }
    this.#targets.set(name, target)
    this.#count(target, 1)
    for (const cover of coverNames(place)) {
      const others = this.#covered.get(cover)
      if (others === undefined) this.#covered.set(cover, new Set([target]))
      else others.add(target)
    }
    this.#match(target)
    return target
  }

  #count({ place: { prefix } }: Target, by: 1 | -1): void {
    const count = (this.#lengths.get(prefix.length) ?? 0) + by
    if (count === 0) this.#lengths.delete(prefix.length)
    else this.#lengths.set(prefix.length, count)
  }

  /** Finds the best match anew; with another AS, what is foreign has to be found anew too. */
  #match(target: Target): void {
    const before = target.best
    target.best = this.#bestMatch(target.place)
    if (target.best?.neighborAs !== before?.neighborAs) this.#seek(target)
  }

  #bestMatch({ prefix, rd }: UnicastPlace): UnicastFacts | undefined {
    const { unicast } = this.context
    const key = unicast.newKey()
    for (let length = prefix.length; length >= 0; length--) {
      const cover = IpPrefix.of(prefix.address, length)
      unicast.key.fromNlri(rd === undefined ? { kind: 'unicast', prefix: cover } : { kind: 'vpn', labels: [], rd, prefix: cover }, key)
      const destination = unicast.find(key)
      const best = destination === 0 ? 0 : unicast.best(destination)
      if (best !== 0) return { neighborAs: this.#neighborAs(best), originator: this.context.originatorOf(unicast, best) }
    }
    return undefined
  }

  /** Looks for a foreign route from where the sweep is now. */
  #seek(target: Target): void {
    target.foreign = 0
    this.#sought.delete(target)
    const { prefix } = target.place
    if (target.best === undefined || prefix.length === prefix.address.bits) return // nothing to compare with, or nothing to be found
    target.since = { round: this.#round, at: this.#at }
    this.#sought.add(target)
    this.context.scheduler.wake(this.#task)
  }

  #neighborAs(path: number): number {
    const { unicast } = this.context
    return unicast.sets.neighborAs(unicast.receivedOf(path))
  }

  /** Whether some path to a destination was received from another AS than the target's best match. */
  #isForeign(destination: number, { best }: Target): boolean {
    const { unicast } = this.context
    return unicast.pathsOf(destination).some((path) => {
      const counts = unicast.peerOf(path) !== LOCAL && unicast.invalidOf(path) === undefined
      return counts && this.#neighborAs(path) !== best?.neighborAs
    })
  }

  #pathChanged(destination: number): void {
    for (const target of this.#covering(destination)) {
      if (target.best === undefined) continue
      if (this.#isForeign(destination, target)) this.#found(target, destination)
      else if (target.foreign === destination) this.#seek(target)
    }
  }

  #bestChanged(destination: number): void {
    const place = placeOf(this.context.unicast.nlri(destination, 0, 0))
    for (const target of this.#covered.get(nameOf(place)) ?? []) this.#setDue(target)
  }

  #found(target: Target, destination: number): void {
    if (target.foreign !== 0) return
    target.foreign = destination
    this.#sought.delete(target)
    this.#setDue(target)
  }

  #setDue(target: Target): void {
    this.#due.add(target)
    this.context.scheduler.wake(this.#task)
  }

  /** Targets that have a destination within them, and are not it. */
  *#covering(destination: number): Generator<Target> {
    const { prefix, rd } = placeOf(this.context.unicast.nlri(destination, 0, 0))
    for (const length of this.#lengths.keys()) {
      if (length >= prefix.length) continue
      const target = this.#targets.get(nameOf({ prefix: IpPrefix.of(prefix.address, length), ...(rd === undefined ? {} : { rd }) }))
      if (target !== undefined) yield target
    }
  }

  #run(): boolean {
    let left = DUE_PIECE
    for (const target of this.#due) {
      if (left-- === 0) return true
      this.#match(target)
      this.#due.delete(target)
      this.context.changed(target.rules)
    }
    this.#sweep()
    return this.#due.size > 0 || this.#sought.size > 0
  }

  #sweep(): void {
    const { unicast } = this.context
    for (let looks = 0; looks < SWEEP_PIECE && this.#sought.size > 0; looks++) {
      if (this.#at < unicast.slots) this.#look(this.#at++)
      else {
        this.#at = 1
        this.#round++
      }
      this.#finish()
    }
  }

  #look(destination: number): void {
    if (!this.context.unicast.uses(destination)) return
    for (const target of this.#covering(destination)) {
      if (this.#sought.has(target) && this.#isForeign(destination, target)) this.#found(target, destination)
    }
  }

  /** Those for which the sweep has come round have nothing foreign. */
  #finish(): void {
    for (const target of this.#sought) {
      const { round, at } = target.since
      if (this.#round === round || (this.#round === round + 1 && this.#at < at)) return
      this.#sought.delete(target)
      this.#setDue(target)
    }
  }
}

function placeOf(nlri: Nlri): UnicastPlace {
  if (nlri.kind === 'vpn') return { prefix: nlri.prefix, rd: nlri.rd }
  if (nlri.kind === 'unicast') return { prefix: nlri.prefix }
  throw new TypeError(`a unicast table has ${nlri.kind}`)
}

function nameOf({ prefix, rd }: UnicastPlace): string {
  return rd === undefined ? String(prefix) : `${rd} ${prefix}`
}

function* coverNames({ prefix, ...rest }: UnicastPlace): Generator<string> {
  for (let length = 0; length <= prefix.length; length++) yield nameOf({ ...rest, prefix: IpPrefix.of(prefix.address, length) })
}
