import { randomFillSync } from 'node:crypto'
import type { Random } from '../random.js'

const pool = new Uint32Array(256)
let left = 0

/** Node's cryptographic randomness, drawn in blocks. */
export const nodeRandom: Random = {
  uint32() {
    if (left === 0) {
      randomFillSync(pool)
      left = pool.length
    }
    return pool[--left]
  },
}
