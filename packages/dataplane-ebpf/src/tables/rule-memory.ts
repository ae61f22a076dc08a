import type { PolicyRule } from '@heddle/core'
import { createHash } from 'node:crypto'
import { BlockMemory } from '../fib/block-memory.js'
import type { GracePeriods } from '../fib/grace-periods.js'
import { atomsOf, readRules, writeRules } from '../layout/policy.js'
import { BLOCK } from '../layout/structs/next-hop.js'
import { ATOM } from '../layout/structs/policy.js'

const ATOM_WORDS = ATOM.size / 4

/** Rules where programs read them: the first of their atoms, and how many those are. */
export interface Rules {
  readonly atom: number
  readonly count: number
}

interface Shared extends Rules {
  readonly content: string
  readonly region: Uint32Array
  policies: number
}

/**
 * The memory of rules. Policies whose rules are the same share them, as those of most endpoints are: there is room for 4,096 that differ, and for as many policies
 * as the dataplane has.
 */
export class RuleMemory {
  readonly #words: Uint32Array
  readonly #memory: BlockMemory
  readonly #byAtom = new Map<number, Shared>()
  readonly #byContent = new Map<string, Shared>()
  /** Regions that no policy has any more, and programs may be led to. */
  #dropped: Uint32Array[] = []

  /** @param words of the map @param grace of the programs that read rules */
  constructor(words: Uint32Array, grace: GracePeriods) {
    this.#words = words
    this.#memory = new BlockMemory(words, grace, 'the memory of rules')
  }

  /** Rules for one more policy. @throws FibFullError when there is no room for them */
  take(rules: readonly PolicyRule[]): Rules {
    const count = atomsOf({ rules })
    const words = new Uint32Array(wordsOf(count))
    writeRules(words, rules)
    const content = contentOf(words, count)
    const found = this.#byContent.get(content)
    if (found !== undefined) {
      found.policies++
      return found
    }
    const region = this.#memory.grow(words.length)
    region.set(words)
    return this.#hold({ content, region, atom: (this.#memory.publish(region) * BLOCK) / ATOM_WORDS, count, policies: 1 })
  }

  /** Rules that a policy has which was taken over. */
  adopt({ atom, count }: Rules): Rules {
    const found = this.#byAtom.get(atom)
    if (found !== undefined) {
      found.policies++
      return found
    }
    const region = this.#memory.claim((atom * ATOM_WORDS) / BLOCK, wordsOf(count))
    return this.#hold({ content: contentOf(region, count), region, atom, count, policies: 1 })
  }

  /** A policy has them no more. Programs may be led to them until `rest`. */
  drop({ atom }: Rules): void {
    const shared = this.#byAtom.get(atom)
    if (shared === undefined || --shared.policies > 0) return
    this.#byAtom.delete(atom)
    if (this.#byContent.get(shared.content) === shared) this.#byContent.delete(shared.content)
    this.#dropped.push(shared.region)
  }

  /** Programs are led to nothing any more that was dropped. */
  rest(): void {
    for (const region of this.#dropped.splice(0)) this.#memory.release(region)
  }

  read({ atom, count }: Rules): PolicyRule[] {
    return readRules(this.#words.subarray(atom * ATOM_WORDS), count)
  }

  #hold(shared: Shared): Shared {
    this.#byAtom.set(shared.atom, shared)
    // A dataplane before this one may have had the same rules twice.
    if (!this.#byContent.has(shared.content)) this.#byContent.set(shared.content, shared)
    return shared
  }
}

function wordsOf(count: number): number {
  return Math.max(1, count) * ATOM_WORDS
}

/** Their count tells no rules from one that is nothing but zeros, which takes as much memory. */
function contentOf(words: Uint32Array, count: number): string {
  return `${count} ${createHash('sha256').update(words).digest('base64')}`
}
