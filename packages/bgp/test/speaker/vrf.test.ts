import { IpAddress, IpPrefix, RouteTarget } from '@heddle/wire'
import { seededRandom } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import {
  IPV4_UNICAST,
  IPV6_UNICAST,
  jointLabelsCommunity,
  type ExtendedCommunity,
  type LocalRoute,
  type NeighborConfig,
  type PathAttributes,
  type Speaker,
  type SpeakerConfig,
  type VrfConfig,
} from '../../src/index.js'
import { Lab, internal, isUp, neighbor, vpn, vpnRoutes } from './lab.js'

/* PEs A and B of AS 65000, customers of theirs; what a customer is told is looked at in its own tables. */

const [A, B] = ['192.0.2.1', '192.0.2.2'] as const
const [RED1, RED2, BLUE] = ['10.255.0.1', '10.255.0.2', '10.255.0.3'] as const
const CUSTOMER = 65_001

const vrf = (name: string, rd: string, target: string, label: number, more: Partial<VrfConfig> = {}): VrfConfig => ({
  name,
  rd,
  importTargets: [target],
  exportTargets: [target],
  label,
  ...more,
})
const customer = (address: string, name: string, more: Partial<NeighborConfig> = {}): NeighborConfig => ({
  address,
  as: CUSTOMER,
  vrf: name,
  families: ['ipv4-unicast', 'ipv6-unicast'],
  connectRetry: 2,
  ...more,
})
const unicast = (prefix: string, attributes: PathAttributes = {}): LocalRoute => {
  const parsed = IpPrefix.parse(prefix)
  return { family: parsed.family === 4 ? IPV4_UNICAST : IPV6_UNICAST, nlri: { kind: 'unicast', prefix: parsed }, attributes }
}
/** `PREFIX via NEXTHOP path AS…` of what a speaker has from a neighbor and uses. */
const held = (speaker: Speaker, from: string, families = ['ipv4-unicast', 'ipv6-unicast'] as const): string[] =>
  families
    .flatMap((family) => [...speaker.routes({ family, neighbor: from })])
    .filter(({ invalid }) => invalid === undefined)
    .map(({ nlri, set }) => {
      const path = (set.attributes.asPath ?? []).flatMap(({ asns }) => asns)
      return `${nlri.kind === 'unicast' ? nlri.prefix : nlri.kind} via ${set.nextHop?.address} path ${path.join(' ')}`
    })
    .sort()

interface Network {
  readonly lab: Lab
  readonly a: Speaker
  readonly b: Speaker
  readonly red1: Speaker
  readonly red2: Speaker
}

/** Customer RED1 at A, RED2 at B, in one VRF `red` with an RD at each. */
async function network(
  atA: Partial<NeighborConfig> = {},
  atB: Partial<NeighborConfig> = {},
  site: Partial<NeighborConfig> = {},
): Promise<Network> {
  const lab = new Lab()
  const pe = (address: string, other: string, config: Partial<SpeakerConfig> & Pick<SpeakerConfig, 'neighbors'>): Speaker =>
    lab.speaker(address, { ...config, neighbors: [internal(other), ...config.neighbors] })
  const a = pe(A, B, {
    vrfs: [vrf('red', '65000:1', '65000:100', 1001), vrf('blue', '65000:9', '65000:900', 1009)],
    neighbors: [customer(RED1, 'red', atA)],
  })
  const b = pe(B, A, { vrfs: [vrf('red', '65000:2', '65000:100', 2001)], neighbors: [customer(RED2, 'red', atB)] })
  const ce = (address: string, provider: string): Speaker =>
    lab.speaker(address, {
      as: CUSTOMER,
      neighbors: [{ address: provider, as: 65_000, families: ['ipv4-unicast', 'ipv6-unicast'], allowAsIn: 1, connectRetry: 2, ...site }],
    })
  const [red1, red2] = [ce(RED1, A), ce(RED2, B)]
  await Promise.all([a, b, red1, red2].map((speaker) => speaker.start()))
  await lab.until(() => isUp(a, B) && isUp(a, RED1) && isUp(b, RED2), 'all sessions')
  return { lab, a, b, red1, red2 }
}

