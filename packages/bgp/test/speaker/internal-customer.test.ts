import { IpAddress, IpPrefix, RouteTarget } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import {
  IPV4_UNICAST,
  WELL_KNOWN_COMMUNITY,
  type NeighborConfig,
  type PathAttributes,
  type RouteView,
  type Speaker,
  type SpeakerConfig,
  type VrfConfig,
} from '../../src/index.js'
import { Lab, internal, isUp, neighbor } from './lab.js'

/*
 * PEs A and B of AS 65000, whose customers speak iBGP with them (RFC 6368): the VRF is of the customer's AS, and what the customer says of its routes
 * is the same at its other site, whatever the provider does in between.
 */

const [A, B] = ['192.0.2.1', '192.0.2.2'] as const
const [SITE1, SITE2] = ['10.255.0.1', '10.255.0.2'] as const
const CUSTOMER = 65_001

const red = (rd: string, more: Partial<VrfConfig> = {}): VrfConfig => ({
  name: 'red',
  rd,
  importTargets: ['65000:1'],
  exportTargets: ['65000:1'],
  label: 100,
  as: CUSTOMER,
  ...more,
})
const customer = (address: string, more: Partial<NeighborConfig> = {}): NeighborConfig => ({
  address,
  as: CUSTOMER,
  vrf: 'red',
  families: ['ipv4-unicast'],
  connectRetry: 2,
  ...more,
})
const ATTRIBUTES: PathAttributes = {
  origin: 'egp',
  asPath: [{ type: 'sequence', asns: [64_512, CUSTOMER + 1] }],
  med: 7,
  localPref: 222,
  communities: [0xfde9_0001],
  extendedCommunities: [{ kind: 'route-target', target: RouteTarget.parse('65001:9') }],
}
const route = (prefix: string, attributes: PathAttributes = ATTRIBUTES) => ({
  family: IPV4_UNICAST,
  nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) } as const,
  attributes,
})

interface Sites {
  readonly atB?: Partial<VrfConfig>
  readonly secondAs?: number
  readonly secondSees?: number
  /** What all of them are. */
  readonly all?: Partial<SpeakerConfig>
}

async function network({ atB = {}, secondAs = CUSTOMER, secondSees = CUSTOMER, all = {} }: Sites = {}) {
  const lab = new Lab()
  const a = lab.speaker(A, { ...all, vrfs: [red('65000:1')], neighbors: [internal(B), customer(SITE1)] })
  const b = lab.speaker(B, { ...all, vrfs: [red('65000:2', atB)], neighbors: [internal(A), customer(SITE2, { as: secondAs })] })
  const site = (address: string, provider: string, as: number, providerAs: number): Speaker =>
    lab.speaker(address, { ...all, as, neighbors: [{ address: provider, as: providerAs, families: ['ipv4-unicast'], connectRetry: 2 }] })
  const one = site(SITE1, A, CUSTOMER, CUSTOMER)
  const two = site(SITE2, B, secondAs, secondSees)
  await Promise.all([a, b, one, two].map((speaker) => speaker.start()))
  await lab.until(() => isUp(a, B) && isUp(a, SITE1) && isUp(b, SITE2), 'all sessions')
  return { lab, a, b, one, two }
}

const only = (speaker: Speaker, from: string, family: 'ipv4-unicast' | 'vpnv4-unicast' = 'ipv4-unicast'): RouteView => {
  const [first, ...more] = speaker.routes({ family, neighbor: from })
  if (first === undefined || more.length > 0) return expect.unreachable(`not one route from ${from}`)
  return first
}

