import type { PolicyObject, PortObject } from '@heddle/core'
import { LinuxError } from '@heddle/linux'
import { constants } from 'node:os'
import type { GracePeriods } from '../fib/grace-periods.js'
import { decodePort, encodePort } from '../layout/objects.js'
import { decodePolicy, directionIndex, encodePolicy } from '../layout/policy.js'
import { View } from '../layout/struct.js'
import { PORT } from '../layout/structs/objects.js'
import { FLOW_COUNT, PORT_POLICY } from '../layout/structs/policy.js'
import { orThrow, type Attempt } from './changes.js'
import type { ConfigView } from './config.js'
import { isSameBytes, type KernelMaps } from './kernel-maps.js'
import { RuleMemory, type Rules } from './rule-memory.js'
import type { Sweep } from './sweep.js'

interface Held {
  readonly policy: PolicyObject
  readonly rules: Rules
}

/** Versions of what a port has; see `bpf/layout/objects.h`. */
interface Versions {
  readonly version: number
  readonly since: number
}

/**
 * Policies: their rules lie in memory that programs read, and each port's object says where. A policy that is replaced is written beside the old one, and
 * the ports that have it are told of it last.
 */
export class Policies {
  readonly #maps: KernelMaps
  readonly #config: ConfigView
  readonly #sweep: Sweep
  readonly #memory: RuleMemory
  readonly #held = new Map<number, Held>()
  /** Versions of the ports that have policies. */
  readonly #ports = new Map<number, Versions>()
  /** Policies of each port. */
  readonly #byPort = new Map<number, Map<number, Held>>()
  /** Whether flows must be counted anew by `tell`: those of a port that had no policies, or no limit. */
  #isUncounted = false
  /** Ports whose policies have changed since `tell`. */
  readonly #changed = new Set<number>()

