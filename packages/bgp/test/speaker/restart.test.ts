import { IpAddress, RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { KEEPALIVE, RTC, VPNV4_UNICAST, VPNV6_UNICAST, encodeEndOfRib, packUpdates, type Speaker } from '../../src/index.js'
import type { LocalOpenOptions } from '../../src/session/local-open.js'
import { Lab, follow, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

function update(prefix: string): Uint8Array {
  const { family, nlri, attributes } = vpn(prefix)
  const nextHop = { address: IpAddress.parse(B) }
  return packUpdates({ family, attributes: { origin: 'igp', asPath: [], localPref: 100, ...attributes }, nextHop, nlri: [nlri] })[0]
}

const graceful = (restarting: boolean): Pick<Required<LocalOpenOptions>, 'gracefulRestart'> => ({
  gracefulRestart: {
    restarting,
    notification: false,
    restartTime: 60,
    families: [{ family: VPNV4_UNICAST, forwardingPreserved: true }],
  },
})

describe('a peer that has restarted and connects before its old connection is known to be dead (RFC 4724 §4.2)', () => {
  it.each([true, false])('is taken back without a word, and its routes wait for it (R bit %s)', async (restarting) => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { passive: true })] })
    await a.start()
    const before = await Puppet.connect(lab, B, A)
    before.open(B, 90, graceful(false))
    await lab.run(0.1)
    before.send(KEEPALIVE)
    before.send(update('10.0.0.1/32'))
    before.send(update('10.0.0.2/32'))
    await lab.run(0.1)
    const { changes } = follow(a)
    await lab.run(0.1)
    const seen = changes.length

    const after = await Puppet.connect(lab, B, A)
    after.open(B, 90, graceful(restarting))
    await lab.run(0.1)
    expect(before.ended).toBe(true)
    expect([before.notifications(), after.notifications()]).toEqual([[], []])
    expect(neighbor(a, B).families[0]).toMatchObject({ received: 2, stale: 2 })
    after.send(KEEPALIVE)
    after.send(update('10.0.0.2/32'))
    after.send(encodeEndOfRib(VPNV4_UNICAST))
    await lab.run(0.1)
    expect(isUp(a, B)).toBe(true)
    expect(vpnRoutes(a)).toEqual([`65000:1 10.0.0.2/32 label 1000 via ${B}`])
    expect(changes.slice(seen).filter(({ kind }) => kind === 'withdraw')).toHaveLength(1)
  })
})

test.each([
  ['another AS', { as: 65001 }, '2/2'],
  ['no family in common', { families: [RTC] }, '2/7'],
])('a second connection with %s does not harm the first one', async (_what, wrong, notification) => {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B, { passive: true })] })
  await a.start()
  const first = await Puppet.connect(lab, B, A)
  first.open(B, 9, graceful(false))
  await lab.run(0.1)
  first.send(KEEPALIVE)
  await lab.run(0.1)
  const second = await Puppet.connect(lab, B, A)
  second.open(B, 9, { ...graceful(true), ...wrong })
  await lab.run(0.1)
  expect([second.notifications(), first.ended, isUp(a, B), neighbor(a, B).established]).toEqual([[notification], false, true, 1])
})

test('a second connection that was made before the first one was up is no restart, however late its OPEN comes', async () => {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B)] })
  const listener = await lab.host(B).transport.listen({ address: IpAddress.parse(B), port: 179 })
  const accepted: Puppet[] = []
  void (async () => {
    for await (const connection of listener.connections) accepted.push(new Puppet(connection))
  })()
  await a.start()
  await lab.until(() => accepted.length === 1, 'connected')
  const [first] = accepted
  const second = await Puppet.connect(lab, B, A)
  first.open(B, 9, graceful(false))
  await lab.run(0.1)
  first.send(KEEPALIVE)
  await lab.run(0.1)
  expect(isUp(a, B)).toBe(true)
  second.open(B, 9, graceful(false))
  await lab.run(0.1)
  expect([first.ended, second.notifications(), neighbor(a, B).established, isUp(a, B)]).toEqual([false, ['6/7'], 1, true])
})

