import { IpAddress, IpPrefix, RouteTarget } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { IPV4_UNICAST, WELL_KNOWN_COMMUNITY, type LocalRoute, type Speaker } from '../../src/index.js'
import { Lab, follow, internal, isUp, neighbor, show, vpn, vpnRoutes } from './lab.js'

const R = '192.0.2.1'
const A = '192.0.2.11'
const B = '192.0.2.12'

/** A reflector with clients. */
async function star(
  lab: Lab,
  families = ['vpnv4-unicast', 'vpnv6-unicast'] as const,
  rtc = false,
): Promise<{ r: Speaker; a: Speaker; b: Speaker }> {
  const names = rtc ? [...families, 'rtc' as const] : families
  const r = lab.speaker(R, { neighbors: [A, B].map((address) => internal(address, { routeReflectorClient: true, families: names })) })
  const a = lab.speaker(A, { neighbors: [internal(R, { families: names })] })
  const b = lab.speaker(B, { neighbors: [internal(R, { families: names })] })
  await Promise.all([r.start(), a.start(), b.start()])
  await lab.until(() => isUp(a, R) && isUp(b, R), 'established')
  return { r, a, b }
}

describe('a route reflector between clients', () => {
  it('passes routes on with their next hop, originator and cluster', async () => {
    const lab = new Lab()
    const { a, b } = await star(lab)
    a.announce([vpn('10.0.0.1/32', { label: 17 }), vpn('2001:db8::1/128', { label: 18 })])
    await lab.run(1)
    expect(vpnRoutes(b)).toEqual([`65000:1 10.0.0.1/32 label 17 via ${A}`, `65000:1 2001:db8::1/128 label 18 via ::ffff:${A}`])
    const [route] = b.routes({ family: 'vpnv4-unicast' })
    expect(route.set.attributes).toMatchObject({ originatorId: IpAddress.parse(A), clusterList: [IpAddress.parse(R)], localPref: 100 })
    expect(vpnRoutes(a)).toEqual([])
  })

  it('takes a withdrawal on, and the loss of a client', async () => {
    const lab = new Lab()
    const { a, b } = await star(lab)
    a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
    await lab.run(1)
    a.withdraw([vpn('10.0.0.1/32')])
    await lab.run(1)
    expect(vpnRoutes(b)).toHaveLength(1)
    await a.stop()
    await lab.run(1)
    expect(vpnRoutes(b)).toEqual([])
  })

  it('sends a flapping route once, as it is at last', async () => {
    const lab = new Lab()
    const { r, a, b } = await star(lab)
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(1)
    const before = neighbor(b, R).messages.received.update
    for (let label = 100; label < 150; label++) a.announce([vpn('10.0.0.1/32', { label })])
    await lab.run(1)
    expect(vpnRoutes(b)).toEqual([`65000:1 10.0.0.1/32 label 149 via ${A}`])
    expect(neighbor(b, R).messages.received.update - before).toBe(1)
    expect([...r.routes({ family: 'vpnv4-unicast', neighbor: B, direction: 'out' })].map(show)).toEqual([
      `65000:1 10.0.0.1/32 label 149 via ${A}`,
    ])
  })

  it('does not pass on what a non-client told to another one', async () => {
    const lab = new Lab()
    const r = lab.speaker(R, { neighbors: [internal(A), internal(B)] })
    const a = lab.speaker(A, { neighbors: [internal(R)] })
    const b = lab.speaker(B, { neighbors: [internal(R)] })
    await Promise.all([r.start(), a.start(), b.start()])
    await lab.until(() => isUp(a, R) && isUp(b, R), 'established')
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(1)
    expect([vpnRoutes(r).length, vpnRoutes(b).length]).toEqual([1, 0])
  })

  it('marks what comes round to it as a loop', async () => {
    const lab = new Lab()
    const { a, b } = await star(lab)
    const looped = vpn('10.0.0.1/32')
    a.announce([{ ...looped, attributes: { ...looped.attributes, originatorId: IpAddress.parse(B) } }])
    a.announce([vpn('10.0.0.2/32')])
    await lab.run(1)
    // what a speaker originates has no originator, so the one it claims is replaced
    expect(vpnRoutes(b)).toHaveLength(2)
    expect([...b.routes({ family: 'vpnv4-unicast' })].map(({ invalid }) => invalid)).toEqual([undefined, undefined])
  })
})

