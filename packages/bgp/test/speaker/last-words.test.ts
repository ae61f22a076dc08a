import { IpAddress, RouteTarget } from '@heddle/wire'
import { describe, expect, it, test } from 'vitest'
import {
  KEEPALIVE,
  RTC,
  VPNV4_UNICAST,
  packUpdates,
  routeTargetMembership,
  type BgpMessage,
  type Nlri,
  type Speaker,
} from '../../src/index.js'
import { Lab, follow, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

const A = '192.0.2.1'
const B = '192.0.2.2'

async function pair(gracefulRestart: { notification: boolean } | boolean): Promise<{ lab: Lab; a: Speaker; b: Speaker }> {
  const lab = new Lab()
  const a = lab.speaker(A, { neighbors: [internal(B)], gracefulRestart })
  const b = lab.speaker(B, { neighbors: [internal(A)], gracefulRestart })
  await Promise.all([a.start(), b.start()])
  await lab.until(() => isUp(a, B) && isUp(b, A), 'established')
  a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
  await lab.run(1)
  expect(vpnRoutes(b)).toHaveLength(2)
  return { lab, a, b }
}

describe('with the N bit (RFC 8538)', () => {
  const notification = { notification: true }

  it('the end of the hold time keeps the routes until the restart time is over', async () => {
    const { lab, b } = await pair(notification)
    lab.network.cut(lab.host(A), lab.host(B))
    await lab.run(12)
    expect([isUp(b, A), neighbor(b, A).lastNotification?.code]).toEqual([false, 4])
    expect(neighbor(b, A).families[0]).toMatchObject({ received: 2, stale: 2 })
    await lab.run(120)
    expect(vpnRoutes(b)).toEqual([])
  })

  it.each([
    ['a stop', (a: Speaker): unknown => a.stop({ message: 'done' }), [6, 2, 4, ...new TextEncoder().encode('done')]],
    ['the end of the configuration', (a: Speaker): unknown => a.removeNeighbor(B), [6, 3]],
  ] as const)('%s is a hard reset, and takes the routes with it at both ends', async (_what, end, data) => {
    const { lab, a, b } = await pair(notification)
    b.announce([vpn('10.9.9.9/32')])
    await lab.run(1)
    await end(a)
    await lab.run(0.5)
    expect(neighbor(b, A).lastNotification).toMatchObject({ direction: 'received', code: 6, subcode: 9, data: Uint8Array.from(data) })
    expect([vpnRoutes(a), vpnRoutes(b)]).toEqual([[], []])
  })

  it('a change of configuration is none', async () => {
    const { lab, a, b } = await pair(notification)
    expect(a.updateNeighbor(internal(B, { holdTime: 30 }))).toBe('reset')
    await lab.run(0.1)
    expect(neighbor(b, A).lastNotification).toMatchObject({ code: 6, subcode: 6 })
    expect(vpnRoutes(b)).toHaveLength(2)
  })

  it('without it, a stop is a plain Cease', async () => {
    const { lab, a, b } = await pair(true)
    await a.stop({ message: 'done' })
    await lab.run(0.5)
    expect(neighbor(b, A).lastNotification).toMatchObject({ code: 6, subcode: 2, shutdown: 'done' })
    expect(vpnRoutes(b)).toEqual([])
  })
})

describe('a stop', () => {
  it.each([true, false])('does not forget what was taken back a moment before (graceful %s)', async (graceful) => {
    const { lab, a, b } = await pair({ notification: true })
    const { changes } = follow(b)
    await lab.run(0.1)
    a.withdraw([vpn('10.0.0.1/32')])
    a.announce([vpn('10.0.0.3/32')])
    await a.stop({ graceful })
    await lab.run(0.5)
    expect(changes.flatMap(({ kind, nlri }) => (kind === 'withdraw' && nlri.kind === 'vpn' ? [String(nlri.prefix)] : []))[0]).toBe(
      '10.0.0.1/32',
    )
    expect(vpnRoutes(b).map((route) => route.split(' ')[1])).toEqual(graceful ? ['10.0.0.2/32', '10.0.0.3/32'] : [])
  })

  it('does not wait for a peer that takes nothing', async () => {
    const { lab, a } = await pair(true)
    lab.network.cut(lab.host(A), lab.host(B))
    a.announce(Array.from({ length: 20_000 }, (_, at) => vpn(`10.1.${at >>> 8}.${at & 255}/32`, { label: 16 + at })))
    const before = lab.clock.now()
    await a.stop({ graceful: true })
    expect(lab.clock.now()).toBe(before)
  })

  it('cuts off a text that is too long, between characters', async () => {
    const { lab, a, b } = await pair(true)
    await a.stop({ message: `${'x'.repeat(254)}éé` })
    await lab.run(0.5)
    expect(neighbor(b, A).lastNotification).toMatchObject({ code: 6, subcode: 2, shutdown: 'x'.repeat(254) })
  })
})

describe('an iteration of changes', () => {
  it('ends for whoever waits when it is given up, and does not come back to life', async () => {
    const { a } = await pair(true)
    const first = a.changes[Symbol.asyncIterator]()
    const waiting = first.next()
    await first.return?.()
    expect(await waiting).toEqual({ done: true, value: undefined })
    const second = a.changes[Symbol.asyncIterator]()
    expect(await first.next()).toEqual({ done: true, value: undefined })
    await first.return?.() // which does not end the other one
    expect(() => a.changes[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'speaker.state' }))
    await second.return?.()
  })
})

