// What a speaker as a whole is can change while it lives: where it listens, whom it takes unnamed, how it compares, which confederation it is in, what it says.
import { TransportError, type Transport } from '@heddle/io'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { IPV4_UNICAST, KEEPALIVE, type NeighborConfig, type Speaker, type SpeakerConfig } from '../../src/index.js'
import { Lab, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'
import { Puppet } from './puppet.js'

const R = '192.0.2.1'
const R2 = '192.0.2.2'
const A = '192.0.2.11'
const B = '192.0.2.12'
const families: NeighborConfig['families'] = ['ipv4-unicast', 'vpnv4-unicast']
const passive = (address: string, more: Partial<NeighborConfig> = {}): NeighborConfig =>
  internal(address, { passive: true, routeReflectorClient: true, families, ...more })
/** What a peer would notice: sessions and messages but keepalives. */
const noticed = (speaker: Speaker): unknown[] =>
  speaker
    .neighbors()
    .map(({ established, messages: { sent, received } }) => [established, { ...sent, keepalive: 0 }, { ...received, keepalive: 0 }])

/** A speaker at `R`, and peers that connect to it. */
async function star(
  config: Partial<Omit<SpeakerConfig, 'neighbors'>> & { neighbors: NeighborConfig[] },
  peers: Record<string, Partial<Omit<SpeakerConfig, 'neighbors'>>>,
) {
  const lab = new Lab()
  lab.network.host('unused', '192.0.2.99')
  const host = lab.network.host('r', R, R2)
  const r = lab.speaker(R, { ...config, transport: host.transport })
  const others = Object.entries(peers).map(([address, more]) =>
    lab.speaker(address, { listen: [], neighbors: [internal(R, { families })], ...more }),
  )
  for (const speaker of [r, ...others]) await speaker.start()
  await lab.until(() => others.every((speaker) => isUp(speaker, speaker.neighbors()[0].address)), 'all are up')
  await lab.run(2)
  const whole: SpeakerConfig = { as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], ...config }
  return { lab, r, others, whole, host }
}

const places = (speaker: Speaker): string[] => speaker.listening.map(({ address, port }) => `${address} ${port}`)

describe('where a speaker listens', () => {
  it('changes without a session noticing, and a new place is one to connect to', async () => {
    const { lab, r, others, whole } = await star({ neighbors: [passive(A), passive(B)] }, { [A]: {} })
    const before = others.map(noticed)
    const plan = r.reconcile({ ...whole, listen: [{ address: R2 }] })
    expect([plan.settings, plan.changes.map(({ kind }) => kind)]).toEqual([['listen'], ['keep', 'keep']])
    expect(places(r)).toEqual([`${R} 179`])
    await plan.apply()
    expect(places(r)).toEqual([`${R2} 179`])
    const late = lab.speaker(B, { listen: [], neighbors: [internal(R2, { families })] })
    await late.start()
    await lab.until(() => isUp(late, R2), 'the late one is up')
    expect(others.map(noticed)).toEqual(before)
    expect(r.reconcile({ ...whole, listen: [{ address: R2, port: 179 }] }).settings).toEqual(['listen'])
    await r.setListen([])
    expect(places(r)).toEqual([])
    expect([isUp(late, R2), ...others.map((speaker) => isUp(speaker, R))]).toEqual([true, true])
  })

  it('stays what it was where a new place cannot be had, and so does all else', async () => {
    const { lab, r, others, whole } = await star({ neighbors: [passive(A)] }, { [A]: {} })
    const before = others.map(noticed)
    const wanted = { ...whole, listen: [{ address: R2 }, { address: '192.0.2.77' }], neighbors: [], decision: { multipath: 4 } }
    await expect(r.reconcile(wanted).apply()).rejects.toMatchObject({ code: 'speaker.listen' })
    await lab.run(5)
    expect(places(r)).toEqual([`${R} 179`])
    expect(others.map(noticed)).toEqual(before)
    const late = lab.speaker(B, { listen: [], neighbors: [internal(R, { families })] })
    r.addNeighbor(passive(B))
    await late.start()
    await lab.until(() => isUp(late, R), 'one that comes later')
  })

  it('makes room for a place that needs another one gone', async () => {
    const { r, whole } = await star({ neighbors: [] }, {})
    await r.reconcile({ ...whole, listen: [{ address: '0.0.0.0' }] }).apply()
    expect(places(r)).toEqual(['0.0.0.0 179'])
  })
})

