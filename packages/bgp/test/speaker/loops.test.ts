import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { KEEPALIVE, packUpdates, type PathAttributes, type SpeakerConfig } from '../../src/index.js'
import { Lab, follow, internal, isUp, vpn } from './lab.js'
import { Puppet } from './puppet.js'

const A = '192.0.2.1'
const B = '192.0.2.2'
const CLIENT = '192.0.2.3'
const CLUSTER = '192.0.2.200'
const ip = (text: string): IpAddress => IpAddress.parse(text)

/** What becomes of one route with `attributes` that a peer of the same AS, or of AS 65001, gives. */
async function received(
  attributes: PathAttributes,
  as = 65000,
): Promise<{ invalid: string | undefined; best: boolean; told: number; passedOn: number }> {
  const lab = new Lab()
  const config: Partial<SpeakerConfig> = { clusterId: CLUSTER }
  const neighbors = [internal(B, { passive: true, as }), internal(CLIENT, { passive: true, routeReflectorClient: true })]
  const a = lab.speaker(A, { ...config, neighbors })
  const client = lab.speaker(CLIENT, { neighbors: [internal(A)] })
  const { table } = follow(a)
  await Promise.all([a.start(), client.start()])
  const puppet = await Puppet.connect(lab, B, A)
  puppet.open(B, 9, { as })
  await lab.run(0.1)
  puppet.send(KEEPALIVE)
  await lab.until(() => isUp(a, CLIENT) && isUp(a, B), 'established', 4)
  const { family, nlri, attributes: own } = vpn('10.0.0.1/32')
  const [update] = packUpdates({
    family,
    nlri: [nlri],
    nextHop: { address: ip(B) },
    attributes: { origin: 'igp', asPath: [], ...own, ...attributes },
  })
  puppet.send(update)
  await lab.run(0.5)
  const [view] = a.routes({ family, neighbor: B })
  return { invalid: view.invalid, best: view.best, told: table.size, passedOn: [...client.routes({ family, neighbor: A })].length }
}

const USED = { invalid: undefined, best: true, told: 1, passedOn: 1 }
const refused = (invalid: string): typeof USED | object => ({ invalid, best: false, told: 0, passedOn: 0 })

describe('a route that has come round (RFC 4271 §9.1.2, RFC 4456 §8)', () => {
  it.each<[string, PathAttributes, object]>([
    ['from another originator through another cluster', { originatorId: ip('192.0.2.9'), clusterList: [ip('192.0.2.201')] }, USED],
    ['from us', { originatorId: ip(A) }, refused('originator-loop')],
    ['through our cluster', { originatorId: ip('192.0.2.9'), clusterList: [ip('192.0.2.201'), ip(CLUSTER)] }, refused('cluster-loop')],
    ['through a cluster of our router id, which is not our cluster', { originatorId: ip('192.0.2.9'), clusterList: [ip(A)] }, USED],
    ['through our AS', { asPath: [{ type: 'sequence', asns: [65001, 65000] }] }, refused('as-loop')],
    ['through a set with our AS', { asPath: [{ type: 'set', asns: [65002, 65000] }] }, refused('as-loop')],
  ])('%s', async (_what, attributes, expected) => {
    expect(await received({ localPref: 100, ...attributes })).toEqual(expected)
  })

  it.each<[string, PathAttributes, object]>([
    ['with our identifier as originator, which says nothing between ASes', { originatorId: ip(A), clusterList: [ip(CLUSTER)] }, USED],
    ['with our AS', { asPath: [{ type: 'sequence', asns: [65001, 65000] }] }, refused('as-loop')],
  ])('from another AS %s', async (_what, attributes, expected) => {
    expect(await received({ asPath: [{ type: 'sequence', asns: [65001] }], ...attributes }, 65001)).toEqual(expected)
  })
})