describe('a neighbor in a VRF (RFC 4364)', () => {
  it('gives routes that go as VPN routes with RD, route target and label, and come out at the other site', async () => {
    const { lab, a, b, red1, red2 } = await network()
    // what joint labels the PE reads is not for a customer to say
    const extendedCommunities = [jointLabelsCommunity(IpAddress.parse(A))]
    red1.announce([
      unicast('10.1.0.0/16', { med: 7, communities: [(65_001 << 16) >>> 0], extendedCommunities }),
      unicast('2001:db8:1::/48'),
    ])
    await lab.run(2)
    expect(vpnRoutes(b, A)).toEqual([`65000:1 10.1.0.0/16 label 1001 via ${A}`, `65000:1 2001:db8:1::/48 label 1001 via ::ffff:${A}`])
    const [route] = b.routes({ family: 'vpnv4-unicast', neighbor: A })
    expect(route?.set.attributes).toMatchObject({
      asPath: [{ type: 'sequence', asns: [CUSTOMER] }],
      med: 7,
      communities: [(65_001 << 16) >>> 0],
      extendedCommunities: [{ kind: 'route-target', target: RouteTarget.parse('65000:100') }],
    })
    expect(held(red2, B)).toEqual([`10.1.0.0/16 via ${B} path 65000 ${CUSTOMER}`, `2001:db8:1::/48 via ::ffff:${B} path 65000 ${CUSTOMER}`])
    const [given] = red2.routes({ family: 'ipv4-unicast', neighbor: B })
    expect(given?.set.attributes).not.toHaveProperty('extendedCommunities')
    expect([...a.routes({ family: 'ipv4-unicast' })]).toEqual([]) // nothing of a VRF outside of it
    expect([...a.routes({ family: 'ipv4-unicast', vrf: 'blue' })]).toEqual([])
    expect([...a.routes({ family: 'ipv4-unicast', vrf: 'red' })].map(({ peer, best }) => [peer, best])).toEqual([[RED1, true]])
    red1.withdraw([unicast('10.1.0.0/16')])
    await lab.run(2)
    expect([vpnRoutes(b, A).length, held(red2, B).length]).toEqual([1, 1])
    a.removeNeighbor(RED1)
    await lab.run(2)
    expect([vpnRoutes(b, A), held(red2, B)]).toEqual([[], []])
    await Promise.all(lab.speakers.map((speaker) => speaker.stop()))
  })

  it('is not told what is for PEs alone', async () => {
    const { lab, a, red2 } = await network()
    const extendedCommunities: ExtendedCommunity[] = [
      { kind: 'route-target', target: RouteTarget.parse('65000:100') },
      { kind: 'encapsulation', tunnelType: 13 },
      jointLabelsCommunity(IpAddress.parse(A)),
      { kind: 'color', flags: 0, color: 7 },
    ]
    a.announce([{ ...vpn('10.9.0.0/16'), attributes: { extendedCommunities } }])
    await lab.run(2)
    const [given] = red2.routes({ family: 'ipv4-unicast', neighbor: B })
    expect(given?.set.attributes.extendedCommunities).toEqual([{ kind: 'color', flags: 0, color: 7 }])
  })

  it('gets by its route targets what other PEs have, equal prefixes of two RDs as two paths', async () => {
    const { lab, a, b, red1 } = await network()
    b.announce([
      vpn('10.7.0.0/16', { rd: '65000:71', rt: '65000:100' }),
      vpn('10.7.0.0/16', { rd: '65000:72', rt: '65000:100' }),
      vpn('10.8.0.0/16', { rt: '65000:8' }),
    ])
    await lab.run(2)
    expect([...a.routes({ family: 'ipv4-unicast', vrf: 'red' })].map(({ peer, set }) => [peer, String(set.nextHop?.address)])).toEqual([
      [B, B],
      [B, B],
    ])
    expect(held(red1, A)).toEqual([`10.7.0.0/16 via ${A} path 65000`])
    b.withdraw([vpn('10.7.0.0/16', { rd: '65000:71' })])
    await lab.run(2)
    expect(held(red1, A)).toEqual([`10.7.0.0/16 via ${A} path 65000`]) // the survivor is not lost with the other
    b.announce([vpn('10.7.0.0/16', { rd: '65000:72', rt: '65000:8' })])
    await lab.run(2)
    expect(held(red1, A)).toEqual([])
  })

  it('is told why it is told nothing, and what wins', async () => {
    const { lab, a, b, red1 } = await network()
    b.announce([vpn('10.7.0.0/16', { rt: '65000:100' })])
    red1.announce([unicast('10.7.0.0/16')])
    await lab.run(2)
    const nlri = { kind: 'unicast', prefix: IpPrefix.parse('10.7.0.0/16') } as const
    const { paths, advertised } = a.explain({ family: 'ipv4-unicast', vrf: 'red', nlri })
    // the customer's own path has the longer AS_PATH
    expect(paths.map(({ peer, verdict }) => `${peer} ${verdict.kind}`).sort()).toEqual([`${RED1} lost`, `${B} best`].sort())
    expect(advertised.map(({ neighbor: name }) => name)).toEqual([RED1])
    expect(vpnRoutes(b, A)).toEqual([]) // what came from the other PEs does not go back as ours
    expect(() => a.explain({ family: 'ipv4-unicast', vrf: 'green', nlri })).toThrow(/green/)
  })

  it('hears no routes of its own AS without as-override, all with it', async () => {
    const plain = await network({}, {}, { allowAsIn: 0 })
    plain.red1.announce([unicast('10.1.0.0/16')])
    await plain.lab.run(2)
    expect(held(plain.red2, B)).toEqual([])
    const over = await network({}, { asOverride: true }, { allowAsIn: 0 })
    over.red1.announce([unicast('10.1.0.0/16')])
    await over.lab.run(2)
    expect(held(over.red2, B)).toEqual([`10.1.0.0/16 via ${B} path 65000 65000`])
  })

  it('hears nothing of its own site (site of origin)', async () => {
    const { lab, red1, red2, b } = await network({ siteOfOrigin: '65000:5' }, { siteOfOrigin: '65000:5' })
    red1.announce([unicast('10.1.0.0/16')])
    await lab.run(2)
    expect(vpnRoutes(b, A)).toHaveLength(1)
    expect(held(red2, B)).toEqual([])
    const { advertised } = b.explain({ family: 'ipv4-unicast', vrf: 'red', nlri: unicast('10.1.0.0/16').nlri })
    expect(advertised).toEqual([{ neighbor: RED2, reason: 'policy', term: 'site-of-origin' }])
    b.updateNeighbor(customer(RED2, 'red', { siteOfOrigin: '65000:6' }))
    await lab.run(2)
    expect(held(red2, B)).toHaveLength(1)
  })

  it('says which VRF imports a VPN route, and why another does not', async () => {
    const { lab, a, b, red1 } = await network()
    red1.announce([unicast('10.1.0.0/16')])
    b.announce([vpn('10.7.0.1/32', { rd: '65000:7', rt: '65000:900' })])
    await lab.run(2)
    const imported = (speaker: Speaker, prefix: string, rd: string) =>
      speaker.explain({ family: 'vpnv4-unicast', nlri: vpn(prefix, { rd }).nlri }).imported
    expect(imported(a, '10.7.0.1/32', '65000:7')).toEqual([
      { vrf: 'red', targets: [], reason: 'no-target' },
      { vrf: 'blue', targets: ['65000:900'] },
    ])
    expect(imported(a, '10.1.0.0/16', '65000:1')).toEqual([
      { vrf: 'red', targets: ['65000:100'], reason: 'own-route' },
      { vrf: 'blue', targets: [], reason: 'no-target' },
    ])
    expect(imported(b, '10.1.0.0/16', '65000:1')).toEqual([{ vrf: 'red', targets: ['65000:100'] }])
    expect(imported(b, '10.9.9.9/32', '65000:1')).toEqual([{ vrf: 'red', targets: [], reason: 'no-path' }])
    expect(a.explain({ family: 'ipv4-unicast', vrf: 'red', nlri: unicast('10.1.0.0/16').nlri }).imported).toEqual([])
  })

  it('can go to another VRF, and take its routes with it', async () => {
    const { lab, a, b, red1 } = await network()
    red1.announce([unicast('10.1.0.0/16')])
    await lab.run(2)
    expect(a.updateNeighbor(customer(RED1, 'blue'))).toBe('reset')
    await lab.until(() => isUp(a, RED1), 'the session')
    await lab.run(2)
    expect(vpnRoutes(b, A)).toEqual([`65000:9 10.1.0.0/16 label 1009 via ${A}`])
    expect([...a.routes({ family: 'ipv4-unicast', vrf: 'red' })]).toEqual([])
    expect(neighbor(a, RED1).families.map(({ received }) => received)).toEqual([1, 0])
  })

  it('sees its VRF change: targets, label and RD at once, and VRFs that come and go, while every session goes on', async () => {
    const { lab, a, b, red1, red2 } = await network()
    red1.announce([unicast('10.1.0.0/16')])
    b.announce([vpn('10.7.0.0/16', { rd: '65000:71', rt: '65000:700' })])
    await lab.run(2)
    const customers = [customer(RED1, 'red')]
    const desired = (vrfs: readonly VrfConfig[], neighbors = customers): SpeakerConfig => ({
      as: 65_000,
      routerId: A,
      holdTime: 9,
      listen: [{ address: A }],
      vrfs,
      neighbors: [internal(B), ...neighbors],
    })
    const blue = vrf('blue', '65000:9', '65000:900', 1009)
    const red = vrf('red', '65000:11', '65000:100', 1011, { importTargets: ['65000:100', '65000:700'], exportTargets: ['65000:800'] })
    const plan = a.reconcile(desired([red, blue]))
    expect(plan.vrfs).toEqual([
      { vrf: 'red', kind: 'change', fields: ['exportTargets', 'importTargets', 'label', 'rd'] },
      { vrf: 'blue', kind: 'keep', fields: [] },
    ])
    expect(plan.changes.map(({ impact }) => impact)).toEqual(['nothing', 'nothing'])
    await plan.apply()
    await lab.run(2)
    expect(vpnRoutes(b, A)).toEqual([`65000:11 10.1.0.0/16 label 1011 via ${A}`])
    expect(held(red2, B)).toEqual([]) // whose VRF imports another target
    expect(held(red1, A)).toEqual([`10.7.0.0/16 via ${A} path 65000`])

    // the neighbor moves to a new VRF, and the one that it was in goes
    const green = vrf('green', '65000:12', '65000:100', 1012)
    await a.reconcile(desired([green], [customer(RED1, 'green')])).apply()
    await lab.until(() => isUp(a, RED1), 'the session')
    await lab.run(2)
    expect(vpnRoutes(b, A)).toEqual([`65000:12 10.1.0.0/16 label 1012 via ${A}`])
    expect(held(red1, A)).toEqual([])
    expect(() => a.routes({ family: 'ipv4-unicast', vrf: 'red' }).next()).toThrow(/no VRF 'red'/)
    expect(() => a.setVrfs([])).toThrow(`'green' cannot go while ${RED1} is in it`)
    expect(() => a.reconcile(desired([]))).toThrow(/no VRF 'red'/)
    expect(neighbor(a, B).established).toBe(1)
    a.removeNeighbor(RED1)
    a.setVrfs([])
    await lab.run(2)
    expect(vpnRoutes(b, A)).toEqual([])
    expect(a.metrics().attributeSets).toBe(2) // our membership, and the route of the other PE
    await Promise.all(lab.speakers.map((speaker) => speaker.stop()))
  })

  it('shares a speaker with VRFs that import from each other, and with local routes of its VRF', async () => {
    const lab = new Lab()
    const both = { importTargets: ['65000:1', '65000:2'] }
    const vrfs = [vrf('red', '65000:1', '65000:1', 101, both), vrf('blue', '65000:2', '65000:2', 102, both)]
    const a = lab.speaker(A, { vrfs, neighbors: [customer(RED1, 'red'), customer(BLUE, 'blue', { as: 65_003 })] })
    const ce = (address: string, as: number): Speaker =>
      lab.speaker(address, { as, neighbors: [{ address: A, as: 65_000, families: ['ipv4-unicast'], connectRetry: 2 }] })
    const [red, blue] = [ce(RED1, CUSTOMER), ce(BLUE, 65_003)]
    await Promise.all([a, red, blue].map((speaker) => speaker.start()))
    await lab.until(() => isUp(a, RED1) && isUp(a, BLUE), 'both')
    red.announce([unicast('10.1.0.0/16')])
    a.announce([{ ...unicast('10.2.0.0/16'), vrf: 'red' }])
    const flushed = a.flushed({ timeout: 60_000 })
    await lab.run(2)
    await flushed
    expect(held(blue, A)).toEqual([`10.1.0.0/16 via ${A} path 65000 ${CUSTOMER}`, `10.2.0.0/16 via ${A} path 65000`])
    expect(held(red, A)).toEqual([`10.2.0.0/16 via ${A} path 65000`])
    a.withdraw([{ ...unicast('10.2.0.0/16'), vrf: 'red' }])
    await lab.run(2)
    expect([held(blue, A).length, held(red, A)]).toEqual([1, []])
    expect(() => a.announce([{ ...vpn('10.0.0.1/32'), vrf: 'red' }])).toThrow(/ipv4-unicast or ipv6-unicast/)
    expect(() => a.announce([{ ...unicast('10.0.0.0/8'), vrf: 'green' }])).toThrow(/green/)
  })

  it.each([
    [{ vrf: 'green' }, /there is no VRF 'green'/],
    [{ families: ['vpnv4-unicast'] }, /vpnv4-unicast is not one of a VRF/],
    [{ siteOfOrigin: 'here' }, /siteOfOrigin/],
  ] as const)('cannot be %o', (more, message) => {
    const lab = new Lab()
    expect(() => lab.speaker(A, { vrfs: [vrf('red', '65000:1', '65000:1', 100)], neighbors: [customer(RED1, 'red', more)] })).toThrow(
      message,
    )
  })

  it.each([
    [{ label: 3 }, /label/],
    [{ rd: 'x' }, /vrfs\[0\]\.rd/],
    [{ importTargets: ['65000'] }, /importTargets\[0\]/],
    [{ name: '' }, /name/],
  ] as const)('has no VRF with %o', (more, message) => {
    expect(() => new Lab().speaker(A, { vrfs: [{ ...vrf('red', '65000:1', '65000:1', 100), ...more }], neighbors: [] })).toThrow(message)
  })
})

