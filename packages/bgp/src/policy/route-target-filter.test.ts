import { RouteTarget } from '@heddle/wire'
import { expect, it } from 'vitest'
import { RTC_DEFAULT, routeTargetMembership, type RouteTargetMembershipNlri } from '../nlri/route-target-membership.js'
import { RouteTargetFilter } from './route-target-filter.js'

const exact = (text: string): RouteTargetMembershipNlri => routeTargetMembership(65000, RouteTarget.parse(text))
/** A membership of the first `bits` of a route target. */
const prefix = (text: string, bits: number): RouteTargetMembershipNlri => ({ ...exact(text), length: 32 + bits })

it.each([
  ['nothing', [], '65000:1', false],
  ['everything', [RTC_DEFAULT], '65000:1', true],
  ['the target', [exact('65000:1')], '65000:1', true],
  ['another target', [exact('65000:2')], '65000:1', false],
  ['one of several', [exact('65000:2'), exact('65000:1')], '65000:1', true],
  ['any target of an origin AS', [prefix('65000:1', 0)], '65001:9', true],
  ['all targets of an AS', [prefix('65000:0', 32)], '65000:77', true],
  ['all targets of another AS', [prefix('65001:0', 32)], '65000:77', false],
  ['a range of targets', [prefix('65000:16', 60)], '65000:31', true],
  ['a range that ends before', [prefix('65000:16', 60)], '65000:32', false],
  ['half of the type and AS', [prefix('65000:0', 16)], '1:1', true],
])('a peer that wants %s', (_what, memberships, target, wanted) => {
  const filter = new RouteTargetFilter(memberships)
  expect(
    filter.wants([
      { kind: 'encapsulation', tunnelType: 13 },
      { kind: 'route-target', target: RouteTarget.parse(target) },
    ]),
  ).toBe(wanted)
})

it('a route without a target goes only to whoever wants everything', () => {
  expect([new RouteTargetFilter([RTC_DEFAULT]).wants(undefined), new RouteTargetFilter([exact('65000:1')]).wants([])]).toEqual([
    true,
    false,
  ])
})
