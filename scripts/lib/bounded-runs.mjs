// How long properties may take where a run takes long.
import fc from 'fast-check'

/**
 * Parameters of fast-check with which a property begins no run after a time, and passes when those that it made have passed, at least one. Not by
 * `interruptAfterTimeLimit`, which leaves the run that it interrupts going on beside what follows.
 *
 * @param {number} patience milliseconds
 * @param {(line: string) => void} print told of each property how many of its runs were made
 * @param {(reason: string, runs: { made: number, wanted: number }) => void} [cut] told of each that was cut short
 * @returns {import('fast-check').Parameters<any>}
 */
export function boundedRuns(patience, print, cut = () => {}) {
  // A property begins behind the end of the one before it.
  let begun = Date.now()
  return {
    skipAllAfterTimeLimit: patience,
    // Those that the time is over for are drawn all the same, until so many are left out.
    maxSkipsPerRun: 1,
    reporter(details) {
      const { numRuns, failed, seed, counterexamplePath, runConfiguration } = details
      const wanted = runConfiguration.numRuns ?? 100
      // Otherwise so many are left out by preconditions.
      const isTimeOver = failed && counterexamplePath === null && Date.now() - begun >= patience
      begun = Date.now()
      print(`property: ${numRuns} of ${wanted} runs${isTimeOver ? ` within ${patience / 1000} s` : ''} (seed ${seed})`)
      if ((failed && !isTimeOver) || numRuns === 0) {
        throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance })
      }
      if (isTimeOver) cut(`${numRuns} of ${wanted} runs within ${patience / 1000} s (seed ${seed})`, { made: numRuns, wanted })
    },
  }
}