describe('after any changes', () => {
  const seed = Number(process.env['HEDDLE_SEED'] ?? Date.now() & 0xffff)
  it(`each customer holds what its VRF should give it (seed ${seed})`, async () => {
    const random = seededRandom(seed)
    const below = (limit: number): number => random.uint32() % limit
    const { lab, a, b, red1, red2 } = await network({ asOverride: true }, { asOverride: true })
    const model = { red1: new Set<string>(), red2: new Set<string>(), vpn: new Set<string>() }
    for (let step = 0; step < 120; step++) {
      const prefix = `10.${below(6)}.0.0/16`
      const [who, change] = (
        [
          ['red1', red1],
          ['red2', red2],
        ] as const
      )[below(2)] ?? ['red1', red1]
      switch (below(6)) {
        case 0:
          b.announce([vpn(prefix, { rd: '65000:50', rt: '65000:100' })])
          model.vpn.add(prefix)
          break
        case 1:
          b.withdraw([vpn(prefix, { rd: '65000:50' })])
          model.vpn.delete(prefix)
          break
        case 2:
          a.resetNeighbor(below(2) === 0 ? RED1 : B)
          break
        case 3:
          change.withdraw([unicast(prefix)])
          model[who].delete(prefix)
          break
        default:
          change.announce([unicast(prefix)])
          model[who].add(prefix)
      }
      await lab.run(below(20) / 10)
    }
    await lab.until(() => isUp(a, B) && isUp(a, RED1) && isUp(b, RED2), 'all sessions')
    await lab.run(10)
    const prefixes = (speaker: Speaker, from: string): string[] => held(speaker, from).map((text) => text.split(' ')[0] ?? '')
    // a PE tells its customer all but what it has from that customer itself as best: shorter AS paths win, then what is external
    expect(prefixes(red1, A)).toEqual(
      [...new Set([...model.red2, ...model.vpn])].filter((prefix) => !(model.red1.has(prefix) && !model.vpn.has(prefix))).sort(),
    )
    expect(prefixes(red2, B)).toEqual(
      [...new Set([...model.red1, ...model.vpn])].filter((prefix) => !(model.red2.has(prefix) && !model.vpn.has(prefix))).sort(),
    )
    const expected = (own: Set<string>): string[] => [...own].filter((prefix) => !model.vpn.has(prefix)).sort()
    const exported = vpnRoutes(b, A)
      .filter((text) => text.startsWith('65000:1 '))
      .map((text) => text.split(' ')[1])
    expect(exported).toEqual(expected(model.red1))
  })
})
