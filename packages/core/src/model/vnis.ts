import type { IpAddress, MacAddress } from '@heddle/wire'
import type { DataplaneState } from '../dataplane/dataplane.js'
import type { FibCompiler } from '../fib/fib-compiler.js'
import type { VniRest } from '../label/vni-rest.js'
import { routerMacOf } from './router-mac.js'
import type { VrfState } from './vrf-state.js'

/**
 * The VNIs of VRFs in the dataplane. One that was another VRF's is not used before it has rested and the dataplane has let go of it; until then its new
 * VRF is as one without.
 */
export class Vnis {
  readonly #fib: FibCompiler
  readonly #rest: VniRest
  /** VRFs whose intent has a VNI that they have not. */
  readonly #waiting = new Set<VrfState>()
  /** This node in its virtual networks; none without a tunnel end. */
  readonly routerMac: MacAddress | undefined

  constructor(fib: FibCompiler, rest: VniRest, tunnelEnd: IpAddress | undefined) {
    this.#fib = fib
    this.#rest = rest
    this.routerMac = tunnelEnd === undefined ? undefined : routerMacOf(tunnelEnd)
  }

  /** A process before this one left this in the dataplane. */
  learn({ generation, vrfs, vnis }: DataplaneState): void {
    if (generation > 0) this.#rest.resume() // else nothing was ever programmed
    const names = new Map(vrfs.map(({ id, name }) => [id, name]))
    for (const { vni, vrf } of vnis) this.#rest.had(vni, names.get(vrf) ?? '')
  }

  /** What the process before left and nobody uses goes from the dataplane now, which took packets with it until here: it rests from now on. */
  endAdoption(vrfs: Iterable<VrfState>): void {
    const used = new Set(Array.from(vrfs, ({ vni }) => vni))
    for (const vni of this.#fib.objects.vnis.programmed.keys()) if (!used.has(vni)) this.#rest.release(vni)
  }

  /** Takes back what intents say no more. Returns the VRFs that do without a VNI for now. */
  follow(vrfs: Iterable<VrfState>, gone: readonly VrfState[]): readonly VrfState[] {
    const changed = [...vrfs].filter((vrf) => vrf.vni !== vrf.intent.vni)
    this.#waiting.clear()
    for (const vrf of changed) if (vrf.intent.vni !== undefined) this.#waiting.add(vrf)
    return [...changed, ...gone].filter((vrf) => this.#release(vrf))
  }

  /** Uses what can be used now. Returns the VRFs that have a VNI from here on. */
  compile(): readonly VrfState[] {
    return [...this.#waiting].filter((vrf) => this.#dueFor(vrf) <= this.#rest.now).filter((vrf) => this.#use(vrf))
  }

  /** When there is more to use, in the time of the clock, though nothing is told; infinity when there is not. */
  get due(): number {
    return Math.min(...Array.from(this.#waiting, (vrf) => this.#dueFor(vrf)))
  }

  #use(vrf: VrfState): boolean {
    const { routerMac } = this
    const { vni } = vrf.intent
    this.#waiting.delete(vrf)
    if (vni === undefined || routerMac === undefined) return false
    this.#rest.take(vni, vrf.name)
    this.#fib.objects.vnis.want(vni, { vni, vrf: vrf.id, routerMac, sources: vrf.id })
    vrf.vni = vni
    return true
  }

  /** Returns whether it had one. */
  #release(vrf: VrfState): boolean {
    const { vni } = vrf
    if (vni === undefined) return false
    this.#fib.objects.vnis.drop(vni)
    this.#rest.release(vni)
    vrf.vni = undefined
    return true
  }

  #dueFor({ id, name, intent: { vni = 0 } }: VrfState): number {
    const held = this.#fib.vniUnderWay(vni) ?? this.#fib.objects.vnis.programmed.get(vni)
    return held !== undefined && held.vrf !== id ? Number.POSITIVE_INFINITY : this.#rest.dueFor(vni, name)
  }
}
