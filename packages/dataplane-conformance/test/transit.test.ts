import { DATAPLANE_FEATURES } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { arbitraryTables } from '../src/arbitrary/tables.js'
import { arbitraryTransit, transiting } from '../src/arbitrary/transit.js'
import { interpretFromUnderlay, stateOf, type World } from '../src/index.js'

const [local, ...peers] = [1, 2, 3, 4].map((host) => IpAddress.parse(`192.0.2.${host}`))
// Nothing but the stack is in front of a packet: what became of it shows by its length.
const around = { encapsulations: ['mpls'], underlays: [{ local, peers }], features: DATAPLANE_FEATURES } as const

it('draws all that may become of a label which is swapped', () => {
  const drawn = arbitraryTables(around)
    .chain((tables) => transiting(tables, around))
    .chain((tables) => arbitraryTransit(around).map((input) => ({ tables, input })))
  const seen = new Set<string>()
  for (const { tables, input } of fc.sample(drawn, { numRuns: 400, seed: 1 })) {
    if (input.from === 'port') continue
    const world: World = { ...around, state: { ...stateOf(tables), generation: 1, devices: [] }, underlayMtu: 1500 }
    for (const outcome of interpretFromUnderlay(world, input)) {
      if (outcome.type === 'dropped') seen.add(outcome.reason)
      if (outcome.type === 'sent') seen.add(changeOf(input.packet, outcome.packet))
    }
  }
  const popped = ['popped', 'popped, TTL lowered', ...[0, 1, 2, 3].map((left) => `popped above ${left} octets`)]
  expect([...seen]).toEqual(expect.arrayContaining(['swapped', 'pushed 1', 'pushed 2', ...popped, 'label-stack', 'ttl-expired']))
})

function changeOf(before: Uint8Array, after: Uint8Array): string {
  const more = (after.length - before.length) / 4
  if (more >= 0) return more === 0 ? 'swapped' : `pushed ${more}`
  if (after.length < 4) return `popped above ${after.length} octets`
  return after[3] === before[7] ? 'popped' : 'popped, TTL lowered'
}
