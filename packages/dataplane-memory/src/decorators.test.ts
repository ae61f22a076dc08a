import { comparable, EMPTY, stateOf, transition, type Tables } from '@heddle/dataplane-conformance'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { INJECTED, memoryDataplane, withFaults, withTrace, type DataplaneCall } from './index.js'

const ADDRESS = IpAddress.parse('192.0.2.1')
const tables: Tables = {
  ...EMPTY,
  vrfs: [{ id: 1, name: 'red' }],
  groups: [{ id: 1, members: [], seed: 0 }],
  routes: Array.from({ length: 20 }, (_, host) => ({ vrf: 1, prefix: `10.0.0.${host}/32`, group: 1 })),
}

/** Numbers that follow from a seed. */
function seeded(seed: number): { uint32(): number } {
  let state = seed
  return { uint32: () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) }
}

describe('withTrace', () => {
  it('tells each call with its outcome, and changes none', async () => {
    const calls: DataplaneCall[] = []
    const dataplane = withTrace(memoryDataplane({ addresses: [ADDRESS] }), (call) => calls.push(call))
    const report = await dataplane.apply(transition(1, EMPTY, tables))
    expect(report.status).toBe('applied')
    await expect(dataplane.attachPort(9, { ifname: 'eth0', addresses: [], mtu: 1400 })).rejects.toThrow('dataplane.port-unknown')
    expect(calls.map(({ method, outcome }) => `${method} ${outcome.ok}`)).toEqual(['apply true', 'attachPort false'])
  })
})

describe('withFaults', () => {
  test('what the report does not name is programmed, and what it names is not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const dataplane = withFaults(memoryDataplane({ addresses: [ADDRESS] }), { random: seeded(seed), routeRefusals: 0.3 })
        const report = await dataplane.apply(transition(1, EMPTY, tables))
        const refused = new Set(report.failures.map(({ object }) => object.key))
        expect(report.failures.every(({ code }) => code === INJECTED)).toBe(true)
        const kept = { ...tables, routes: tables.routes.filter(({ vrf, prefix }) => !refused.has(`${vrf} ${prefix}`)) }
        expect(comparable(await dataplane.dump())).toEqual(comparable(stateOf(kept)))
      }),
      { numRuns: 30 },
    )
  })

  it('refuses whole transactions, and delays them in order', async () => {
    const timers: (() => void)[] = []
    const clock = { now: () => 0, setTimer: (_: number, fire: () => void) => ({ cancel: () => undefined, at: timers.push(fire) }) }
    const never = withFaults(memoryDataplane({ addresses: [ADDRESS] }), { random: seeded(1), refusals: 1 })
    expect((await never.apply(transition(1, EMPTY, tables))).status).toBe('refused')

    const late = withFaults(memoryDataplane({ addresses: [ADDRESS] }), { random: seeded(1), maxDelay: 100, clock })
    const done: number[] = []
    const first = late.apply(transition(1, EMPTY, tables)).then(({ generation }) => done.push(generation))
    const second = late.apply(transition(2, tables, EMPTY)).then(({ generation }) => done.push(generation))
    await Promise.resolve()
    expect(timers).toHaveLength(1)
    timers.shift()?.()
    await first
    expect(done).toEqual([1])
    await Promise.resolve()
    await Promise.resolve()
    timers.shift()?.()
    await second
    expect(done).toEqual([1, 2])
  })
})
