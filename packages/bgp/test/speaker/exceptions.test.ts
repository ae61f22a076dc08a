import { IpAddress } from '@heddle/wire'
import { expect, it } from 'vitest'
import { KEEPALIVE, VPNV4_UNICAST, encodeMessage } from '../../src/index.js'
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
