import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lab, follow, internal, isUp, show, vpn, vpnRoutes } from './lab.js'

const R = '192.0.2.1'
const A = '192.0.2.11'
const B = '192.0.2.12'

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('announce' as const), host: fc.nat(7), label: fc.integer({ min: 16, max: 40 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), host: fc.nat(7) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat(30) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cut' as const), seconds: fc.nat(15) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'reset' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'refresh' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'deconfigure' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restart' as const), graceful: fc.boolean(), seconds: fc.nat(20) }) },
)

/** What the first speaker originates, as a peer should see it. */
const originated = (speaker: ReturnType<Lab['speaker']>): string[] =>
  [...speaker.routes({ family: 'vpnv4-unicast', neighbor: 'local' })].map((view) => show(view).replace('via -', `via ${A}`)).sort()

test.each([true, false])(
  'after any changes and faults, what is held two hops on is what is originated (graceful restart %s)',
  async (gracefulRestart) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const lab = new Lab()
        const client = { routeReflectorClient: true }
        const r = lab.speaker(R, { gracefulRestart, neighbors: [internal(A, client), internal(B, client)] })
        let a = lab.speaker(A, { gracefulRestart, neighbors: [internal(R)] })
        const own = new Map<number, number>()
        const b = lab.speaker(B, { gracefulRestart, neighbors: [internal(R)] })
        const { table } = follow(b)
        await Promise.all([r.start(), a.start(), b.start()])
        for (const action of steps) {
          switch (action.kind) {
            case 'announce':
              own.set(action.host, action.label)
              a.announce([vpn(`10.0.0.${action.host}/32`, { label: action.label })])
              break
            case 'withdraw':
              own.delete(action.host)
              a.withdraw([vpn(`10.0.0.${action.host}/32`)])
              break
            case 'wait':
              await lab.run(action.seconds)
              break
            case 'cut':
              lab.network.cut(lab.host(A), lab.host(R))
              await lab.run(action.seconds)
              lab.network.heal(lab.host(A), lab.host(R))
              break
            case 'reset':
              r.updateNeighbor(internal(A, { ...client, connectRetry: 1 + steps.indexOf(action) }))
              break
            case 'refresh':
              b.requestRefresh(R, 'vpnv4-unicast')
              break
            case 'restart':
              await a.stop({ graceful: action.graceful })
              await lab.run(action.seconds)
              a = lab.speaker(A, { gracefulRestart: gracefulRestart && { restarting: action.graceful }, neighbors: [internal(R)] })
              a.announce([...own].map(([host, label]) => vpn(`10.0.0.${host}/32`, { label })))
              await a.start()
              break
            default:
              r.removeNeighbor(B)
              await lab.run(0.2)
              r.addNeighbor(internal(B, client))
          }
        }
        await lab.until(() => isUp(a, R) && isUp(b, R), 'established', 120)
        await lab.run(60)
        expect([isUp(a, R), isUp(b, R)]).toEqual([true, true])
        const expected = originated(a)
        expect(vpnRoutes(r)).toEqual(expected)
        expect(vpnRoutes(b)).toEqual(expected)
        expect(table.size).toBe(expected.length)
        await Promise.all([r.stop(), a.stop(), b.stop()])
        await lab.run(5)
        expect(vpnRoutes(b)).toEqual([])
      }),
      { numRuns: 60 },
    )
  },
)
