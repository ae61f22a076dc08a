import { DATAPLANE_FEATURES } from '@heddle/core'
import { IpAddress } from '@heddle/wire'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { PacketInput } from '../src/arbitrary/packets.js'
import { arbitraryTables } from '../src/arbitrary/tables.js'
import { arbitraryTranslated, translating } from '../src/arbitrary/translated.js'
import { interpretFromPort, interpretFromUnderlay, Memory, stateOf, type Outcome, type World } from '../src/index.js'
import { readIp } from '../src/oracle/ip.js'
import { see } from '../src/oracle/seen.js'
import { endsOf, isSame, turned } from '../src/oracle/service.js'

const [local, ...peers] = [1, 2, 3, 4].map((host) => IpAddress.parse(`192.0.2.${host}`))
const around = { encapsulations: ['mpls-udp'], underlays: [{ local, peers }], features: DATAPLANE_FEATURES } as const

it('draws replies to what was translated, and errors about it, also behind extension headers', () => {
  const drawn = fc.record({ tables: arbitraryTables(around).map(translating), inputs: arbitraryTranslated(around, 30) })
  const seen = new Set<string>()
  for (const { tables, inputs } of fc.sample(drawn, { numRuns: 400, seed: 1 })) {
    const devices = tables.ports.map(({ id }) => ({ port: id, ifname: `eth${id}`, ifindex: id, addresses: [], mtu: 1400 }))
    const world: World = { ...around, state: { ...stateOf(tables), generation: 1, devices }, underlayMtu: 1500 }
    let memory = new Memory().keep(world.state)
    for (const [turn, input] of inputs.entries()) {
      const outcomes = interpret({ ...world, memory }, input)
      const outcome = outcomes[turn % outcomes.length]
      const found = outcome.type === 'delivered' ? [backOf(input, memory), ofRouter(input, memory)] : []
      for (const one of found) if (one !== undefined) seen.add(one)
      memory = outcome.memory ?? memory
    }
  }
  const flows = ['pool: flow of 1', 'pool: flow of 6', 'pool: flow of 17', 'pool: flow of 58', 'service: flow of 6', 'service: flow of 17']
  const errors = ['pool: error of 6', 'pool: error of 17', 'service: error of 6', 'service: error of 17']
  const extended = [...flows.filter((flow) => !flow.endsWith(' 1')), 'pool: error of 6', 'service: error of 17'].map(
    (one) => `${one} behind extensions`,
  )
  const hidden = ['error of 1 from a router inside', 'error of 58 from a router inside']
  expect([...seen]).toEqual(expect.arrayContaining([...flows, ...errors, ...extended, ...hidden]))
})

function interpret(world: World, input: PacketInput): Outcome[] {
  return input.from === 'port' ? interpretFromPort(world, input.port, input.packet) : interpretFromUnderlay(world, input)
}

/** An error from inside about what came through a pool for another one there. */
function ofRouter(input: PacketInput, { translations }: Memory): string | undefined {
  const ip = readIp(input.from === 'port' ? input.packet : input.packet.subarray(4))
  if (typeof ip === 'string') return undefined
  const { source, quoted } = see(ip)
  if (quoted === undefined || source.equals(quoted.destination)) return undefined
  const isHidden = translations.some(
    ({ by, protocol, from }) => by === 'pool' && protocol === quoted.protocol && isSame(from, turned(endsOf(quoted))),
  )
  return isHidden ? `error of ${ip.protocol} from a router inside` : undefined
}

/** What translated the flow that a packet is a reply to, or an error about. */
function backOf(input: PacketInput, { translations }: Memory): string | undefined {
  const ip = readIp(input.from === 'port' ? input.packet : input.packet.subarray(4))
  if (typeof ip === 'string') return undefined
  const { kind, quoted, ...found } = see(ip)
  const about = quoted === undefined ? turned(endsOf({ kind, ...found })) : endsOf(quoted)
  const protocol = quoted?.protocol ?? found.protocol
  const translation = translations.find((one) => one.protocol === protocol && isSame(one.to, about))
  // Of an error those before the packet that it quotes.
  const [first] = quoted === undefined ? [ip.protocol] : ip.bytes.subarray(ip.headerLength + 8 + 6)
  const isExtended = ip.family === 6 && first !== protocol
  return translation && `${translation.by}: ${kind} of ${protocol}${isExtended ? ' behind extensions' : ''}`
}
