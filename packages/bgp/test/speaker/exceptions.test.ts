import { IpAddress } from '@heddle/wire'
import { expect, it } from 'vitest'
import { KEEPALIVE, VPNV4_UNICAST, encodeEndOfRib, encodeMessage } from '../../src/index.js'
import { Lab, internal, isUp, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

/* What a speaker is given by its user may throw: that must not cost more than the message at which it does. */

const A = '192.0.2.1'
const B = '192.0.2.2'
const C = '192.0.2.3'

it('routes that came before one at which the validator throws are there', async () => {
  const importPolicy = {
    terms: [{ match: { validation: ['invalid' as const] }, verdict: 'reject' as const }],
    otherwise: 'accept' as const,
  }
  let thrown = 0
  const lab = new Lab()
  const a = lab.speaker(A, {
    neighbors: [internal(B, { importPolicy, passive: true })],
    originValidator: {
      validate: (prefix) => {
        if (String(prefix) !== '10.0.0.9/32') return 'valid'
        thrown++
        throw new TypeError('the file is gone')
      },
    },
  })
  const b = lab.speaker(B, { neighbors: [internal(A)] })
  await Promise.all([a.start(), b.start()])
  await lab.until(() => isUp(a, B), 'the session')
  await lab.run(1)
  // messages of their own, which are taken in within one piece of work
  b.announce([vpn('10.0.0.1/32', { rt: '65000:1' }), vpn('10.0.0.9/32', { rt: '65000:9' })])
  await lab.run(1)
  expect(thrown).toBe(1)
  expect(lab.logs.records).toContainEqual(expect.objectContaining({ level: 'error', message: 'work failed' }))
  expect(vpnRoutes(a, B)).toEqual(['65000:1 10.0.0.1/32 label 1000 via 192.0.2.2'])
  expect([...a.routes({ family: 'vpnv4-unicast', neighbor: B })].map(({ best }) => best)).toEqual([true])
})

it('routes that a malformed message withdraws are taken back from others, also when who is told of it throws', async () => {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B, { passive: true, routeReflectorClient: true }), internal(C, { passive: true })] })
  const c = lab.speaker(C, { neighbors: [internal(A)] })
  await Promise.all([a.start(), c.start()])
  const puppet = await Puppet.connect(lab, B, A)
  puppet.open(B)
  await lab.run(0.1)
  puppet.send(KEEPALIVE)
  await lab.until(() => isUp(a, B) && isUp(a, C), 'the sessions', 5)
  const { nlri } = vpn('10.0.0.1/32')
  const attributes = { origin: 'igp', asPath: [], localPref: 100 } as const
  const announced = [{ family: VPNV4_UNICAST, nlri: [nlri], multiprotocol: true, nextHop: { address: IpAddress.parse(B) } }]
  const sound = encodeMessage({ type: 'update', withdrawn: [], announced, attributes })
  puppet.send(sound)
  await lab.run(0.5)
  expect(vpnRoutes(c)).toHaveLength(1)

  const malformed = sound.slice()
  // ORIGIN has no such value: RFC 7606 §7.1
  const origin = Buffer.from(malformed).indexOf(Uint8Array.of(0x40, 1, 1, 0))
  malformed[origin + 3] = 9
  let told = 0
  a.events.on('malformed', () => {
    told++
    throw new TypeError('the disk is full')
  })
  puppet.send(malformed)
  await lab.run(0.5)
  expect([told, isUp(a, B)]).toEqual([1, true])
  expect(vpnRoutes(c)).toEqual([])
})

/** A speaker and a peer that says what the test tells it to, with a session between them. */
async function withPuppet(more: Parameters<typeof internal>[1] = {}, given: Partial<Parameters<Lab['speaker']>[1]> = {}) {
  const lab = new Lab()
  const a = lab.speaker(A, { ...given, neighbors: [internal(B, { passive: true, ...more })] })
  await a.start()
  const puppet = await Puppet.connect(lab, B, A)
  puppet.open(B)
  await lab.run(0.1)
  puppet.send(KEEPALIVE)
  await lab.until(() => isUp(a, B), 'the session', 5)
  return { lab, a, puppet }
}

/** An UPDATE with one route. */
function updateOf(prefix: string): Uint8Array {
  const announced = [{ family: VPNV4_UNICAST, nlri: [vpn(prefix).nlri], multiprotocol: true, nextHop: { address: IpAddress.parse(B) } }]
  return encodeMessage({ type: 'update', withdrawn: [], announced, attributes: { origin: 'igp', asPath: [], localPref: 100 } })
}

