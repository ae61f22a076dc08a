import { describe, expect, it } from 'vitest'
import { WELL_KNOWN_COMMUNITY, type GracefulRestartConfig, type LocalRoute, type NeighborConfig, type Speaker } from '../../src/index.js'
import { Lab, internal, isUp, vpn, vpnRoutes } from './lab.js'

const R = '192.0.2.1'
const A = '192.0.2.11'
const B = '192.0.2.12'
const C = '192.0.2.13'

/** A reflector with three clients: A, whose routes are kept, B, which knows what that means, and C, which does not. */
async function overlay(longLived: GracefulRestartConfig = { restartTime: 10, longLived: 100 }) {
  const lab = new Lab()
  const client = (address: string, more: Partial<NeighborConfig> = {}) => internal(address, { routeReflectorClient: true, ...more })
  const r = lab.speaker(R, {
    gracefulRestart: { ...longLived, staleTime: 30 },
    neighbors: [client(A), client(B), client(C, { gracefulRestart: false })],
  })
  const a = lab.speaker(A, { gracefulRestart: longLived, neighbors: [internal(R)] })
  const b = lab.speaker(B, { gracefulRestart: longLived, neighbors: [internal(R)] })
  const c = lab.speaker(C, { gracefulRestart: false, neighbors: [internal(R)] })
  await Promise.all([r, a, b, c].map((speaker) => speaker.start()))
  await lab.until(() => [A, B, C].every((address) => isUp(r, address)), 'all are up')
  return { lab, r, a, b, c }
}

const communities = (speaker: Speaker, from: string): unknown[] =>
  [...speaker.routes({ family: 'vpnv4-unicast', neighbor: from })].map(({ set }) => set.attributes.communities ?? [])
const marked = (prefix: string, community: number): LocalRoute => {
  const route = vpn(prefix)
  return { ...route, attributes: { ...route.attributes, communities: [community] } }
}

describe('long-lived graceful restart (RFC 9494)', () => {
  it('keeps routes beyond the restart time, marked, for as long as was agreed, and only where that is understood', async () => {
    const { lab, r, a, b, c } = await overlay()
    a.announce([vpn('10.0.0.1/32'), marked('10.0.0.2/32', WELL_KNOWN_COMMUNITY.noLlgr)])
    await lab.run(2)
    expect([vpnRoutes(b).length, vpnRoutes(c).length]).toEqual([2, 2])
    await a.stop({ graceful: true })
    await lab.run(8)
    expect([vpnRoutes(b).length, vpnRoutes(c).length]).toEqual([2, 2])
    await lab.run(5)
    expect(vpnRoutes(b)).toEqual([`65000:1 10.0.0.1/32 label 1000 via ${A}`])
    expect(communities(b, R)).toEqual([[WELL_KNOWN_COMMUNITY.llgrStale]])
    expect(vpnRoutes(c)).toEqual([])
    expect(communities(r, A)).toEqual([[]]) // as it was received
    await lab.run(90)
    expect(vpnRoutes(b)).toHaveLength(1)
    await lab.run(10)
    expect([vpnRoutes(r), vpnRoutes(b)]).toEqual([[], []])
  })

  it('makes them the last choice', async () => {
    const { lab, r, a, c } = await overlay()
    const local = (pref: number): LocalRoute => {
      const route = vpn('10.0.0.1/32')
      return { ...route, attributes: { ...route.attributes, localPref: pref } }
    }
    a.announce([local(200)])
    c.announce([local(100)])
    await lab.run(2)
    const best = (): string | undefined => [...r.routes({ family: 'vpnv4-unicast' })].find((view) => view.best)?.peer
    expect(best()).toBe(A)
    await a.stop({ graceful: true })
    await lab.run(5)
    expect(best()).toBe(A)
    await lab.run(10)
    expect(best()).toBe(C)
  })

  it('ends when the peer is back and has said what it has', async () => {
    const { lab, r, a, b, c } = await overlay()
    a.announce([vpn('10.0.0.1/32'), vpn('10.0.0.2/32')])
    await lab.run(2)
    await a.stop({ graceful: true })
    await lab.run(40)
    expect(vpnRoutes(b)).toHaveLength(2)
    const again = lab.speaker(A, { gracefulRestart: { restartTime: 10, longLived: 100, restarting: true }, neighbors: [internal(R)] })
    again.announce([vpn('10.0.0.1/32')])
    await again.start()
    await lab.until(() => isUp(r, A), 'it is back')
    await lab.run(2)
    expect([vpnRoutes(r, A), vpnRoutes(b), vpnRoutes(c)]).toEqual(
      Array.from({ length: 3 }, () => [`65000:1 10.0.0.1/32 label 1000 via ${A}`]),
    )
    expect(communities(b, R)).toEqual([[]])
    await lab.run(200)
    expect(vpnRoutes(b)).toHaveLength(1)
  })

  it('begins at once without a restart time', async () => {
    const { lab, a, b } = await overlay({ restartTime: 0, longLived: 50 })
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    await a.stop({ graceful: true })
    await lab.run(1)
    expect(communities(b, R)).toEqual([[WELL_KNOWN_COMMUNITY.llgrStale]])
    await lab.run(60)
    expect(vpnRoutes(b)).toEqual([])
  })
})