test('memberships that a refresh did not bring again count no longer (RFC 7313, RFC 4684)', async () => {
  const lab = new Lab()
  const families = ['vpnv4-unicast', 'rtc'] as const
  const a = lab.speaker(A, { neighbors: [internal(B, { passive: true, families })] })
  await a.start()
  const puppet = await Puppet.connect(lab, B, A)
  puppet.open(B, 90, { families: [VPNV4_UNICAST, RTC] })
  await lab.run(0.1)
  puppet.send(KEEPALIVE)
  const member = (nlri: Nlri): Uint8Array =>
    packUpdates({
      family: RTC,
      attributes: { origin: 'igp', asPath: [], localPref: 100 },
      nextHop: { address: IpAddress.parse(B) },
      nlri: [nlri],
    })[0]
  const [one, two] = ['65000:1', '65000:2'].map((text) => routeTargetMembership(65000, RouteTarget.parse(text)))
  puppet.send(member(one))
  puppet.send(member(two))
  a.announce([vpn('10.0.0.1/32', { rt: '65000:1' }), vpn('10.0.0.2/32', { rt: '65000:2' })])
  await lab.run(5)
  const held = (): string[] =>
    [...a.routes({ family: 'vpnv4-unicast', neighbor: B, direction: 'out' })].flatMap(({ nlri }) =>
      nlri.kind === 'vpn' ? [String(nlri.prefix)] : [],
    )
  expect(held().sort()).toEqual(['10.0.0.1/32', '10.0.0.2/32'])
  const refresh = (subtype: number): BgpMessage => ({ type: 'route-refresh', family: RTC, subtype })
  for (const said of [refresh(1), member(two), refresh(2)]) {
    puppet.send(said)
    await lab.run(0.1)
  }
  await lab.run(0.5)
  expect(held()).toEqual(['10.0.0.2/32'])
})

test('the selection deferral begins with the start', async () => {
  const lab = new Lab()
  const a = lab.speaker(A, {
    neighbors: [internal(B, { passive: true }), internal('192.0.2.3')],
    gracefulRestart: { restarting: true, selectionDeferral: 30 },
  })
  expect(lab.clock.pending.filter((due) => due >= 1000)).toEqual([])
  a.announce([vpn('10.0.0.1/32')])
  await lab.run(60)
  await a.start()
  const b = lab.speaker(B, { neighbors: [internal(A)] })
  await b.start()
  await lab.until(() => isUp(b, A), 'established')
  await lab.run(20)
  expect(vpnRoutes(b)).toEqual([])
  await lab.run(12)
  expect(vpnRoutes(b)).toHaveLength(1)
})