test('two speakers that start together come up once, whatever the latency', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(60), fc.nat(1200), fc.boolean(), async (latency, delay, swapped) => {
      const lab = new Lab(latency)
      const [x, y] = swapped ? [B, A] : [A, B]
      const first = lab.speaker(x, { neighbors: [internal(y)] })
      const second = lab.speaker(y, { neighbors: [internal(x)] })
      await first.start()
      await lab.run(delay / 1000)
      await second.start()
      await lab.until(() => isUp(first, y) && isUp(second, x), 'established')
      await lab.run(30)
      expect([isUp(first, y), isUp(second, x)]).toEqual([true, true])
      expect([neighbor(first, y).established, neighbor(second, x).established]).toEqual([1, 1])
    }),
    { numRuns: 60 },
  )
})

describe('a passive peer whose process restarts', () => {
  /** Seconds from the moment at which the peer listens until the session is up. */
  async function back(lab: Lab, a: Speaker): Promise<number> {
    const again = lab.speaker(B, { neighbors: [internal(A, { passive: true })] })
    await again.start()
    const from = lab.clock.now()
    await lab.until(() => isUp(a, B) && isUp(again, A), 'established again')
    return (lab.clock.now() - from) / 1000
  }

  it.each([0, 1, 20, 300])('is back within two seconds after %i seconds of absence, time and again', async (absence) => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [{ address: B, as: 65000, families: ['vpnv4-unicast'] }] })
    await a.start()
    for (let round = 0; round < 5; round++) {
      expect(await back(lab, a)).toBeLessThanOrEqual(2.2)
      await lab.run(round)
      await lab.speakers.at(-1)?.stop({ graceful: true })
      await lab.run(absence)
    }
  })

  it('and first drops connections, because it has no neighbors yet', async () => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [{ address: B, as: 65000, families: ['vpnv4-unicast'] }] })
    await a.start()
    const listener = await lab.host(B).transport.listen({ address: IpAddress.parse(B), port: 179 })
    let dropped = 0
    void (async () => {
      for await (const connection of listener.connections) {
        dropped++
        connection.reset()
      }
    })()
    await lab.run(10)
    expect(dropped).toBeGreaterThan(3)
    expect(dropped).toBeLessThan(25)
    await listener.close()
    expect(await back(lab, a)).toBeLessThanOrEqual(2.2)
  })
})

describe('a peer that comes back', () => {
  const capability = (families: LocalOpenOptions['families'], forwardingPreserved: boolean): Partial<LocalOpenOptions> => ({
    gracefulRestart: {
      restarting: true,
      notification: false,
      restartTime: 60,
      families: families.map((family) => ({ family, forwardingPreserved })),
    },
  })

  it.each<[string, Partial<LocalOpenOptions>, number]>([
    ['and has preserved its forwarding state is waited for', capability([VPNV4_UNICAST], true), 2],
    ['and has not preserved it is not', capability([VPNV4_UNICAST], false), 0],
    ['without the family among those that it restarts is not', capability([VPNV6_UNICAST], true), 0],
    ['without graceful restart is not', {}, 0],
    ['without the family at all is not', { families: [VPNV6_UNICAST], ...capability([VPNV4_UNICAST, VPNV6_UNICAST], true) }, 0],
  ])('%s (RFC 4724 §4.2)', async (_what, more, kept) => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { passive: true })], gracefulRestart: { staleTime: 100 } })
    await a.start()
    const before = await Puppet.connect(lab, B, A)
    before.open(B, 9, graceful(false))
    await lab.run(0.1)
    for (const said of [KEEPALIVE, update('10.0.0.1/32'), update('10.0.0.2/32')]) before.send(said)
    await lab.run(0.1)
    before.connection.reset()
    await lab.run(30)
    expect(neighbor(a, B).families[0]).toMatchObject({ received: 2, stale: 2 })
    const after = await Puppet.connect(lab, B, A)
    after.open(B, 0, more)
    await lab.run(0.1)
    after.send(KEEPALIVE)
    await lab.run(0.1)
    expect(isUp(a, B)).toBe(true)
    expect(neighbor(a, B).families[0]).toMatchObject({ received: kept, stale: kept })
    await lab.run(99)
    expect(neighbor(a, B).families[0]).toMatchObject({ received: kept })
    await lab.run(2) // no End-of-RIB has come
    expect(neighbor(a, B).families[0]).toMatchObject({ received: 0 })
  })
})