describe('between ASes', () => {
  const unicast = (prefix: string, communities: number[] = []): LocalRoute => ({
    family: IPV4_UNICAST,
    nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) },
    attributes: { communities },
  })

  it('the path grows, the next hop changes, local preference stays at home, and loops are invalid', async () => {
    const lab = new Lab()
    const families = ['ipv4-unicast'] as const
    const a = lab.speaker(A, { as: 65001, neighbors: [{ address: R, as: 65000, families }] })
    const r = lab.speaker(R, {
      neighbors: [
        { address: A, as: 65001, families },
        { address: B, as: 65001, families },
      ],
    })
    const b = lab.speaker(B, { as: 65001, neighbors: [{ address: R, as: 65000, families }] })
    await Promise.all([a.start(), r.start(), b.start()])
    await lab.until(() => isUp(a, R) && isUp(b, R), 'established')
    a.announce([
      { ...unicast('203.0.113.0/24'), attributes: { localPref: 500 } },
      unicast('198.51.100.0/24', [WELL_KNOWN_COMMUNITY.noExport]),
    ])
    await lab.run(1)
    const [atR, ...more] = r.routes({ family: 'ipv4-unicast' })
    expect(more).toEqual([])
    expect(atR.set).toMatchObject({
      attributes: { asPath: [{ type: 'sequence', asns: [65001] }] },
      nextHop: { address: IpAddress.parse(A) },
    })
    expect(atR.set.attributes.localPref).toBeUndefined()
    const [atB] = b.routes({ family: 'ipv4-unicast' })
    expect(atB.invalid).toBe('as-loop')
    expect(atB.best).toBe(false)
    expect(atB.set.attributes.asPath).toEqual([{ type: 'sequence', asns: [65000, 65001] }])
    expect(atB.set.nextHop?.address).toEqual(IpAddress.parse(R))
  })
})

describe('route target constraint (RFC 4684)', () => {
  it('sends what is wanted, and follows what is wanted', async () => {
    const lab = new Lab()
    const { r, a, b } = await star(lab, undefined, true)
    b.setRouteTargetMembership([RouteTarget.parse('65000:1')])
    a.announce([vpn('10.0.0.1/32', { rt: '65000:1' }), vpn('10.0.0.2/32', { rt: '65000:2' }), vpn('2001:db8::2/128', { rt: '65000:2' })])
    await lab.run(2)
    expect(vpnRoutes(r)).toHaveLength(3)
    expect(vpnRoutes(b)).toEqual([`65000:1 10.0.0.1/32 label 1000 via ${A}`])
    b.setRouteTargetMembership([RouteTarget.parse('65000:2')])
    await lab.run(2)
    expect(vpnRoutes(b)).toEqual([`65000:1 10.0.0.2/32 label 1000 via ${A}`, `65000:1 2001:db8::2/128 label 1000 via ::ffff:${A}`])
    b.setRouteTargetMembership('all')
    await lab.run(2)
    expect(vpnRoutes(b)).toHaveLength(3)
  })

  it('sends a client no more than others want, while nobody wants everything', async () => {
    const lab = new Lab()
    const { r, a, b } = await star(lab, undefined, true)
    r.setRouteTargetMembership([])
    for (const [speaker, target] of [
      [a, '65000:1'],
      [b, '65000:1'],
    ] as const) {
      speaker.setRouteTargetMembership([RouteTarget.parse(target)])
    }
    a.announce([vpn('10.0.0.1/32', { rt: '65000:1' }), vpn('10.0.0.2/32', { rt: '65000:2' })])
    await lab.run(2)
    expect(vpnRoutes(r)).toEqual([`65000:1 10.0.0.1/32 label 1000 via ${A}`])
    expect(vpnRoutes(b)).toHaveLength(1)
  })
})

