import { describe, expect, it } from 'vitest'
import { restOf } from './restart.js'

const BGP = { as: 65_000, routerId: '192.0.2.1', neighbors: [] }
const neighbor = { address: '192.0.2.9', as: 65_000, families: ['vpnv4-unicast' as const] }

describe('what a label rests', () => {
  it.each([
    ['as others have them without configuration', {}, 60 + 90 + 120],
    ['never less, since others need not have ours', { holdTime: 9, gracefulRestart: { restartTime: 5 } }, 60 + 90 + 120],
    ['also where we keep nothing ourselves', { gracefulRestart: false }, 60 + 90 + 120],
    ['as long as the speaker says', { holdTime: 180, gracefulRestart: { restartTime: 600 } }, 60 + 180 + 600],
    [
      'as long as the slowest neighbor has it',
      {
        neighbors: [
          { ...neighbor, holdTime: 300 },
          { ...neighbor, gracefulRestart: { restartTime: 240, longLived: 3600 } },
        ],
      },
      60 + 300 + 240 + 3600,
    ],
    [
      'with neighbors that come as they like',
      { dynamicNeighbors: [{ ...neighbor, prefix: '192.0.2.0/24', holdTime: 200 }] },
      60 + 200 + 120,
    ],
  ])('covers hold and restart times: %s', (_name, more, seconds) => {
    expect(restOf({ ...BGP, ...more })).toBe(seconds)
  })
})
