import { describe, expect, it } from 'vitest'
import { bird } from './daemon/bird.ts'
import { heddle } from './daemon/heddle.ts'
import type { Reflector } from './daemon/reflector.ts'
import { runFanOut } from './fan-out/fan-out.ts'
import { Budget } from './reflect/budget.ts'
import { STEPS, runRound } from './reflect/round.ts'
import { onStage } from './reflect/stage.ts'

const ROUTES = 2_000
const { signal } = new AbortController()

// The bench itself, with a table that is small: that it measures, and not what.
describe.runIf(process.platform === 'linux')('the bench of BGP', () => {
  const participants: readonly [title: string, reflector: Reflector][] = [
    ['Heddle', heddle],
    [`BIRD${bird.executable === undefined ? ' (not installed)' : ''}`, bird],
  ]
  for (const [at, [title, reflector]] of participants.entries()) {
    for (const family of ['vpnv4', 'ipv4'] as const) {
      it.skipIf(reflector.executable === undefined)(`takes ${title} through all steps with ${family}`, async () => {
        const round = await onStage(family, ROUTES, (stage) => runRound(reflector, `127.0.60.${at + 31}`, stage, new Budget(50, signal)))
        expect(Object.keys(round.steps)).toEqual([...STEPS])
        for (const seconds of Object.values(round.steps)) expect(seconds).toBeGreaterThan(0)
        expect(round.peak).toBeGreaterThanOrEqual(round.peakReflected!)
        expect(round.lateness.daemon.length > 0).toBe(reflector === heddle)
      })
    }
  }

  it('tells whether each UPDATE of a fan-out was packed once', async () => {
    const round = await onStage('vpnv4', ROUTES, (stage) => runFanOut(stage, 8))
    expect(round.packed).toBe(1)
    expect(round.seconds).toBeGreaterThan(0)
  })
})
