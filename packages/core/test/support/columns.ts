import fc from 'fast-check'
import type { Values4 } from '../../src/fib/trie/near.js'
import { values4 } from '../../src/fib/trie/route-runs.js'

/** How addresses may lie: by themselves, or each as the first of the four words that a batch has of it. */
export const stride = fc.constantFrom(1 as const, 4 as const)

/** Prefixes as columns. What a batch has behind an address is to be passed over, so that it is like no other. */
export function columnsOf(
  rows: readonly { readonly address: number; readonly length: number; readonly value?: number }[],
  apart: Values4['stride'],
): Values4 {
  const columns = values4(
    Uint32Array.from(rows, ({ address }) => address),
    Uint8Array.from(rows, ({ length }) => length),
    Uint32Array.from(rows, ({ value = 0 }) => value),
  )
  if (apart === 1) return columns
  const words = Uint32Array.from({ length: rows.length * 4 }, (_, at) => (at % 4 === 0 ? rows[at / 4].address : Math.imul(at, 0x9e37_79b1)))
  return { ...columns, words, stride: 4 }
}
