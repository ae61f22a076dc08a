import { IpAddress, IpPrefix } from '@heddle/wire'
import { expect, it } from 'vitest'
import { interpretFromPort, Memory, stateOf, testPacket, type Outcome, type World } from '../src/index.js'
import { kept, learned, type Beliefs } from '../src/oracle/beliefs.js'
import { deadEnds } from './support/dead-ends.js'

const tables = deadEnds({ first: 9, last: 10 })
const world: World = { state: { ...stateOf(tables), generation: 1, devices: [] }, encapsulations: [], underlayMtu: 1500 }

const packet = testPacket({ source: '10.0.0.1', destination: '10.1.0.1', sourcePort: 5000 })
const outcomesOf = (memory: Memory): Outcome[] => interpretFromPort({ ...world, memory }, 1, packet)
const all = (outcomes: Outcome[]): Outcome[] => outcomes
const portsOf = (beliefs: Beliefs): number[][] => beliefs.map(({ translations }) => translations.map(({ to }) => to.sourcePort))

it('believes of each outcome what follows from it, and nothing that follows from another', () => {
  expect(outcomesOf(new Memory()).map((outcome) => outcome.type === 'dropped' && outcome.reason)).toEqual(Array(3).fill('no-next-hop'))
  expect(portsOf(learned([new Memory()], outcomesOf, all))).toEqual([[], [9], [10]])
})

it('believes only what follows from outcomes that were seen', () => {
  expect(portsOf(learned([new Memory()], outcomesOf, (outcomes) => outcomes.slice(2)))).toEqual([[10]])
})

it('believes the same once, whatever led to it', () => {
  const once = learned([new Memory()], outcomesOf, all)
  expect(portsOf(learned(once, outcomesOf, all))).toEqual([[], [9], [10]])
  const other = { ...tables, natPools: [{ ...tables.natPools[0], ports: { first: 10, last: 10 } }] }
  expect(portsOf(kept(once, { ...world.state, ...stateOf(other) }))).toEqual([[], [10]])
})

it('asks what may become of a packet without that anything becomes of it', () => {
  const service = { id: 1, vrf: 1, protocol: 'udp' as const, address: IpAddress.parse('10.0.0.9'), port: 53, seed: 0, affinity: 1000 }
  const backends = ['10.0.0.1', '10.1.0.1'].map((text) => ({ address: IpAddress.parse(text), port: 9, weight: 1 }))
  const policy = { id: 1, port: 1, direction: 'egress' as const, rules: [], defaultVerdict: 'allow' as const }
  const rateLimits = { egress: { bitsPerSecond: 1, burstOctets: 1 } }
  const port = { ...tables.ports[0], rateLimits, allowedSources: [IpPrefix.parse('10.0.0.0/8')] }
  const full = { ...tables, ports: [port], policies: [policy], services: [{ ...service, backends }] }
  const state = { ...world.state, ...stateOf(full) }
  const ask = (memory: Memory): Outcome[] =>
    interpretFromPort({ ...world, state, memory }, 1, testPacket({ source: '10.0.0.1', destination: '10.0.0.9', destinationPort: 53 }))
  const before = new Memory().keep(state)
  const beliefs = learned([before], ask, all)
  // To either backend, and in each of three ways on; all parts of a memory have something in them.
  expect(beliefs.length).toBeGreaterThan(2)
  expect(Object.keys(beliefs[0].toJSON())).toEqual(expect.arrayContaining(['flows', 'translations', 'affinities', 'passed']))
  const written = JSON.stringify([before, ...beliefs])
  for (const one of [before, ...beliefs]) ask(one)
  expect(JSON.stringify([before, ...beliefs])).toBe(written)
})
