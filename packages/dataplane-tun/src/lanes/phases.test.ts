import { arbitraryTables, comparable, EMPTY, transition } from '@heddle/dataplane-conformance'
import { DATAPLANE_FEATURES, ENCAPSULATIONS, RouteBatch } from '@heddle/core'
import { ForwardingEngine } from '@heddle/forwarding'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { LIMITS } from '../forwarder/limits.js'
import { isEmpty, removingPart, settingPart } from './phases.js'

const [local, ...peers] = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'].map((text) => IpAddress.parse(text))
const limits = { ...LIMITS, flows: 64 }
const tables = arbitraryTables({ encapsulations: ENCAPSULATIONS, underlays: [{ local, peers }], features: DATAPLANE_FEATURES })

it('what a transaction sets, its routes, and what it removes, one after the other, leave what it leaves at once', () => {
  fc.assert(
    fc.property(tables, tables, fc.func(fc.boolean()), (before, whole, isKept) => {
      // Some of what was there goes; of what is replaced by an object with its id, nothing may be lost.
      const after = { ...whole, labels: whole.labels.filter(isKept), vnis: whole.vnis.filter(isKept), services: [] }
      const [once, thrice] = [new ForwardingEngine({ limits }), new ForwardingEngine({ limits })]
      for (const engine of [once, thrice]) engine.program(transition(1, EMPTY, before))
      const transaction = transition(2, before, after)
      once.program(transaction)
      thrice.program(settingPart(transaction))
      thrice.program({ ...settingPart(transition(2, EMPTY, EMPTY)), routes: transaction.routes })
      thrice.program(removingPart(transaction))
      expect(comparable(thrice.state())).toEqual(comparable(once.state()))
      expect([settingPart(transaction).routes.count, removingPart(transaction).routes.count]).toEqual([0, 0])
    }),
    { numRuns: 40 },
  )
})

it('what is set and removed by one transaction is replaced, and a part of nothing is empty', () => {
  const nothing = transition(1, EMPTY, EMPTY)
  const replaced = { ...nothing, vrfs: { set: [{ id: 1, name: 'red' }], remove: [1, 2] }, routes: new RouteBatch() }
  expect(removingPart(replaced).vrfs).toEqual({ set: [], remove: [2] })
  expect(settingPart(replaced).vrfs).toEqual({ set: [{ id: 1, name: 'red' }], remove: [] })
  expect([isEmpty(nothing), isEmpty(settingPart(replaced)), isEmpty(removingPart(nothing))]).toEqual([true, false, true])
})
