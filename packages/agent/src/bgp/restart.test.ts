import { ManualClock } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import { ReleaseRest, neighborsWithoutHoldTime, restOf } from './restart.js'

const BGP = { as: 65_000, routerId: '192.0.2.1', neighbors: [] }
const neighbor = { address: '192.0.2.9', as: 65_000, families: ['vpnv4-unicast' as const] }

describe('what a label rests', () => {
  it.each([
    ['as others have them without configuration', {}, 60 + 90 + 120],
    ['never less, since others need not have ours', { holdTime: 9, gracefulRestart: { restartTime: 5 } }, 60 + 90 + 120],
    ['also where we keep nothing ourselves', { gracefulRestart: false }, 60 + 90 + 120],
    ['as if peers without hold time noticed, of which is warned', { holdTime: 0 }, 60 + 90 + 120],
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

// A reload that made it shorter freed labels by which peers still sent that had lost their sessions before.
it('what is released rests for as long as a former configuration told peers that may have been lost under it', () => {
  const clock = new ManualClock()
  const short = { ...BGP }
  const long = { ...BGP, gracefulRestart: { longLived: 3600 } }
  const rest = new ReleaseRest(clock, long)
  expect(rest.milliseconds).toBe(3_870_000)
  rest.reconfigure(short)
  expect(rest.milliseconds).toBe(3_870_000)
  clock.advance(1_000_000)
  rest.reconfigure(short) // which tells nobody for longer
  clock.advance(2_869_999)
  expect(rest.milliseconds).toBe(3_870_000)
  clock.advance(1)
  expect(rest.milliseconds).toBe(270_000)
  rest.reconfigure(long)
  expect(rest.milliseconds).toBe(3_870_000)
})

it('neighbors whose sessions no silence ends are found, with what they inherit', () => {
  const neighbors = [
    { ...neighbor, address: '192.0.2.1' },
    { ...neighbor, address: '192.0.2.2', bfd: true },
    { ...neighbor, address: '192.0.2.3', holdTime: 30 },
    { ...neighbor, address: '192.0.2.4', holdTime: 0, bfd: false },
  ]
  const dynamicNeighbors = [{ ...neighbor, prefix: '198.51.100.0/24' }]
  expect(neighborsWithoutHoldTime({ ...BGP, neighbors, dynamicNeighbors, holdTime: 0 })).toEqual([
    '192.0.2.1',
    '192.0.2.4',
    '198.51.100.0/24',
  ])
  expect(neighborsWithoutHoldTime({ ...BGP, neighbors, dynamicNeighbors })).toEqual(['192.0.2.4'])
})
