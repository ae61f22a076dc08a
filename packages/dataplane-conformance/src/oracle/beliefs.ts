import type { DataplaneState } from '@heddle/core'
import type { Memory } from './memory.js'
import type { Outcome } from './outcome.js'

/**
 * All that a dataplane may remember, as far as what came out tells: a choice among next hops, backends or ports of a pool does not show while packets
 * are dropped behind it. Each is another one.
 */
export type Beliefs = readonly Memory[]

/**
 * Most beliefs that are followed. They are few, since packets that come out tell which was true; none may be left out of more, since it may be the true
 * one. Of each, every way of a packet is followed, which are thousands where lookups lead in circles through pools.
 */
export const MAX_BELIEFS = 16

/**
 * What may be remembered after a packet.
 *
 * @param outcomesOf what may become of it, given what was remembered before
 * @param seen those of the outcomes that look like what became of it
 */
export function learned(beliefs: Beliefs, outcomesOf: (memory: Memory) => Outcome[], seen: (outcomes: Outcome[]) => Outcome[]): Beliefs {
  const remembered = new Map<Outcome, Memory>()
  for (const before of beliefs) for (const outcome of outcomesOf(before)) remembered.set(outcome, outcome.memory ?? before)
  return different(seen([...remembered.keys()]).flatMap((outcome) => remembered.get(outcome) ?? []))
}

/** What may be left of it with new tables. */
export function kept(beliefs: Beliefs, state: DataplaneState): Beliefs {
  return different(beliefs.map((one) => one.keep(state)))
}

function different(beliefs: Beliefs): Beliefs {
  if (beliefs.length === 1) return beliefs
  return [...new Map(beliefs.map((one) => [JSON.stringify(one), one])).values()]
}
