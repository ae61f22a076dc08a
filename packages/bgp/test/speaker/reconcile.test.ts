import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { SpeakerError, type NeighborConfig, type Speaker, type SpeakerConfig } from '../../src/index.js'
import { Lab, internal, isUp, vpn, vpnRoutes } from './lab.js'

const R = '192.0.2.1'
const PEERS = ['192.0.2.11', '192.0.2.12', '192.0.2.13', '192.0.2.14']

/** What a speaker as a whole is. */
type Settings = Pick<SpeakerConfig, 'decision' | 'listen' | 'dynamicNeighbors' | 'gracefulRestart'>

async function star(neighbors: NeighborConfig[], count = 3, settings: Settings = {}) {
  const lab = new Lab()
  const r = lab.speaker(R, { neighbors, ...settings })
  const peers = PEERS.slice(0, count).map((address) => lab.speaker(address, { neighbors: [internal(R)] }))
  await Promise.all([r, ...peers].map((speaker) => speaker.start()))
  peers.forEach((peer, at) => peer.announce([vpn(`10.0.${at}.1/32`)]))
  await lab.until(() => neighbors.every(({ address }) => isUp(r, address)), 'all are up')
  await lab.run(2)
  const config = (wanted: readonly NeighborConfig[]): SpeakerConfig => ({
    as: 65000,
    routerId: R,
    holdTime: 9,
    listen: [{ address: R }],
    neighbors: wanted,
  })
  return { lab, r, peers, config }
}
const client = (address: string, more: Partial<NeighborConfig> = {}): NeighborConfig =>
  internal(address, { routeReflectorClient: true, ...more })
/** The same, with the keys of each object the other way round. */
function reversed<T>(value: T): T {
  if (Array.isArray(value)) return value.map(reversed) as T
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).reverse()
  return Object.fromEntries(entries.map(([key, inner]: [string, unknown]) => [key, reversed(inner)])) as T
}
/** What a peer would notice: sessions and messages but keepalives. */
const noticed = (speaker: Speaker): unknown[] =>
  speaker
    .neighbors()
    .map(({ established, messages: { sent, received } }) => [established, { ...sent, keepalive: 0 }, { ...received, keepalive: 0 }])

describe('reconcile', () => {
  it('says what each change does, and does nothing before it is told to', async () => {
    const { lab, r, peers, config } = await star([client(PEERS[0]), client(PEERS[1]), client(PEERS[2])])
    const before = peers.map(noticed)
    const plan = r.reconcile(
      config([
        client(PEERS[0], { description: 'red' }),
        client(PEERS[1], { exportPolicy: { terms: [], otherwise: 'accept' }, description: 'blue' }),
        client(PEERS[3]),
        client(PEERS[2], { nextHop: 'self' }),
      ]),
    )
    expect(plan.changes).toEqual([
      { neighbor: PEERS[0], kind: 'change', impact: 'nothing', fields: ['description'] },
      { neighbor: PEERS[1], kind: 'change', impact: 'refresh', fields: ['description', 'exportPolicy'] },
      { neighbor: PEERS[3], kind: 'add', impact: 'reset', fields: [] },
      { neighbor: PEERS[2], kind: 'change', impact: 'reset', fields: ['nextHop'] },
    ])
    await lab.run(5)
    expect(peers.map(noticed)).toEqual(before)
    expect(r.neighbors()).toHaveLength(3)
    await plan.apply()
    await lab.run(20)
    expect(
      r
        .neighbors()
        .map(({ address }) => address)
        .sort(),
    ).toEqual(PEERS)
    expect(r.neighbors().map(({ established }) => established)).toEqual([1, 1, 2, 0])
    expect(r.neighbors()[0].description).toBe('red')
  })

  it('finds nothing that differs in the order in which a configuration says the same', async () => {
    const values = {
      gracefulRestart: { restartTime: 60, notification: true },
      maxPrefixes: { 'vpnv4-unicast': { limit: 10, warning: 50 }, rtc: { limit: 20 } },
      limits: { asPath: 20, attributes: 4_096 },
      exportPolicy: { terms: [{ match: { family: ['vpnv4-unicast'], validation: ['valid', 'not-found'] }, verdict: 'accept' }] },
    } satisfies Partial<NeighborConfig>
    const settings = {
      gracefulRestart: { restartTime: 60, staleTime: 120 },
      decision: { multipath: 2, alwaysCompareMed: true },
      dynamicNeighbors: [{ prefix: '198.51.100.0/24', as: 65000, families: ['vpnv4-unicast'] }],
    } satisfies Partial<SpeakerConfig>
    const { lab, r, peers, config } = await star([client(PEERS[0], values)], 1, settings)
    const before = peers.map(noticed)
    const other = reversed({ ...config([client(PEERS[0], values)]), ...settings })
    expect(JSON.stringify(other)).not.toBe(JSON.stringify(reversed(other)))
    const plan = r.reconcile(other)
    expect([plan.settings, plan.changes]).toEqual([[], [{ neighbor: PEERS[0], kind: 'keep', impact: 'nothing', fields: [] }]])
    await plan.apply()
    await lab.run(5)
    expect(peers.map(noticed)).toEqual(before)
  })

  it('lets go of what is not wanted any more', async () => {
    const { lab, r, peers, config } = await star([client(PEERS[0]), client(PEERS[1]), client(PEERS[2])])
    const plan = r.reconcile(config([client(PEERS[0]), client(PEERS[2])]))
    expect(plan.changes.map(({ kind, neighbor, impact }) => `${kind} ${neighbor} ${impact}`)).toEqual([
      `remove ${PEERS[1]} reset`,
      `keep ${PEERS[0]} nothing`,
      `keep ${PEERS[2]} nothing`,
    ])
    await plan.apply()
    await lab.run(2)
    expect(vpnRoutes(peers[0])).toEqual([`65000:1 10.0.2.1/32 label 1000 via ${PEERS[2]}`])
    expect(peers[1].neighbors()[0].lastNotification).toMatchObject({ code: 6, subcode: 3 })
  })

  it('is the same in another order of keys and spelling of addresses', async () => {
    const { r, config } = await star([client(PEERS[0])], 1)
    const { families, ...rest } = client(PEERS[0])
    expect(r.reconcile(config([{ families, ...rest }])).changes[0].kind).toBe('keep')
  })

  it('refuses what it cannot do, and what is no longer what it was', async () => {
    const { r, config } = await star([client(PEERS[0])], 1)
    expect(() => r.reconcile({ ...config([client(PEERS[0])]), as: 65001 })).toThrow(SpeakerError)
    expect(() => r.reconcile(config([client('nowhere')]))).toThrow(SpeakerError)
    const plan = r.reconcile(config([]))
    r.updateNeighbor(client(PEERS[0], { description: 'other' }))
    await expect(plan.apply()).rejects.toMatchObject({ code: 'speaker.state' })
    expect(r.neighbors()).toHaveLength(1)
  })
})

