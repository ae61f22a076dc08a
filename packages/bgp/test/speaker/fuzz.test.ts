import { IpAddress } from '@heddle/wire'
import { bgpMessage, mutated } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KEEPALIVE, RTC, VPNV4_UNICAST, VPNV6_UNICAST, encodeMessage, packUpdates } from '../../src/index.js'
import { Lab, follow, internal, isUp, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

const A = '192.0.2.1'
const B = '192.0.2.2'
const FAMILIES = [VPNV4_UNICAST, VPNV6_UNICAST, RTC]

const { family, nlri, attributes } = vpn('10.9.9.9/32')
const ROUTE = packUpdates({
  family,
  nlri: [nlri],
  attributes: { origin: 'igp', asPath: [], localPref: 100, ...attributes },
  nextHop: { address: IpAddress.parse(B) },
})[0]

const message = bgpMessage({ addPath: false }).map((value) => encodeMessage(value, { extended: true }))
const octets = fc.oneof(
  { weight: 4, arbitrary: message },
  { weight: 4, arbitrary: message.chain(mutated) },
  { weight: 2, arbitrary: mutated(ROUTE) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
)
const step = fc.oneof(
  { weight: 8, arbitrary: octets.map((bytes) => ({ kind: 'send' as const, bytes })) },
  { weight: 2, arbitrary: fc.constant({ kind: 'route' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'open' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'keepalive' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'connect' as const }) },
  { weight: 2, arbitrary: fc.nat(4000).map((milliseconds) => ({ kind: 'wait' as const, milliseconds })) },
)

test('whatever a peer says and when, nothing breaks, its routes go with it, and it is taken back', async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.boolean(), fc.array(step, { maxLength: 30 }), async (up, gracefulRestart, steps) => {
      const lab = new Lab()
      const families = ['vpnv4-unicast', 'vpnv6-unicast', 'rtc'] as const
      const a = lab.speaker(A, { gracefulRestart, neighbors: [internal(B, { passive: true, families })] })
      a.announce([vpn('10.0.0.1/32')])
      const { table } = follow(a)
      await a.start()

      const puppets: Puppet[] = []
      const connect = async (): Promise<Puppet> => {
        const puppet = await Puppet.connect(lab, B, A)
        puppets.push(puppet)
        puppet.open(B, 9, { families: FAMILIES })
        return puppet
      }
      let puppet = await connect()
      await lab.run(0.1)
      if (up) puppet.send(KEEPALIVE)
      for (const action of steps) {
        if (action.kind === 'send') puppet.send(action.bytes)
        if (action.kind === 'route') puppet.send(ROUTE)
        if (action.kind === 'open') puppet.open(B, 9, { families: FAMILIES })
        if (action.kind === 'keepalive') puppet.send(KEEPALIVE)
        if (action.kind === 'connect') puppet = await connect()
        if (action.kind === 'wait') await lab.run(action.milliseconds / 1000)
      }
      await lab.run(0.1)
      for (const { connection } of puppets) connection.reset()
      await lab.run(150)
      expect(lab.logs.records.filter(({ level }) => level === 'error')).toEqual([])
      expect([isUp(a, B), vpnRoutes(a), table.size]).toEqual([false, [], 0])

      const last = await connect()
      await lab.run(0.1)
      last.send(KEEPALIVE)
      last.send(ROUTE)
      await lab.run(0.1)
      expect(isUp(a, B)).toBe(true)
      expect(vpnRoutes(a)).toEqual([`65000:1 10.9.9.9/32 label 1000 via ${B}`])
    }),
    { numRuns: 200 },
  )
})
