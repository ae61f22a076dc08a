import { ManualClock } from '@heddle/io/testing'
import { expect, it } from 'vitest'
import { VniRest } from './vni-rest.js'

// It was measured by the rest of the moment of asking alone: a VNI came to its next VRF while others still sent to the one before.
it.each<[string, (rest: VniRest) => void]>([
  ['is released', (rest) => (rest.take(7, 'red'), rest.release(7))],
  ['a process before had for another', (rest) => rest.had(7, 'red')],
  ['a process before may have released', (rest) => rest.resume()],
])('a VNI that %s rests for as long as was told then, and as is told when it is asked for', (_name, release) => {
  const clock = new ManualClock()
  let quarantine = 5000
  const rest = new VniRest(clock, () => quarantine)
  const { now } = rest
  release(rest)
  clock.advance(300)
  quarantine = 1000
  expect(rest.dueFor(7, 'blue')).toBe(now + 5000)
  quarantine = 9000
  expect(rest.dueFor(7, 'blue')).toBe(now + 9000)
})