describe('peers that nobody has named', () => {
  const range = (prefix: string, more: object = {}): NonNullable<SpeakerConfig['dynamicNeighbors']>[number] => ({
    prefix,
    as: 65000,
    families,
    routeReflectorClient: true,
    ...more,
  })

  it('go on under other ranges as these have them, and leave where none has them', async () => {
    const C = '192.0.2.140'
    const { lab, r, others, whole } = await star(
      { neighbors: [], dynamicNeighbors: [range('192.0.2.0/24')] },
      { [A]: {}, [B]: {}, [C]: {} },
    )
    const [a, b, c] = others
    const before = noticed(b)
    const desired = { ...whole, dynamicNeighbors: [range('192.0.2.11/32', { description: 'one' }), range('192.0.2.12/31', { limit: 1 })] }
    const plan = r.reconcile(desired)
    expect(plan.settings).toEqual(['dynamicNeighbors'])
    expect(plan.changes).toEqual([
      { neighbor: A, kind: 'change', impact: 'nothing', fields: ['description'] },
      { neighbor: C, kind: 'remove', impact: 'reset', fields: [] },
    ])
    await plan.apply()
    await lab.run(5)
    expect(r.neighbors().map(({ address, description }) => [address, description])).toEqual([
      [A, 'one'],
      [B, undefined],
    ])
    expect([isUp(a, R), noticed(b), isUp(c, R)]).toEqual([true, before, false])
    expect(neighbor(c, R).lastNotification).toMatchObject({ code: 6, subcode: 3 })
    // those that have come are of the new ranges: who goes is forgotten, and makes room
    await b.stop()
    await lab.until(() => r.neighbors().length === 1, 'B is forgotten')
    const next = lab.speaker('192.0.2.13', { listen: [], neighbors: [internal(R, { families })] })
    await next.start()
    await lab.until(() => isUp(next, R), 'there is room for another one')
  })

  it('may get a name of their own, and stay', async () => {
    const { lab, r, others, whole } = await star({ neighbors: [], dynamicNeighbors: [range('192.0.2.0/24')] }, { [A]: {} })
    const before = others.map(noticed)
    const plan = r.reconcile({ ...whole, dynamicNeighbors: [], neighbors: [passive(A, { description: 'known' })] })
    expect(plan.changes).toMatchObject([{ neighbor: A, kind: 'change', impact: 'reset' }])
    // but for the keys that the range has as defaults it is the same peer
    const template = neighbor(r, A).config
    const same = r.reconcile({ ...whole, dynamicNeighbors: [], neighbors: [{ ...template, description: 'known' }] })
    expect(same.changes).toMatchObject([{ neighbor: A, kind: 'change', impact: 'nothing' }])
    await same.apply()
    await lab.run(5)
    expect(others.map(noticed)).toEqual(before)
    await others[0].stop()
    await lab.run(5)
    expect(r.neighbors().map(({ address }) => address)).toEqual([A])
  })

  it('are refused with a range that cannot be, and nothing changes', async () => {
    const { r, whole } = await star({ neighbors: [], dynamicNeighbors: [range('192.0.2.0/24')] }, { [A]: {} })
    for (const wrong of [range('192.0.2.1/24'), range('192.0.2.0/24', { limit: 0 }), range('192.0.2.0/24', { as: 0 })]) {
      expect(() => r.reconcile({ ...whole, dynamicNeighbors: [wrong] })).toThrow(/dynamicNeighbors\[0\]/)
      expect(() => r.setDynamicNeighbors([wrong])).toThrow(/dynamicNeighbors\[0\]/)
    }
    expect(isUp(r, A)).toBe(true)
  })
})

