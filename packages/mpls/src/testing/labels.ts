import fc from 'fast-check'
import { JOINT_LABEL } from '../joint-label.js'
import type { LabelStackEntry } from '../label-stack.js'
import { MAX_LABEL, MIN_UNRESERVED_LABEL } from '../special-label.js'

/** Labels that a router gives out, 16–1,048,575 but for the joint label; the ends of the range, and of the gap, come often. */
export function label(): fc.Arbitrary<number> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.integer({ min: MIN_UNRESERVED_LABEL, max: MAX_LABEL }).filter((label) => label !== JOINT_LABEL) },
    { weight: 1, arbitrary: fc.constantFrom(MIN_UNRESERVED_LABEL, JOINT_LABEL - 1, JOINT_LABEL + 1, MAX_LABEL) },
  )
}

/** Entries with any label, special-purpose ones included. */
export function labelStackEntry(): fc.Arbitrary<LabelStackEntry> {
  return fc.record({ label: fc.oneof(fc.nat(MAX_LABEL), fc.nat(MIN_UNRESERVED_LABEL - 1)), trafficClass: fc.nat(7), ttl: fc.nat(255) })
}

/** Stacks of 1–`maxDepth` entries, top first. */
export function labelStack(maxDepth = 16): fc.Arbitrary<LabelStackEntry[]> {
  return fc.array(labelStackEntry(), { minLength: 1, maxLength: maxDepth, size: 'max' })
}
