import { ByteWriter, IpAddress, RouteTarget } from '@heddle/wire'
import { pathAttributes } from '@heddle/bgp/testing'
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { IPV4_UNICAST, VPNV4_UNICAST, VPNV6_UNICAST, type LocalRoute, type PathAttributes } from '../../src/index.js'
import { Lab, show, vpn } from './lab.js'

const good = vpn('10.0.0.1/32')
const withAttributes = (attributes: PathAttributes): LocalRoute => ({ ...vpn('10.0.0.2/32'), attributes })
const at = (asns: number[]): PathAttributes => ({ asPath: [{ type: 'sequence', asns }] })
/** Longer than an attribute can be. */
const endless = Array.from({ length: 20_000 }, (_, index) => index)

describe('a route that cannot stand on the wire is refused by name, and none of the others is applied', () => {
  it.each<[string, LocalRoute]>([
    ['a prefix of another family', { ...good, family: VPNV6_UNICAST }],
    ['octets that are no route', { ...good, nlri: { kind: 'raw', bytes: Uint8Array.of(120, 0, 1) } }],
    ['octets of two routes', { family: IPV4_UNICAST, nlri: { kind: 'raw', bytes: Uint8Array.of(8, 10, 8, 11) } }],
    ['no label', { ...good, nlri: { ...good.nlri, labels: [] } as LocalRoute['nlri'] }],
    ['a label of 21 bits', vpn('10.0.0.2/32', { label: 0x10_0000 })],
    ['a LOCAL_PREF of 33 bits', withAttributes({ localPref: 2 ** 32 })],
    ['a negative MED', withAttributes({ med: -1 })],
    ['a MED that is no integer', withAttributes({ med: 1.5 })],
    ['AS 0 in the path', withAttributes(at([65001, 0]))],
    ['an AS number of 33 bits', withAttributes(at([2 ** 32 + 1]))],
    ['an empty segment', withAttributes(at([]))],
    ['a segment of 256 AS numbers', withAttributes(at(Array.from({ length: 256 }, () => 65001)))],
    ['a community of 33 bits', withAttributes({ communities: [2 ** 32] })],
    ['more communities than fit', withAttributes({ communities: endless })],
  ])('%s', (_what, bad) => {
    const lab = new Lab()
    const speaker = lab.speaker('192.0.2.1', { neighbors: [] })
    expect(() => speaker.announce([good, bad, vpn('10.0.0.3/32')])).toThrow(
      expect.objectContaining({ name: 'SpeakerError', code: 'speaker.route', subject: 'routes[1]' }),
    )
    expect([...speaker.routes({ family: 'vpnv4-unicast' })]).toEqual([])
    speaker.announce([good, vpn('10.0.0.3/32')])
    expect([...speaker.routes({ family: 'vpnv4-unicast' })].map(show).sort()).toEqual([
      '65000:1 10.0.0.1/32 label 1000 via -',
      '65000:1 10.0.0.3/32 label 1000 via -',
    ])
  })
})

test('any attributes that come from the wire can be announced, and are what is held', () => {
  fc.assert(
    fc.property(pathAttributes, (given) => {
      const { nextHop, ...attributes } = given
      const lab = new Lab()
      const speaker = lab.speaker('192.0.2.1', { neighbors: [] })
      speaker.announce([{ ...good, attributes: given }])
      const [view] = speaker.routes({ family: VPNV4_UNICAST })
      expect(view.set.attributes).toEqual({ origin: 'igp', asPath: [], ...attributes })
      expect(view.set.nextHop?.address).toEqual(nextHop)
    }),
  )
})

test('the order of communities and what they are called does not matter', () => {
  const target = RouteTarget.parse('65000:1')
  const lab = new Lab()
  const speaker = lab.speaker('192.0.2.1', { neighbors: [] })
  const raw = { kind: 'unknown', high: target.high, low: target.low } as const
  speaker.announce([{ ...good, attributes: { extendedCommunities: [raw], originatorId: IpAddress.parse('192.0.2.9') } }])
  const [view] = speaker.routes({ family: VPNV4_UNICAST })
  expect(view.set.attributes.extendedCommunities).toEqual([{ kind: 'route-target', target }])
  expect(new ByteWriter().u32(target.high).u32(target.low).finish()).toEqual(Uint8Array.of(0, 2, 0xfd, 0xe8, 0, 0, 0, 1))
})