describe('graceful restart (RFC 4724)', () => {
  it('keeps the routes of a peer that vanished, and takes out what it does not bring back', async () => {
    const lab = new Lab()
    const { r, a, b } = await star(lab)
    const { changes } = follow(b)
    a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
    await lab.run(1)
    const seen = changes.length
    await a.stop({ graceful: true })
    await lab.run(1)
    expect(neighbor(r, A).families[0]).toMatchObject({ received: 2, stale: 2 })
    expect(vpnRoutes(b)).toHaveLength(2)
    const again = lab.speaker(A, { neighbors: [internal(R)], gracefulRestart: { restarting: true } })
    again.announce([vpn('10.0.0.1/32')])
    await again.start()
    await lab.until(() => isUp(again, R), 'back')
    await lab.run(2)
    expect(neighbor(r, A).families[0]).toMatchObject({ received: 1, stale: 0 })
    expect(vpnRoutes(b)).toEqual([`65000:1 10.0.0.1/32 label 1000 via ${A}`])
    expect(changes.slice(seen).map(({ kind }) => kind)).toEqual(['withdraw'])
  })

  it('ends with the restart time when the peer does not come back', async () => {
    const lab = new Lab()
    const r = lab.speaker(R, { neighbors: [internal(A)] })
    const a = lab.speaker(A, { neighbors: [internal(R)], gracefulRestart: { restartTime: 20 } })
    await Promise.all([r.start(), a.start()])
    await lab.until(() => isUp(r, A), 'established')
    const { changes } = follow(r)
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(1)
    await a.stop({ graceful: true })
    await lab.run(19)
    expect(vpnRoutes(r)).toHaveLength(1)
    await lab.run(2)
    expect(vpnRoutes(r)).toEqual([])
    expect(changes.map((change) => (change.kind === 'announce' ? change.stale : change.kind))).toEqual([false, true, 'withdraw'])
  })

  it('means nothing to a peer that said goodbye, or did not ask for it', async () => {
    for (const [gracefulRestart, graceful] of [
      [true, false],
      [false, true],
    ] as const) {
      const lab = new Lab()
      const r = lab.speaker(R, { neighbors: [internal(A)] })
      const a = lab.speaker(A, { neighbors: [internal(R)], gracefulRestart })
      await Promise.all([r.start(), a.start()])
      await lab.until(() => isUp(r, A), 'established')
      a.announce([vpn('10.0.0.1/32')])
      await lab.run(1)
      await a.stop({ graceful })
      await lab.run(0.5)
      expect(vpnRoutes(r)).toEqual([])
    }
  })

  it('the restarting speaker sends nothing before it has heard everything', async () => {
    const lab = new Lab()
    const r = lab.speaker(R, { neighbors: [internal(A), internal(B)] })
    await r.start()
    const a = lab.speaker(A, {
      neighbors: [internal(R), internal(B)],
      gracefulRestart: { restarting: true, selectionDeferral: 30 },
    })
    a.announce([vpn('10.0.0.1/32')])
    await a.start()
    await lab.until(() => isUp(a, R), 'established')
    expect(neighbor(r, A).negotiated?.gracefulRestart).toMatchObject({ restarting: true })
    await lab.run(5)
    expect(vpnRoutes(r)).toEqual([]) // B has not been heard
    const b = lab.speaker(B, { neighbors: [internal(A)] })
    await b.start()
    await lab.until(() => isUp(a, B), 'established')
    await lab.run(1)
    expect(vpnRoutes(r)).toHaveLength(1)
  })
})

describe('neighbors at run time', () => {
  it('come and go without the others noticing', async () => {
    const lab = new Lab()
    const { r, a, b } = await star(lab)
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(1)
    expect(r.updateNeighbor(internal(B, { routeReflectorClient: true, description: 'rack 2' }))).toBe('applied')
    r.removeNeighbor(A)
    await lab.run(1)
    expect(vpnRoutes(b)).toEqual([])
    expect(neighbor(a, R).lastNotification).toMatchObject({ direction: 'received', code: 6, subcode: 3 })
    r.addNeighbor(internal(A, { routeReflectorClient: true }))
    await lab.until(() => vpnRoutes(b).length === 1, 'the route is back')
    expect(r.updateNeighbor(internal(A, { routeReflectorClient: true, holdTime: 30 }))).toBe('reset')
    await lab.until(() => neighbor(a, R).established === 3 && vpnRoutes(b).length === 1, 'and again')
    expect([neighbor(b, R).established, neighbor(a, R).established]).toEqual([1, 3])
  })
})
