import { seededRandom } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import type { Speaker } from '../../src/index.js'
import { Lab, follow, internal, isUp, neighbor, show, vpn, vpnRoutes } from './lab.js'
import { FaultyTransport, type Faults } from './faulty-transport.js'

const A = '192.0.2.1'
const B = '192.0.2.2'
/** Seeds a kind of fault: in every run so many; `npm run faults` runs a thousand. */
const SEEDS = Number(process.env['HEDDLE_FAULT_SEEDS'] ?? 60)

const KINDS: readonly (readonly [name: string, faults: Faults])[] = [
  ['delays', { delay: 400, cut: 'none', reset: 0, halfOpen: 0 }],
  ['cuts at every octet', { delay: 0, cut: 'every-octet', reset: 0, halfOpen: 0 }],
  ['resets', { delay: 50, cut: 'random', reset: 6, halfOpen: 0 }],
  ['connections that die without a word', { delay: 20, cut: 'random', reset: 0, halfOpen: 3 }],
  ['everything', { delay: 200, cut: 'random', reset: 4, halfOpen: 2 }],
]

const originated = (speaker: Speaker, address: string): string[] =>
  [...speaker.routes({ family: 'vpnv4-unicast', neighbor: 'local' })].map((view) => show(view).replace('via -', `via ${address}`)).sort()
const sent = (speaker: Speaker, to: string): string[] =>
  [...speaker.routes({ family: 'vpnv4-unicast', neighbor: to, direction: 'out' })].map(show).sort()

async function converge(faults: Faults, seed: number): Promise<void> {
  const lab = new Lab()
  const random = seededRandom(seed)
  const below = (limit: number): number => random.uint32() % limit
  const options = { gracefulRestart: below(2) === 0 ? false : { notification: below(2) === 0, restartTime: 20 } }
  const transports = [A, B].map((address, at) => new FaultyTransport(lab.host(address).transport, lab.clock, faults, seed * 2 + at))
  const a = lab.speaker(A, { transport: transports[0], neighbors: [internal(B)], ...options })
  const b = lab.speaker(B, { transport: transports[1], neighbors: [internal(A)], ...options })
  const { table } = follow(b)
  await Promise.all([a.start(), b.start()])
  for (let step = 0; step < 25; step++) {
    const speaker = below(2) === 0 ? a : b
    const route = vpn(`10.${speaker === a ? 1 : 2}.0.${below(12)}/32`, { label: 16 + below(5) })
    if (below(4) === 0) speaker.withdraw([route])
    else speaker.announce([route])
    if (below(6) === 0) speaker.requestRefresh(speaker === a ? B : A, 'vpnv4-unicast')
    await lab.run(below(30) / 10)
  }
  for (const transport of transports) transport.calm()
  await lab.until(() => isUp(a, B) && isUp(b, A), `established: ${neighbor(a, B).state}, ${neighbor(b, A).state}`, 600) // the OPEN is waited for 240 s
  // a connection that died without a word is found out by its hold time
  await lab.run(60)
  await lab.until(() => isUp(a, B) && isUp(b, A), 'established again', 600)
  await lab.run(30)

  expect(vpnRoutes(b, A)).toEqual(originated(a, A))
  expect(vpnRoutes(a, B)).toEqual(originated(b, B))
  expect([sent(a, B), sent(b, A)]).toEqual([originated(a, A), originated(b, B)])
  expect(table.size).toBe(originated(a, A).length)
  expect(lab.logs.records.filter(({ level }) => level === 'error')).toEqual([])
  await Promise.all([a.stop(), b.stop()])
}

describe.each(KINDS)('two speakers that meet %s', (_name, faults) => {
  it(`hold equal tables at last (${SEEDS} seeds)`, { timeout: 3_600_000 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      await converge(faults, seed).catch((error: unknown) => {
        throw new TypeError(`seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      })
    }
  })
})
