import { IpAddress, RouteDistinguisher } from '@heddle/wire'
import fc, { type Arbitrary } from 'fast-check'
import type { BmpInformation } from '../bmp/information.js'
import type { BmpMessage, BmpMirroringTlv, BmpTerminationTlv } from '../bmp/message.js'
import type { BmpPeer } from '../bmp/peer.js'
import type { BmpStatistic } from '../bmp/statistics.js'
import { encodeMessage } from '../decode.js'
import { anyFamily } from './capabilities.js'
import { notificationMessage, openMessage, updateMessage } from './messages.js'
import { ipv4Address, ipv6Address, octets, word } from './values.js'

const constant = <const K extends string>(value: K): Arbitrary<K> => fc.constant(value)
const u16 = fc.nat(0xffff)
const gauge = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
const text = fc.string({ maxLength: 20 })
const high = ipv6Address.filter(({ w0, w1, w2 }) => (w0 | w1 | w2) !== 0)

const peerBase = {
  distinguisher: fc.tuple(word, word).map(([one, other]) => RouteDistinguisher.fromWords(one, other)),
  as: word,
  routerId: ipv4Address,
  seconds: word,
  microseconds: word,
}

/** Peers of all types, in normal form. */
const peer: Arbitrary<BmpPeer> = fc.oneof(
  fc.record({ ...peerBase, peerType: fc.constantFrom(0, 1, 2), flags: fc.constantFrom(0, 0x10, 0x20, 0x40), address: ipv4Address }),
  fc.record({ ...peerBase, peerType: fc.constantFrom(0, 1, 2), flags: fc.constantFrom(0x80, 0x90, 0xc0), address: high }),
  fc.record({
    ...peerBase,
    peerType: fc.constant(3),
    flags: fc.constantFrom(0, 0x80),
    address: fc.constant(IpAddress.v6(0, 0, 0, 0)),
  }),
)

const information: Arbitrary<readonly BmpInformation[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom('text' as const, 'system-description' as const, 'system-name' as const, 'table-name' as const),
      text,
    }),
    fc.record({ kind: constant('unknown'), type: fc.integer({ min: 4, max: 0xffff }), value: octets({ maxLength: 20 }) }),
  ),
  { maxLength: 3 },
)

const statistic: Arbitrary<BmpStatistic> = fc.oneof(
  fc.record({ kind: constant('number'), type: u16, size: fc.constant(4 as const), value: word.map(BigInt) }),
  fc.record({ kind: constant('number'), type: u16, size: fc.constant(8 as const), value: gauge }),
  fc.record({ kind: constant('family'), type: u16, family: anyFamily, value: gauge }),
  fc.record({ kind: constant('unknown'), type: u16, value: octets({ maxLength: 3 }) }),
)

const pdu = updateMessage().map((message) => encodeMessage(message, { extended: true }))
const open = openMessage.map((message) => encodeMessage(message))

const terminationTlv: Arbitrary<BmpTerminationTlv> = fc.oneof(
  fc.record({ kind: constant('text'), text }),
  fc.record({ kind: constant('reason'), reason: u16 }),
  fc.record({ kind: constant('unknown'), type: fc.integer({ min: 2, max: 0xffff }), value: octets({ maxLength: 20 }) }),
)

const mirroringTlv: Arbitrary<BmpMirroringTlv> = fc.oneof(
  fc.record({ kind: constant('message'), pdu }),
  fc.record({ kind: constant('information'), code: u16 }),
  fc.record({ kind: constant('unknown'), type: fc.integer({ min: 2, max: 0xffff }), value: octets({ maxLength: 20 }) }),
)

/** BMP messages of every type in normal form. */
export const bmpMessages: Arbitrary<BmpMessage> = fc.oneof<Arbitrary<BmpMessage>[]>(
  fc.record({ type: constant('route-monitoring'), peer, pdu }),
  fc.record({ type: constant('statistics-report'), peer, statistics: fc.array(statistic, { maxLength: 5 }) }),
  fc.record({
    type: constant('peer-down'),
    peer,
    reason: fc.constantFrom(1, 3),
    data: notificationMessage.map((message) => encodeMessage(message)),
  }),
  fc.record({ type: constant('peer-down'), peer, reason: fc.constantFrom(2, 4, 5, 6), data: octets({ maxLength: 8 }) }),
  peer.chain((of) =>
    fc.record({
      type: constant('peer-up'),
      peer: fc.constant(of),
      localAddress: of.address.family === 4 ? ipv4Address : high,
      localPort: u16,
      remotePort: u16,
      sentOpen: open,
      receivedOpen: open,
      information,
    }),
  ),
  fc.record({ type: constant('initiation'), information }),
  fc.record({ type: constant('termination'), tlvs: fc.array(terminationTlv, { maxLength: 3 }) }),
  fc.record({ type: constant('route-mirroring'), peer, tlvs: fc.array(mirroringTlv, { maxLength: 3 }) }),
)
