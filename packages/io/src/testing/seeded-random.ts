import type { Random } from '../random.js'

/** The same numbers for the same `seed` (0–4,294,967,295): a 32-bit counter scrambled by two multiply-xorshift rounds. Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return {
    uint32() {
      state = (state + 0x9e3779b9) >>> 0
      let word = state
      word = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
      word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35)
      return (word ^ (word >>> 16)) >>> 0
    },
  }
}