describe('how paths are compared', () => {
  it('changes for what is there, and only who is told something else hears of it', async () => {
    const external = (address: string, as: number): NeighborConfig => passive(address, { as, routeReflectorClient: false })
    const watcher = '192.0.2.13'
    const { lab, r, others, whole } = await star(
      { neighbors: [external(A, 65001), external(B, 65002), passive(watcher)] },
      { [A]: { as: 65001 }, [B]: { as: 65002 }, [watcher]: {} },
    )
    const [a, b, w] = others
    const route = (nextHop: string, med: number) => ({
      family: IPV4_UNICAST,
      nlri: { kind: 'unicast' as const, prefix: IpPrefix.parse('10.0.0.0/8') },
      nextHop: IpAddress.parse(nextHop),
      attributes: { med },
    })
    a.announce([route(A, 50)])
    await lab.run(5)
    b.announce([route(B, 10)])
    await lab.run(5)
    const best = (): (string | undefined)[] =>
      [...r.routes({ family: 'ipv4-unicast' })].filter(({ best: isBest }) => isBest).map(({ peer }) => peer)
    expect(best()).toEqual([A])
    const sent = neighbor(w, R).messages.received.update
    const plan = r.reconcile({ ...whole, decision: { alwaysCompareMed: true } })
    expect([plan.settings, plan.changes.every(({ impact }) => impact === 'nothing')]).toEqual([['decision'], true])
    await plan.apply()
    await lab.run(5)
    expect(best()).toEqual([B])
    expect(neighbor(w, R).messages.received.update).toBe(sent + 1)
    expect(others.map((speaker) => speaker.neighbors()[0].established)).toEqual([1, 1, 1])
    expect(r.reconcile({ ...whole, decision: { alwaysCompareMed: true } }).settings).toEqual([])
  })
})

describe('a confederation', () => {
  it('that a speaker joins means new sessions with those that know it by another number, and with nobody else', async () => {
    const outside = '192.0.2.13'
    const member = passive(B, { as: 65002, routeReflectorClient: false })
    const { lab, r, others, whole } = await star(
      { neighbors: [passive(A), member, passive(outside, { as: 65009, routeReflectorClient: false })] },
      { [A]: {}, [B]: { as: 65002 }, [outside]: { as: 65009 } },
    )
    const [a, b, o] = others
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    const before = noticed(a)
    const confederation = { id: 64512, members: [65002] }
    const plan = r.reconcile({ ...whole, confederation })
    expect(plan.settings).toEqual(['confederation'])
    expect(plan.changes).toEqual([
      { neighbor: A, kind: 'change', impact: 'refresh', fields: ['confederation'] },
      { neighbor: B, kind: 'change', impact: 'reset', fields: ['confederation'] },
      { neighbor: outside, kind: 'change', impact: 'reset', fields: ['confederation'] },
    ])
    await plan.apply()
    b.reconcile({
      as: 65002,
      routerId: B,
      holdTime: 9,
      neighbors: [internal(R, { families })],
      confederation: { id: 64512, members: [65000] },
    })
    b.setConfederation({ id: 64512, members: [65000] })
    o.updateNeighbor(internal(R, { families, as: 64512 }))
    await lab.until(() => [a, b, o].every((speaker) => isUp(speaker, R)), 'all are up again')
    await lab.run(5)
    expect(noticed(a)).toEqual(before)
    const pathOf = (speaker: Speaker): unknown => [...speaker.routes({ family: 'vpnv4-unicast', neighbor: R })][0]?.set.attributes.asPath
    expect([pathOf(b), pathOf(o)]).toEqual([[{ type: 'confed-sequence', asns: [65000] }], [{ type: 'sequence', asns: [64512] }]])
    expect(vpnRoutes(b, R)).toHaveLength(1)
    // to none: everybody knows it by its own number once more
    expect(r.reconcile(whole).changes.map(({ impact }) => impact)).toEqual(['refresh', 'reset', 'reset'])
  })

  it('may make impossible what a neighbor was, which changes with it', async () => {
    const role = passive(B, { as: 65002, routeReflectorClient: false, role: 'peer' })
    const { r, whole } = await star({ neighbors: [role] }, {})
    const confederation = { id: 64512, members: [65002] }
    expect(() => r.reconcile({ ...whole, confederation })).toThrow(/neighbors\[0\]\.role/)
    expect(() => r.setConfederation(confederation)).toThrow(/role/)
    await r.reconcile({ ...whole, confederation, neighbors: [passive(B, { as: 65002, routeReflectorClient: false })] }).apply()
    expect(neighbor(r, B).config.role).toBeUndefined()
  })
})