describe('what our OPEN says of our own restart (RFC 4724 §3)', () => {
  const said = (puppet: Puppet): string => {
    const open = puppet.received.find((message) => message.type === 'open')
    const capability = open?.capabilities.find((one) => one.kind === 'graceful-restart')
    if (capability?.kind !== 'graceful-restart') return 'nothing'
    const families = capability.families.map(({ family, forwardingPreserved }) => `${family.name}${forwardingPreserved ? '+F' : ''}`)
    return [...(capability.restarting ? ['R'] : []), capability.restartTime, ...families].join(' ')
  }
  const connect = async (lab: Lab): Promise<Puppet> => {
    const puppet = await Puppet.connect(lab, B, A)
    puppet.open(B, 9, graceful(false))
    await lab.run(0.1)
    puppet.send(KEEPALIVE)
    await lab.run(0.1)
    return puppet
  }

  it.each([
    ['a first start', {}, '120 vpnv4-unicast', '120 vpnv4-unicast+F'],
    ['a restart', { restarting: true }, 'R 120 vpnv4-unicast+F', '120 vpnv4-unicast+F'],
    [
      'a restart that lost the forwarding state',
      { restarting: true, forwardingPreserved: false },
      'R 120 vpnv4-unicast',
      '120 vpnv4-unicast',
    ],
  ])('%s', async (_what, gracefulRestart, first, second) => {
    const lab = new Lab()
    const a = lab.speaker(A, { neighbors: [internal(B, { passive: true, families: ['vpnv4-unicast'] })], gracefulRestart })
    await a.start()
    const before = await connect(lab)
    expect(said(before)).toBe(first)
    before.send(encodeEndOfRib(VPNV4_UNICAST))
    await lab.run(0.1)
    before.connection.reset()
    await lab.run(5)
    expect(said(await connect(lab))).toBe(second)
  })

  it('the deferral waits for those only that will mark the end of their routes', async () => {
    const lab = new Lab()
    const others = ['192.0.2.3', '192.0.2.4']
    const a = lab.speaker(A, {
      neighbors: [internal(B, { passive: true }), ...others.map((address) => internal(address, { passive: true }))],
      gracefulRestart: { restarting: true },
    })
    a.announce([vpn('10.0.0.1/32')])
    await a.start()
    const puppet = await connect(lab)
    puppet.send(encodeEndOfRib(VPNV4_UNICAST))
    const updates = (): number => puppet.received.filter(({ type }) => type === 'update').length
    const speakers = [
      lab.speaker(others[0], { neighbors: [internal(A)], gracefulRestart: false }),
      lab.speaker(others[1], { neighbors: [internal(A)], gracefulRestart: { restarting: true } }), // waits itself
    ]
    for (const [at, speaker] of speakers.entries()) {
      await lab.run(3)
      puppet.send(KEEPALIVE)
      expect(updates()).toBe(0)
      await speaker.start()
      await lab.until(() => isUp(a, others[at]), 'established')
    }
    await lab.run(0.1)
    expect(updates()).toBe(2) // the route, and our own End-of-RIB
  })
})

test('with memberships too, a restart is over within seconds: nobody waits for whoever waits for it (RFC 4684 §6)', async () => {
  const lab = new Lab()
  const families = ['vpnv4-unicast', 'rtc'] as const
  const r = lab.speaker(A, { neighbors: [B, '192.0.2.3'].map((address) => internal(address, { routeReflectorClient: true, families })) })
  const node = (address: string, restarting = false): Speaker => {
    const speaker = lab.speaker(address, { neighbors: [internal(A, { families })], gracefulRestart: { restarting } })
    speaker.setRouteTargetMembership([RouteTarget.parse('65000:1')])
    return speaker
  }
  const first = node(B)
  const other = node('192.0.2.3')
  first.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
  other.announce([vpn('10.0.0.3/32'), vpn('10.0.0.4/32', { rt: '65000:2' })])
  await Promise.all([r.start(), first.start(), other.start()])
  await lab.until(() => vpnRoutes(other).length === 2 && vpnRoutes(first).length === 1, 'routes')
  const { changes } = follow(other)
  await lab.run(1)
  const seen = changes.length
  await first.stop({ graceful: true })
  await lab.run(3)
  const again = node(B, true)
  again.announce([vpn('10.0.0.1/32')])
  await again.start()
  await lab.until(() => isUp(again, A), 'back')
  await lab.run(3)
  expect(vpnRoutes(again)).toEqual(['65000:1 10.0.0.3/32 label 1000 via 192.0.2.3'])
  expect(vpnRoutes(other)).toEqual([`65000:1 10.0.0.1/32 label 1000 via ${B}`])
  expect(neighbor(r, B).families.map(({ stale }) => stale)).toEqual([0, 0])
  expect(changes.slice(seen).map(({ kind }) => kind)).toEqual(['withdraw'])
})
