import { ByteReader, ByteWriter, IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { IPV4_LABELED_UNICAST, L2VPN_EVPN } from '../nlri/family.js'
import type { EvpnNlri } from '../nlri/evpn.js'
import { decodeNlri, encodeNlri } from '../nlri/registry.js'
import { NlriKey } from './nlri-key.js'

const common = {
  kind: 'evpn',
  rd: RouteDistinguisher.parse('65000:1'),
  ethernetTag: 7,
  group: IpAddress.parse('239.1.1.1'),
  originator: IpAddress.parse('192.0.2.1'),
} as const
const esi = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)

/** One route in two versions, and another route. */
const rows: readonly (readonly [name: string, first: EvpnNlri, second: EvpnNlri, other: EvpnNlri])[] = [
  [
    'a selective multicast tag is not named by its flags',
    { ...common, route: 'selective-multicast', flags: 2 },
    { ...common, route: 'selective-multicast', flags: 4 },
    { ...common, route: 'selective-multicast', flags: 2, ethernetTag: 8 },
  ],
  [
    'a membership report is not named by its flags',
    { ...common, route: 'membership-report-synch', esi, flags: 2 },
    { ...common, route: 'membership-report-synch', esi, flags: 12 },
    { ...common, route: 'membership-report-synch', esi: esi.with(9, 1), flags: 2 },
  ],
  [
    'a leave is named neither by its flags nor by its response time',
    { ...common, route: 'leave-synch', esi, maximumResponseTime: 10, flags: 2 },
    { ...common, route: 'leave-synch', esi, maximumResponseTime: 20, flags: 4 },
    { ...common, route: 'leave-synch', esi, maximumResponseTime: 10, flags: 2, group: IpAddress.parse('239.1.1.2') },
  ],
]

describe('what names an EVPN multicast route (RFC 9251 §9.1–9.3)', () => {
  it.each(rows)('%s, and each version comes back as it was', (_name, first, second, other) => {
    const key = new NlriKey(L2VPN_EVPN)
    const stored = [first, second, other].map((nlri) => {
      const words = new Uint32Array(key.stride)
      key.fromNlri(nlri, words)
      return { words, back: key.toNlri(words, 0, key.dataFromNlri(nlri), 0) }
    })
    expect(stored.map(({ back }) => back)).toEqual([first, second, other])
    expect(stored[1].words).toEqual(stored[0].words)
    expect(stored[2].words).not.toEqual(stored[0].words)
  })
})

describe('a withdrawal of a route with several labels (RFC 8277 §2.4)', () => {
  const WITHDRAWN = { addPath: false, withdraw: true }
  const prefix = IpPrefix.parse('10.32.0.0/12')

  // 0 and 524,288 without the bottom bit are the octets that stand for no label: what followed them was read as the prefix, and the route stayed.
  it.each([[[0, 775_091]], [[524_288, 3]], [[17, 18]]])('%j names the prefix', (labels) => {
    const nlri = { kind: 'labeled-unicast', labels, prefix } as const
    const key = new NlriKey(IPV4_LABELED_UNICAST)
    const words = new Uint32Array(key.stride)
    key.fromNlri(nlri, words)
    const [byKey, byValue] = [new ByteWriter(16), new ByteWriter(16)]
    key.write(words, 0, key.dataFromNlri(nlri), 0, WITHDRAWN, byKey)
    encodeNlri(nlri, byValue, IPV4_LABELED_UNICAST, WITHDRAWN)
    expect([...byKey.view()]).toEqual([36, 0x80, 0, 0, 10, 32])
    for (const out of [byKey, byValue]) {
      expect(decodeNlri(new ByteReader(out.view()), IPV4_LABELED_UNICAST, WITHDRAWN)).toMatchObject([{ prefix }])
    }
  })
})