describe('a customer in the AS of its VRF (RFC 6368)', () => {
  it('has its attributes back at its other site, and the provider sees none of them', async () => {
    const { lab, b, one, two } = await network()
    one.announce([route('10.1.0.0/16')])
    await lab.run(2)
    const { attributes } = only(b, A, 'vpnv4-unicast').set
    const originatorId = IpAddress.parse(SITE1)
    expect(attributes).toEqual({
      origin: 'egp',
      asPath: [],
      localPref: 100,
      extendedCommunities: [{ kind: 'route-target', target: RouteTarget.parse('65000:1') }],
      attrSet: { originAs: CUSTOMER, attributes: { ...ATTRIBUTES, originatorId } },
    })
    const there = only(two, B)
    // as from a route reflector (RFC 4456 §8)
    expect(there.set.attributes).toEqual({ ...ATTRIBUTES, originatorId, clusterList: [IpAddress.parse(B)] })
    expect(String(there.set.nextHop?.address)).toBe(B)
    one.withdraw([route('10.1.0.0/16')])
    await lab.run(2)
    expect([...two.routes({ family: 'ipv4-unicast', neighbor: B })]).toEqual([])
  })

  it('is another AS where the VRF has another: its own stands in the path, and what meant something within it is gone', async () => {
    const { lab, one, two } = await network({ atB: { as: 65_077 }, secondAs: 65_002, secondSees: 65_077 })
    one.announce([route('10.1.0.0/16', { ...ATTRIBUTES, asPath: [{ type: 'sequence', asns: [64_512] }] })])
    await lab.run(2)
    const { attributes } = only(two, B).set
    expect(attributes.asPath).toEqual([{ type: 'sequence', asns: [65_077, CUSTOMER, 64_512] }])
    expect(attributes).toMatchObject({ origin: 'egp', communities: [0xfde9_0001] })
    for (const name of ['localPref', 'originatorId', 'clusterList', 'attrSet']) expect(attributes).not.toHaveProperty(name)
  })

  it('hears of others at the same PE, and not of its own', async () => {
    const { lab, a, one } = await network()
    const third = lab.speaker('10.255.0.3', {
      as: CUSTOMER,
      neighbors: [{ address: A, as: CUSTOMER, families: ['ipv4-unicast'], connectRetry: 2 }],
    })
    a.addNeighbor(customer('10.255.0.3'))
    await third.start()
    await lab.until(() => isUp(third, A), 'the third site')
    one.announce([route('10.1.0.0/16')])
    await lab.run(2)
    expect(only(third, A).set).toMatchObject({ nextHop: { address: IpAddress.parse(A) }, attributes: { localPref: 222 } })
    expect([...one.routes({ family: 'ipv4-unicast', neighbor: A })].filter(({ invalid }) => invalid === undefined)).toEqual([])
  })

  // LLGR_STALE within ATTR_SET was unseen by the other PE, and that of the VPN route by the other site
  it('hears at its other site that a route is stale for long, whoever of the two on the way has kept it (RFC 9494 §4.7.2)', async () => {
    const { llgrStale } = WELL_KNOWN_COMMUNITY
    const { lab, a, b, one, two } = await network({ all: { gracefulRestart: { restartTime: 1, longLived: 1000 } } })
    one.announce([route('10.1.0.0/16')])
    await lab.run(2)
    await one.stop({ graceful: true })
    await lab.run(5)
    const { attributes } = only(b, A, 'vpnv4-unicast').set
    expect(attributes.communities).toEqual([llgrStale])
    expect(attributes.attrSet?.attributes.communities).toEqual([0xfde9_0001, llgrStale])
    expect(only(two, B).set.attributes.communities).toEqual([0xfde9_0001, llgrStale])
    // the other site's comes first from here on, and A's own is told no longer
    two.announce([route('10.1.0.0/16', { ...ATTRIBUTES, localPref: 1 })])
    await lab.run(2)
    const { paths } = a.explain({ family: 'ipv4-unicast', vrf: 'red', nlri: { kind: 'unicast', prefix: IpPrefix.parse('10.1.0.0/16') } })
    const steps = paths.map(({ peer, verdict }) => `${peer} ${'step' in verdict ? verdict.step : verdict.kind}`)
    expect(steps.sort()).toEqual([`${SITE1} llgr-stale`, `${B} llgr-stale`])
    expect([...b.routes({ family: 'vpnv4-unicast', neighbor: A })]).toEqual([])
  })

  it('hears that a route is stale for long which the other PE has kept, not the customer', async () => {
    const { lab, a, b, one, two } = await network({ all: { gracefulRestart: { restartTime: 1, longLived: 1000 } } })
    one.announce([route('10.1.0.0/16')])
    await lab.run(2)
    await a.stop({ graceful: true })
    await lab.run(5)
    expect(only(b, A, 'vpnv4-unicast').set.attributes.attrSet?.attributes.communities).toEqual([0xfde9_0001])
    expect(only(two, B).set.attributes.communities).toEqual([0xfde9_0001, WELL_KNOWN_COMMUNITY.llgrStale])
  })

  it('needs no AS of the VRF where it is in that of the provider', async () => {
    const lab = new Lab()
    const { as: _as, ...vrf } = red('65000:1')
    const a = lab.speaker(A, { vrfs: [vrf], neighbors: [customer(SITE1, { as: 65_000 })] })
    const one = lab.speaker(SITE1, { neighbors: [{ address: A, as: 65_000, families: ['ipv4-unicast'], connectRetry: 2 }] })
    await Promise.all([a, one].map((speaker) => speaker.start()))
    await lab.until(() => isUp(a, SITE1), 'the session')
    one.announce([route('10.1.0.0/16')])
    await lab.run(2)
    const [vpn] = a.routes({ family: 'vpnv4-unicast', neighbor: 'local' })
    expect(vpn?.set.attributes.attrSet).toMatchObject({ originAs: 65_000, attributes: { localPref: 222 } })
  })

  it('is known by another AS once the VRF has another: its session begins anew, and no other', async () => {
    const { lab, a, one } = await network()
    const desired = { as: 65_000, routerId: A, holdTime: 9, listen: [{ address: A }] }
    const plan = a.reconcile({ ...desired, vrfs: [red('65000:1', { as: 65_009 })], neighbors: [internal(B), customer(SITE1)] })
    expect(plan.changes.map(({ neighbor: name, impact, fields }) => [name, impact, fields])).toEqual([
      [B, 'nothing', []],
      [SITE1, 'reset', ['vrfs']],
    ])
    await plan.apply()
    one.updateNeighbor({ ...neighbor(one, A).config, as: 65_009 })
    await lab.until(() => isUp(a, SITE1), 'the session as another AS')
    expect([neighbor(a, B).established, neighbor(a, SITE1).established]).toEqual([1, 2])
    one.announce([route('10.1.0.0/16')])
    await lab.run(2)
    const [vpn] = a.routes({ family: 'vpnv4-unicast', neighbor: 'local' })
    expect(vpn?.set.attributes.attrSet).toBeUndefined() // it is in another AS now
  })
})
