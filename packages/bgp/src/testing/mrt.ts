import { ByteWriter } from '@heddle/wire'
import fc, { type Arbitrary } from 'fast-check'
import { encodeAttributes } from '../attribute/encode.js'
import { encodeMessage } from '../decode.js'
import { IPV4_MULTICAST, IPV4_UNICAST, IPV6_MULTICAST, IPV6_UNICAST, type Family } from '../nlri/family.js'
import { encodeNlri } from '../nlri/registry.js'
import type { MrtPeer, MrtRecord, MrtRib, MrtTableDump } from '../mrt/record.js'
import { pathAttributes } from './attributes.js'
import { updateMessage } from './messages.js'
import { nlri, typedFamily } from './nlri.js'
import { ipv4Address, ipv4Prefix, ipv6Address, ipv6Prefix, octets, word } from './values.js'

const constant = <const K extends string>(value: K): Arbitrary<K> => fc.constant(value)
const u16 = fc.nat(0xffff)
const PLAIN = { addPath: false, withdraw: false } as const

const attributes = pathAttributes.map((value) => {
  const out = new ByteWriter()
  encodeAttributes(value, out)
  return out.finish()
})

const peer: Arbitrary<MrtPeer> = fc.oneof(
  fc.record({ routerId: ipv4Address, address: fc.oneof(ipv4Address, ipv6Address), as: word, as4: fc.constant(true) }),
  fc.record({ routerId: ipv4Address, address: fc.oneof(ipv4Address, ipv6Address), as: u16, as4: fc.constant(false) }),
)

const own = fc.constantFrom(IPV4_UNICAST, IPV4_MULTICAST, IPV6_UNICAST, IPV6_MULTICAST)

function rib(generic: boolean, family: Arbitrary<Family>): Arbitrary<MrtRib> {
  return fc.tuple(family, fc.boolean()).chain(([of, addPath]) => {
    const entry = fc.record({ peerIndex: u16, originated: word, attributes })
    const withPath = fc.tuple(entry, word).map(([value, pathId]) => ({ ...value, pathId }))
    return fc.record({
      kind: constant('rib'),
      timestamp: word,
      generic: fc.constant(generic),
      addPath: fc.constant(addPath),
      sequence: word,
      family: fc.constant(of),
      // Multicast has the form of unicast, which is the one that the arbitraries know.
      nlri: nlri(ownForm(of), PLAIN).map((value) => {
        const out = new ByteWriter()
        encodeNlri(value, out, of, PLAIN)
        return out.finish()
      }),
      entries: fc.array(addPath ? withPath : entry, { maxLength: 3 }),
    })
  })
}

function ownForm(family: Family): Family {
  if (family === IPV4_MULTICAST) return IPV4_UNICAST
  return family === IPV6_MULTICAST ? IPV6_UNICAST : family
}

const addresses = fc.oneof(
  fc.record({ peerAddress: ipv4Address, localAddress: ipv4Address }),
  fc.record({ peerAddress: ipv6Address, localAddress: ipv6Address }),
)
const numbers = fc.oneof(
  fc.record({ peerAs: word, localAs: word, as4: fc.constant(true) }),
  fc.record({ peerAs: u16, localAs: u16, as4: fc.constant(false) }),
)
const time = fc.record({ timestamp: word, microseconds: fc.nat(999_999) }, { requiredKeys: ['timestamp'] })

function merged<A extends object, B extends object, C extends object, D extends object>(
  ...parts: [Arbitrary<A>, Arbitrary<B>, Arbitrary<C>, Arbitrary<D>]
): Arbitrary<A & B & C & D> {
  return fc.tuple(...parts).map(([a, b, c, d]) => ({ ...a, ...b, ...c, ...d }))
}

const message = fc.tuple(numbers, fc.boolean()).chain(([number, addPath]) =>
  merged(
    time,
    addresses,
    fc.constant(number),
    fc.record({
      kind: constant('message'),
      interfaceIndex: u16,
      local: fc.boolean(),
      addPath: fc.constant(addPath),
      pdu: updateMessage({ addPath }).map((value) =>
        encodeMessage(value, { extended: true, asn4: number.as4, addPath: addPath ? 'all' : new Set() }),
      ),
    }),
  ),
)
const stateChange = merged(
  time,
  addresses,
  numbers,
  fc.record({
    kind: constant('state-change'),
    interfaceIndex: u16,
    oldState: fc.integer({ min: 1, max: 6 }),
    newState: fc.integer({ min: 1, max: 6 }),
  }),
)

const tableDump: Arbitrary<MrtTableDump> = fc
  .oneof(fc.record({ prefix: ipv4Prefix, peerAddress: ipv4Address }), fc.record({ prefix: ipv6Prefix, peerAddress: ipv6Address }))
  .chain(({ prefix, peerAddress }) =>
    fc.record({
      kind: constant('table-dump'),
      timestamp: word,
      view: u16,
      sequence: u16,
      prefix: fc.constant(prefix),
      address: fc.constant(prefix.address),
      status: fc.constant(1),
      originated: word,
      peerAddress: fc.constant(peerAddress),
      peerAs: u16,
      attributes,
    }),
  )

/** MRT records of every kind in normal form. */
export const mrtRecords: Arbitrary<MrtRecord> = fc.oneof<Arbitrary<MrtRecord>[]>(
  fc.record({
    kind: constant('peer-index-table'),
    timestamp: word,
    collectorId: ipv4Address,
    viewName: fc.string({ maxLength: 20 }),
    peers: fc.array(peer, { maxLength: 4 }),
  }),
  rib(false, own),
  rib(true, typedFamily),
  tableDump,
  message,
  stateChange,
  fc.record({
    kind: constant('legacy-message'),
    timestamp: word,
    peerAs: u16,
    peerAddress: ipv4Address,
    localAs: u16,
    localAddress: ipv4Address,
    pdu: updateMessage().map((value) => encodeMessage(value, { extended: true, asn4: false })),
  }),
  fc.record({
    kind: constant('legacy-state-change'),
    timestamp: word,
    peerAs: u16,
    peerAddress: ipv4Address,
    oldState: fc.integer({ min: 1, max: 6 }),
    newState: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({
    kind: constant('other'),
    timestamp: word,
    type: fc.constantFrom(11, 32, 48),
    subtype: u16,
    body: octets({ maxLength: 40 }),
  }),
)