test('no other peer notices a change, whatever it is, and after it everything is as if it had been so from the beginning', async () => {
  const change = fc.record<Partial<NeighborConfig>>(
    {
      description: fc.constantFrom('a', 'b'),
      nextHop: fc.constantFrom('self', 'unchanged'),
      holdTime: fc.constantFrom(9, 12),
      exportPolicy: fc.constantFrom('otherwise accept', 'term\n set local-pref 50\n accept', 'otherwise reject'),
      importPolicy: fc.constantFrom('otherwise accept', 'term\n set local-pref 70\n accept', 'otherwise reject'),
      gracefulShutdown: fc.boolean(),
      addPath: fc.constantFrom('send', 'both'),
      maxPrefixes: fc.constant({ 'vpnv4-unicast': { limit: 100 } }),
    },
    { requiredKeys: [] },
  )
  const setting = fc.record<Settings>(
    {
      decision: fc.constantFrom({ multipath: 2 }, { alwaysCompareMed: true }, {}),
      listen: fc.constantFrom([{ address: R }], [{ address: R }, { address: R, port: 1790 }]),
      dynamicNeighbors: fc.constantFrom([], [{ prefix: '192.0.2.128/25', as: 65000, families: ['vpnv4-unicast'] }]),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), change, setting), { minLength: 1, maxLength: 4 }), async (steps) => {
      let settings: Settings = {}
      const neighbors = [client(PEERS[0]), client(PEERS[1]), client(PEERS[2])]
      const { lab, r, peers, config } = await star(neighbors)
      for (const [at, more, other] of steps) {
        settings = { ...settings, ...other }
        neighbors[at] = client(PEERS[at], more)
        const established = r.neighbors().map((view) => view.established)
        const plan = r.reconcile({ ...config(neighbors), ...settings })
        const impact = plan.changes.map((entry) => entry.impact)
        await plan.apply()
        await lab.run(12)
        r.neighbors().forEach((view, position) => {
          expect(view.state).toBe('established')
          expect(view.established - established[position]).toBe(impact[position] === 'reset' ? 1 : 0)
          if (position !== at) expect(impact[position]).toBe('nothing')
        })
      }
      const fresh = await star(neighbors, 3, settings)
      expect(peers.map((peer) => vpnRoutes(peer))).toEqual(fresh.peers.map((peer) => vpnRoutes(peer)))
      const attributes = (speaker: Speaker): string[] =>
        [...speaker.routes({ family: 'vpnv4-unicast', neighbor: R })]
          .map(({ nlri, set }) => `${nlri.kind === 'vpn' ? nlri.prefix : ''} ${set.attributes.localPref} ${set.nextHop?.address}`)
          .sort()
      expect(peers.map(attributes)).toEqual(fresh.peers.map(attributes))
    }),
    { numRuns: 25 },
  )
})
