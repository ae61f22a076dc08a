import fc from 'fast-check'

const [MOST_ROUNDS, ROUND] = [100, 10]

/**
 * Examples for a property that asks at its end whether everything of `wanted` came about: of draws that are the same in every run, those that reach what none
 * before them did. What is rare is missing in one run of some hundred when it is left to chance.
 *
 * @param reached what comes about in a draw
 */
export function examplesOf<T>(arbitrary: fc.Arbitrary<T>, reached: (drawn: T) => Iterable<string>, wanted: readonly string[]): T[] {
  const missing = new Set(wanted)
  const examples: T[] = []
  for (let seed = 0; missing.size > 0; seed++) {
    if (seed === MOST_ROUNDS) throw new TypeError(`none of ${seed * ROUND} draws reaches ${[...missing].join(', ')}`)
    for (const drawn of fc.sample(arbitrary, { seed, numRuns: ROUND })) {
      const found = [...reached(drawn)].filter((one) => missing.delete(one))
      if (found.length > 0) examples.push(drawn)
    }
  }
  return examples
}