function joined(...messages: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(messages.flatMap((message) => [...message]))
}

it('messages behind one at which something throws do not wait until the peer says more', async () => {
  const importPolicy = {
    terms: [{ match: { validation: ['invalid' as const] }, verdict: 'reject' as const }],
    otherwise: 'accept' as const,
  }
  const originValidator = {
    validate: (prefix: { toString(): string }) => {
      if (String(prefix).startsWith('10.9.')) throw new TypeError('the file is gone')
      return 'valid' as const
    },
  }
  const { lab, a, puppet } = await withPuppet({ importPolicy }, { originValidator })
  puppet.send(joined(...['10.9.0.1/32', '10.0.0.1/32', '10.9.0.2/32', '10.9.0.3/32', '10.0.0.2/32'].map(updateOf)))
  await lab.run(0.5)
  expect(vpnRoutes(a, B)).toHaveLength(2)
  expect(lab.logs.records.filter(({ message }) => message === 'work failed')).toHaveLength(3)
})

it('a session that a malformed message is to end ends, and all who listen are told, also when one of them throws', async () => {
  const { lab, a, puppet } = await withPuppet()
  const told: string[] = []
  a.events.on('malformed', () => {
    told.push('first')
    throw new TypeError('the disk is full')
  })
  a.events.once('malformed', () => told.push('once'))
  a.events.on('malformed', ({ errors }) => told.push(errors[0]?.handling ?? 'nothing'))
  const malformed = updateOf('10.0.0.1/32')
  // the attributes are longer than the message: RFC 7606 §4
  new DataView(malformed.buffer, malformed.byteOffset).setUint16(21, 0xfff)
  puppet.send(malformed)
  await lab.run(0.5)
  expect(told).toEqual(['first', 'once', 'session-reset'])
  expect([isUp(a, B), puppet.notifications()]).toEqual([false, ['3/1']])
  expect(lab.logs.records).toContainEqual(expect.objectContaining({ level: 'error', message: 'callback failed' }))
})

it('limits of routes hold and sessions come up and go down, whatever those throw who are told of it', async () => {
  const { lab, a, puppet } = await withPuppet({ maxPrefixes: { 'vpnv4-unicast': { limit: 1 } } })
  const fail = (): never => {
    throw new TypeError('nobody catches this')
  }
  a.events.on('max-prefixes', fail).on('neighbor', fail).on('end-of-rib', fail).on('vrfs', fail)
  a.trace(B, fail)
  a.observe({ path: fail, best: fail })
  puppet.send(joined(updateOf('10.0.0.1/32'), encodeEndOfRib(VPNV4_UNICAST)))
  await lab.run(0.5)
  expect([...a.routes({ family: 'vpnv4-unicast', neighbor: B })].map(({ best }) => best)).toEqual([true])
  puppet.send(updateOf('10.0.0.2/32'))
  await lab.run(0.5)
  // Cease, Maximum Number of Prefixes Reached: RFC 4486 §4
  expect([isUp(a, B), puppet.notifications()]).toEqual([false, ['6/1']])
  expect(a.neighbors()[0]?.messages.sent.notification).toBe(1)
  a.addNeighbor(internal(C))
  a.setVrfs([{ name: 'red', rd: '65000:1', importTargets: ['65000:1'], exportTargets: ['65000:1'], label: 100 }])
  expect(a.neighbors().map(({ address }) => address)).toEqual([B, C])
  expect(a.vrfs.map(({ name }) => name)).toEqual(['red'])
})

it('a destination is decided although the resolver of next hops throws, and again once it does not', async () => {
  let works = false
  const costOf = (): number => {
    if (!works) throw new TypeError('the table is locked')
    return 1
  }
  const { lab, a, puppet } = await withPuppet({}, { nextHops: { costOf } })
  puppet.send(updateOf('10.0.0.1/32'))
  await lab.run(0.5)
  const bests = (): boolean[] => [...a.routes({ family: 'vpnv4-unicast', neighbor: B })].map(({ best }) => best)
  expect(bests()).toEqual([false])
  works = true
  a.nextHopsChanged()
  await lab.run(0.5)
  expect(bests()).toEqual([true])
})
