import type { FibTransaction, PolicyRule } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { checkRoom } from './limits.js'

const address = (host: number): IpAddress => IpAddress.v4(0x0a000000 + host)
const prefixes = (count: number): IpPrefix[] => Array.from({ length: count }, (_, host) => IpPrefix.of(address(host)))
const addresses = (count: number): IpAddress[] => Array.from({ length: count }, (_, host) => address(host))
const port = { id: 7, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 } as const
const rules = (count: number): PolicyRule[] => Array.from({ length: count }, () => ({ verdict: 'allow' }))
/** Of numbers as long as they get. */
const mirrored = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ port: 4_000_000_000 + index, direction: 'egress' as const }))

/** Each kind of thing by how much of it there is. */
const FULL: Readonly<Record<string, readonly [most: number, with_: (count: number) => Partial<FibTransaction>]>> = {
  vrf: [120, (octets) => ({ vrfs: { set: [{ id: 7, name: 'n'.repeat(octets) }], remove: [] } })],
  'port by allowed sources': [16, (count) => ({ ports: { set: [{ ...port, allowedSources: prefixes(count) }], remove: [] } })],
  'port by gateways': [8, (count) => ({ ports: { set: [{ ...port, gateways: addresses(count) }], remove: [] } })],
  'policy by rules': [
    4096,
    (count) => ({ policies: { set: [{ id: 7, port: 7, direction: 'egress', rules: rules(count), defaultVerdict: 'deny' }], remove: [] } }),
  ],
  // A rule and its alternatives.
  'policy by alternatives': [
    4095,
    (count) => ({
      policies: {
        set: [{ id: 7, port: 7, direction: 'egress', rules: [{ verdict: 'allow', peers: prefixes(count) }], defaultVerdict: 'deny' }],
        remove: [],
      },
    }),
  ],
  trace: [4, (count) => ({ traces: { set: [{ id: 7, filter: { ends: prefixes(count) } }], remove: [] } })],
}

describe('what maps have no room for', () => {
  it.each(Object.entries(FULL))('%s: one more than fits is refused as dataplane.limit', (name, [most, with_]) => {
    expect(checkRoom({ ...emptyTransaction(1), ...with_(most) })).toEqual([])
    const object = { kind: name.split(' ')[0], key: '7' }
    expect(checkRoom({ ...emptyTransaction(1), ...with_(most + 1) })).toMatchObject([{ object, code: 'dataplane.limit' }])
  })

  it('mirror: 80 ports always fit, and what does not is refused as dataplane.limit', () => {
    const of = (count: number): FibTransaction => ({
      ...emptyTransaction(1),
      mirrors: { set: [{ id: 7, ports: mirrored(count), sink: { type: 'stream' } }], remove: [] },
    })
    expect(checkRoom(of(80))).toEqual([])
    expect(checkRoom(of(500))).toMatchObject([{ object: { kind: 'mirror', key: '7' }, code: 'dataplane.limit' }])
  })
})