  /** @param grace of the programs that read rules */
  constructor(maps: KernelMaps, config: ConfigView, grace: GracePeriods, sweep: Sweep) {
    this.#maps = maps
    this.#config = config
    this.#sweep = sweep
    this.#memory = new RuleMemory(maps.words('atoms'), grace)
    for (const [id, value] of maps.numbered('policies')) this.#adopt(id, value)
    // The process before may have ended behind the removal of their port.
    for (const id of this.#held.keys()) if (!this.#hasPort(id)) this.remove(id)
    for (const [id, value] of maps.numbered('ports')) {
      const view = new View(PORT, value)
      if (view.get('policy_version') !== 0) this.#ports.set(id, { version: view.get('policy_version'), since: view.get('policy_since') })
    }
    this.#mend()
  }

  get size(): number {
    return this.#held.size
  }

  /** @throws FibFullError when there is no room for the rules; LinuxError */
  set(policy: PolicyObject): void {
    const before = this.#held.get(policy.id)
    const rules = this.#memory.take(policy.rules)
    try {
      this.#maps.set('policies', policy.id, encodePolicy(policy, rules.atom, rules.count))
    } catch (error) {
      this.#memory.drop(rules)
      throw error
    }
    if (before !== undefined) this.#drop(before)
    this.#hold({ policy, rules })
  }

  /** Port that a policy is of. */
  portOf(id: number): number | undefined {
    return this.#held.get(id)?.policy.port
  }

  /** Removes a policy whose port was removed before it. @throws LinuxError, `EBUSY` where that port is there all the same */
  removeBehindPort(id: number): void {
    if (this.#hasPort(id)) throw new LinuxError('EBUSY', constants.errno.EBUSY, `remove policy ${id}`, 'its port could not be removed')
    this.remove(id)
  }

  /** @throws LinuxError */
  /** @throws LinuxError, and the policy is there */
  remove(id: number): void {
    const held = this.#held.get(id)
    if (held === undefined) return
    this.#maps.delete('policies', id)
    this.#drop(held)
  }

  /**
   * Tells programs what has become of the policies of ports. Rules that nothing leads to any more rest before their
   * memory is given out again.
   */
  tell(attempt: Attempt): void {
    if (this.#changed.size > 0) this.#tellPorts(attempt)
    // A port that was not told is led to what it had.
    if (this.#changed.size === 0) this.#memory.rest()
    if (!this.#isUncounted || this.size === 0 || this.#sweep.whole('flows') === undefined) this.#isUncounted = false
  }

  #tellPorts(attempt: Attempt): void {
    const version = this.#nextVersion()
    for (const port of this.#changed) {
      if (attempt('port', port, () => this.#tellPort(port, version))) this.#changed.delete(port)
    }
  }

  #tellPort(port: number, version: number): void {
    const value = this.#maps.get('ports', port)
    const isPoliced = value !== undefined && this.#byPort.has(port)
    const before = this.#ports.get(port)
    if (isPoliced) this.#ports.set(port, { version, since: before?.since ?? version })
    else this.#ports.delete(port)
    if (value === undefined) return
    if (before === undefined) this.#isUncounted = true
    this.#maps.set('ports', port, this.#write(port, value))
  }

  /**
   * A process may end at any step of a transaction: what its ports were not told of any more, and flows that nobody counts, show in no table. They are told before
   * rules are written where those lie that they are led to.
   */
  #mend(): void {
    this.#changed.clear()
    const counted = new Set(Array.from(this.#maps.numbered('flow_counts'), ([id]) => id))
    for (const [id, value] of this.#maps.numbered('ports')) {
      const isTold = this.#byPort.has(id) === this.#ports.has(id) && isSameBytes(this.#write(id, value.slice()), value)
      if (!isTold) this.#changed.add(id)
      const port = decodePort(id, value)
      if ((port.maxFlows !== undefined) !== counted.has(id)) this.count(port)
      counted.delete(id)
    }
    for (const id of counted) this.#maps.delete('flow_counts', id)
    this.tell(orThrow)
  }

  /** What was remembered of a port counts no more, as soon as its value is written. */
  forgetFlows(port: number): void {
    if (!this.#ports.has(port)) return
    const version = this.#nextVersion()
    this.#ports.set(port, { version, since: version })
    this.#isUncounted = true
  }

  /** Writes a port with its policies, as programs were told of them. @throws LinuxError */
  setPort(port: PortObject): void {
    this.#maps.set('ports', port.id, this.#write(port.id, encodePort(port)))
    // One that was refused before, when its policies were told of.
    if (this.#byPort.has(port.id) !== this.#ports.has(port.id)) this.#changed.add(port.id)
  }

  /** Counts the flows of a port that has a limit. @throws LinuxError */
  count({ id, maxFlows }: PortObject): void {
    if (maxFlows === undefined) this.#maps.delete('flow_counts', id)
    else if (this.#maps.get('flow_counts', id) === undefined) {
      this.#maps.set('flow_counts', id, new View(FLOW_COUNT).bytes)
      // One without policies has no flows, and is counted when it gets some: a count of all flows takes long.
      if (this.#ports.has(id)) this.#isUncounted = true
    }
  }

  removePort(id: number): void {
    this.#maps.delete('flow_counts', id)
    this.#ports.delete(id)
  }

  /** What the kernel holds. */
  dump(): PolicyObject[] {
    return Array.from(this.#maps.numbered('policies'), ([id, value]) => {
      const { policy, atom, count } = decodePolicy(id, value)
      return { ...policy, rules: this.#memory.read({ atom, count }) }
    })
  }

  /** Whether programs have the port of a policy. */
  #hasPort(id: number): boolean {
    const port = this.portOf(id)
    return port !== undefined && this.#maps.get('ports', port) !== undefined
  }

  #nextVersion(): number {
    const version = this.#config.get('policy_version') + 1
    this.#config.set('policy_version', version)
    return version
  }

  #adopt(id: number, value: Uint8Array): void {
    const { policy, atom, count } = decodePolicy(id, value)
    const rules = this.#memory.adopt({ atom, count })
    this.#hold({ policy: { ...policy, rules: this.#memory.read(rules) }, rules })
  }

  #hold(held: Held): void {
    const { id, port } = held.policy
    this.#held.set(id, held)
    const ofPort = this.#byPort.get(port) ?? new Map<number, Held>()
    this.#byPort.set(port, ofPort.set(id, held))
    this.#changed.add(port)
  }

  #drop({ policy: { id, port }, rules }: Held): void {
    this.#held.delete(id)
    const ofPort = this.#byPort.get(port)
    ofPort?.delete(id)
    if (ofPort?.size === 0) this.#byPort.delete(port)
    this.#changed.add(port)
    this.#memory.drop(rules)
  }

  #write(port: number, value: Uint8Array): Uint8Array {
    const { version, since } = this.#ports.get(port) ?? { version: 0, since: 0 }
    const view = new View(PORT, value).set('policy_version', version).set('policy_since', since)
    view.octets('policies').fill(0)
    if (version === 0) return view.bytes
    for (const { policy, rules } of this.#byPort.get(port)?.values() ?? []) {
      view
        .element('policies', PORT_POLICY, directionIndex(policy.direction))
        .set('is_there', 1)
        .set('allows', policy.defaultVerdict === 'allow' ? 1 : 0)
        .set('atom', rules.atom)
        .set('atom_count', rules.count)
    }
    return view.bytes
  }
}
