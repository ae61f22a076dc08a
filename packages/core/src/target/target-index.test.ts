import { RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import { expect, it, test } from 'vitest'
import { TargetIndex } from './target-index.js'

const [one, two, three] = ['65000:1', '65000:2', '192.0.2.1:1'].map((text) => RouteTarget.parse(text))

it('finds who imports any of the targets, each once', () => {
  const index = new TargetIndex<string>()
  index.set('red', [one])
  index.set('shared', [one, two])
  expect(index.importers([one, two])).toEqual(['red', 'shared'])
  expect(index.importers([three])).toEqual([])
  expect(index.targets().map(String)).toEqual(['65000:1', '65000:2'])
})

it('gives the same array until a target of the list is set anew', () => {
  const index = new TargetIndex<string>()
  index.set('red', [one])
  const before = index.importers([one])
  index.set('blue', [two])
  expect(index.importers([one])).toBe(before)
  index.set('blue', [one])
  expect(index.importers([one])).toEqual(['red', 'blue'])
  index.set('blue', [])
  expect(index.importers([one])).toEqual(['red'])
})

test('answers as a walk over all VRFs would, after any sequence of changes', () => {
  const targets = fc.subarray([one, two, three])
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4), targets, targets), { maxLength: 20 }), (steps) => {
      const index = new TargetIndex<number>()
      const imports = new Map<number, readonly RouteTarget[]>()
      for (const [vrf, wanted, asked] of steps) {
        index.set(vrf, wanted)
        imports.set(vrf, wanted)
        const expected = [...imports].filter(([, list]) => list.some((target) => asked.includes(target))).map(([name]) => name)
        expect([...index.importers(asked)].toSorted()).toEqual(expected.toSorted())
      }
    }),
  )
})
