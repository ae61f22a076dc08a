import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { encodeMessage } from '../decode.js'
import { IPV4_UNICAST } from '../nlri/family.js'
import { mrtAttributes } from '../mrt/content.js'
import { encodeBmp } from './codec.js'
import { BMP_PEER_TYPE } from './iana.js'
import { BmpStation } from './station.js'

const address = IpAddress.parse('192.0.2.1')

/** An UPDATE whose NEXT_HOP is this. */
function updateOf(nextHop: string): Uint8Array {
  const announced = [
    {
      family: IPV4_UNICAST,
      nlri: [{ kind: 'unicast', prefix: IpPrefix.parse('198.51.100.0/24') }],
      nextHop: { address: IpAddress.parse(nextHop) },
      multiprotocol: false,
    },
  ] as const
  return encodeMessage({ type: 'update', withdrawn: [], announced, attributes: { origin: 'igp', asPath: [] } })
}

/** What a station reads in route monitoring of such a peer. */
function read(peerType: number, nextHop: string): unknown {
  const peer = {
    peerType,
    flags: 0,
    distinguisher: RouteDistinguisher.fromWords(0, 0),
    address,
    as: 65000,
    routerId: address,
    seconds: 0,
    microseconds: 0,
  }
  const [item] = new BmpStation().push(encodeBmp({ type: 'route-monitoring', peer, pdu: updateOf(nextHop) }))
  if ('error' in item || item.update?.ok !== true || item.update.message.type !== 'update') return 'nothing'
  const { message, errors } = item.update
  return { nextHop: String(message.attributes.nextHop), errors: errors.map(({ code }) => code) }
}

describe('the next hop of what a speaker originates', () => {
  const refused = { nextHop: 'undefined', errors: ['bgp.attribute.next-hop'] }
  it('is 0.0.0.0 in its Loc-RIB (RFC 9069), and that alone', () => {
    expect(read(BMP_PEER_TYPE.locRib, '0.0.0.0')).toEqual({ nextHop: '0.0.0.0', errors: [] })
    expect(read(BMP_PEER_TYPE.locRib, '192.0.2.9')).toEqual({ nextHop: '192.0.2.9', errors: [] })
    for (const none of ['0.0.0.1', '0.1.0.0', '127.0.0.1', '224.0.0.5']) expect(read(BMP_PEER_TYPE.locRib, none)).toEqual(refused)
  })

  it('is 0.0.0.0 in no session of a peer (RFC 4271 §6.3)', () => {
    for (const peerType of [BMP_PEER_TYPE.global, BMP_PEER_TYPE.rd, BMP_PEER_TYPE.local]) expect(read(peerType, '0.0.0.0')).toEqual(refused)
  })

  it('is 0.0.0.0 in a table of an MRT file', () => {
    const octets = Uint8Array.of(0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 0, 0, 0, 0)
    const { attributes, errors } = mrtAttributes(octets, IPV4_UNICAST, true)
    expect([String(attributes.nextHop), errors]).toEqual(['0.0.0.0', []])
  })
})