describe('what the speaker says to neighbors of which nothing else is said', () => {
  it('changes with new sessions for those whose OPEN it changes, and for nobody else', async () => {
    const neighbors = [passive(A), passive(B, { gracefulRestart: { restartTime: 20 }, holdTime: 9 })]
    const { lab, r, others, whole } = await star({ gracefulRestart: { restartTime: 30 }, neighbors }, { [A]: {}, [B]: {} })
    const [a, b] = others
    const before = noticed(b)
    const restartTimeTo = (speaker: Speaker) => neighbor(speaker, R).negotiated?.gracefulRestart?.restartTime
    expect([restartTimeTo(a), restartTimeTo(b)]).toEqual([30, 20])
    const desired = { ...whole, gracefulRestart: { restartTime: 60 } }
    const plan = r.reconcile(desired)
    expect(plan.settings).toEqual(['gracefulRestart'])
    expect(plan.changes).toEqual([
      { neighbor: A, kind: 'change', impact: 'reset', fields: ['gracefulRestart'] },
      { neighbor: B, kind: 'keep', impact: 'nothing', fields: [] },
    ])
    expect(neighbor(r, A).established).toBe(1)
    await plan.apply()
    await lab.until(() => isUp(a, R) && neighbor(r, A).established === 2, 'the new session')
    expect([restartTimeTo(a), restartTimeTo(b)]).toEqual([60, 20])
    expect(r.reconcile(desired).settings).toEqual([])

    await r.reconcile({ ...desired, holdTime: 6, gracefulRestart: false }).apply()
    await lab.until(() => isUp(a, R) && neighbor(r, A).established === 3, 'the session without graceful restart') // one reset for both
    expect([restartTimeTo(a), restartTimeTo(b)]).toEqual([undefined, 20])
    expect([A, B].map((address) => neighbor(r, address).negotiated?.holdTime)).toEqual([6, 9])
    expect(noticed(b)).toEqual(before)
  })

  it('is taken over by sessions that go on, where no OPEN says it', async () => {
    const outside = passive('192.0.2.13', { as: 65009, families: ['ipv4-unicast'] })
    const { lab, r, others, whole } = await star(
      { neighbors: [passive(A), passive(B), outside] },
      { [A]: {}, [B]: {}, '192.0.2.13': { as: 65009 } },
    )
    const [a, b, o] = others
    a.announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    const before = noticed(o)
    const clusters = () => [...b.routes({ family: 'vpnv4-unicast', neighbor: R })].map(({ set }) => set.attributes.clusterList?.map(String))
    expect(clusters()).toEqual([[R]])
    const desired = { ...whole, clusterId: '192.0.2.200', gracefulRestart: { staleTime: 30, selectionDeferral: 9 } }
    const plan = r.reconcile(desired)
    expect([plan.settings, plan.changes]).toEqual([
      ['gracefulRestart', 'clusterId'],
      [
        { neighbor: A, kind: 'change', impact: 'refresh', fields: ['gracefulRestart', 'clusterId'] },
        { neighbor: B, kind: 'change', impact: 'refresh', fields: ['gracefulRestart', 'clusterId'] },
        { neighbor: outside.address, kind: 'change', impact: 'nothing', fields: ['gracefulRestart'] },
      ],
    ])
    await plan.apply()
    await lab.run(2)
    expect(clusters()).toEqual([['192.0.2.200']])
    expect(r.neighbors().map(({ established }) => established)).toEqual([1, 1, 1])
    expect(noticed(o)).toEqual(before)
    expect(r.reconcile(desired).changes.map(({ kind }) => kind)).toEqual(['keep', 'keep', 'keep'])
  })

  it('counts for sessions that begin later: they are held as long as the OPEN says', async () => {
    const lab = new Lab()
    const r = lab.speaker(R, { neighbors: [passive(A)] })
    r.setDefaults({ holdTime: 30 })
    await r.start()
    const silent = await Puppet.connect(lab, A, R)
    silent.open(A, 180)
    await lab.run(0.1)
    silent.send(KEEPALIVE)
    await lab.run(20)
    expect([isUp(r, A), neighbor(r, A).negotiated?.holdTime]).toEqual([true, 30])
    await lab.run(11)
    expect([isUp(r, A), silent.notifications()]).toEqual([false, ['4/0']])
  })

  it('is refused where there is no neighbor, too', async () => {
    const { r, whole } = await star({ neighbors: [] }, {})
    expect(() => r.setDefaults({ holdTime: 1 })).toThrow(/holdTime/)
    expect(() => r.setDefaults({ gracefulRestart: { restartTime: 4096 } })).toThrow(/restartTime/)
    expect(() => r.setDefaults({ gracefulRestart: { longLived: -1 } })).toThrow(/longLived/)
    expect(() => r.reconcile({ ...whole, holdTime: 1 })).toThrow(/holdTime/)
    r.addNeighbor(passive(A))
  })

  it.each([
    ['defaults', (speaker: Speaker) => speaker.setDefaults({ holdTime: 30 })],
    ['a confederation', (speaker: Speaker) => speaker.setConfederation({ id: 64512, members: [] })],
  ])('changes for all or none where the transport protects nobody any more: %s', async (_name, change) => {
    const lab = new Lab()
    let left = Infinity
    const { transport } = lab.host(R)
    const refusing: Transport = {
      connect: (options) => transport.connect(options),
      listen: async ({ protection: _protection, ...options }) => {
        const listener = await transport.listen(options)
        const protect = (): void => {
          if (left-- <= 0) throw new TransportError('transport.unsupported', 'no memory for one more key')
        }
        return { local: listener.local, connections: listener.connections, close: () => listener.close(), protect }
      },
    }
    const outside = (address: string): NeighborConfig => passive(address, { as: 65009, routeReflectorClient: false, ttlSecurity: 1 })
    const r = lab.speaker(R, { transport: refusing, neighbors: [outside(A), outside(B)] })
    await r.start()
    const plan = () => r.reconcile({ as: 65000, routerId: R, holdTime: 9, listen: [{ address: R }], neighbors: [outside(A), outside(B)] })
    const changed = (): string[] => plan().changes.map(({ kind }) => kind)
    expect(changed()).toEqual(['keep', 'keep'])
    // it would protect the one, and not the other
    left = 1
    let isRefused = false
    try {
      change(r)
    } catch {
      isRefused = true
    }
    expect(changed()).toEqual(isRefused ? ['keep', 'keep'] : ['change', 'change'])
  })

  it('is refused with its place where it cannot be, and nothing changes', async () => {
    const { r, whole, others } = await star({ neighbors: [passive(A)] }, { [A]: {} })
    const before = others.map(noticed)
    expect(() => r.setDefaults({ clusterId: '2001:db8::1' })).toThrow(/clusterId/)
    expect(() => r.setDefaults({ holdTime: 2 })).toThrow(/holdTime/)
    expect(() => r.reconcile({ ...whole, gracefulRestart: { restartTime: 5000 } })).toThrow(/restartTime/)
    expect(r.reconcile(whole).settings).toEqual([])
    expect(others.map(noticed)).toEqual(before)
  })
})

describe('who validates origins', () => {
  it('may come and go: policies that look at it are applied again', async () => {
    const invalid = { terms: [{ match: { validation: ['invalid' as const] }, verdict: 'reject' as const }], otherwise: 'accept' as const }
    const { lab, r, others } = await star({ neighbors: [passive(A, { importPolicy: invalid })] }, { [A]: {} })
    others[0].announce([vpn('10.0.0.1/32')])
    await lab.run(2)
    const used = (): number => vpnRoutes(r).length
    const before = others.map(noticed)
    expect(used()).toBe(1)
    r.setOriginValidator({ validate: () => 'invalid' })
    await lab.run(2)
    expect(used()).toBe(0)
    r.setOriginValidator(undefined)
    await lab.run(2)
    expect(used()).toBe(1)
    expect(others.map(noticed)).toEqual(before)
  })
})
