import { IpAddress } from '@heddle/wire'
import fc, { type Arbitrary } from 'fast-check'
import { AS_TRANS } from '../iana.js'
import type {
  Announcement,
  BgpMessage,
  KeepaliveMessage,
  NotificationMessage,
  OpenMessage,
  RouteRefreshMessage,
  UpdateMessage,
  Withdrawal,
} from '../message/message.js'
import type { AddressPrefixFilter } from '../message/outbound-route-filter.js'
import { IPV4_UNICAST, IPV6_UNICAST } from '../nlri/family.js'
import { pathAttributes } from './attributes.js'
import { anyFamily, capability } from './capabilities.js'
import { nextHop, nlri, typedFamily } from './nlri.js'
import { asNumber, hostAddress, ipv4Prefix, ipv6Prefix, octets, word } from './values.js'

/** OPENs of valid speakers, with two- and four-octet AS numbers. */
export const openMessage: Arbitrary<OpenMessage> = fc
  .record({
    as: asNumber.filter((as) => as !== AS_TRANS),
    wide: fc.boolean(),
    holdTime: fc.oneof(fc.constant(0), fc.integer({ min: 3, max: 0xffff })),
    routerId: fc.integer({ min: 1, max: 0xffff_ffff }).map((word) => IpAddress.v4(word)),
    capabilities: fc.array(capability, { maxLength: 12 }),
  })
  .map(({ as, wide, holdTime, routerId, capabilities }) => ({
    type: 'open',
    as,
    holdTime,
    routerId,
    capabilities: wide || as > 0xffff ? [...capabilities, { kind: 'four-octet-as', as }] : capabilities,
  }))

/** UPDATEs of any mixture of fields, small enough for 4,096 octets; with `addPath` every route has a path identifier. */
export function updateMessage({ addPath = false }: { readonly addPath?: boolean } = {}): Arbitrary<UpdateMessage> {
  const base = fc
    .tuple(hostAddress, routes(IPV4_UNICAST, addPath, false))
    .map(([address, list]): Announcement => ({ family: IPV4_UNICAST, nextHop: { address }, nlri: list, multiprotocol: false }))
  const multiprotocol = typedFamily.chain((family) =>
    fc
      .tuple(nextHop(family), routes(family, addPath, false))
      .map(([nextHop, list]): Announcement => ({ family, nextHop, nlri: list, multiprotocol: true })),
  )
  const withdrawnBase = routes(IPV4_UNICAST, addPath, true).map((list): Withdrawal => ({
    family: IPV4_UNICAST,
    nlri: list,
    multiprotocol: false,
  }))
  const withdrawnMultiprotocol = typedFamily.chain((family) =>
    routes(family, addPath, true).map((list): Withdrawal => ({ family, nlri: list, multiprotocol: true })),
  )
  const none = fc.constant(undefined)
  return fc
    .tuple(
      fc.oneof(withdrawnBase, none),
      fc.oneof(withdrawnMultiprotocol, none),
      fc.oneof(multiprotocol, none),
      fc.oneof(base, none),
      pathAttributes,
      anyFamily,
    )
    .map(([withdrawnBase, withdrawnMultiprotocol, multiprotocol, base, attributes, family]): UpdateMessage => {
      const withdrawn = [withdrawnBase, withdrawnMultiprotocol].filter((group) => group !== undefined)
      const announced = [multiprotocol, base].filter((group) => group !== undefined)
      if (announced.length > 0) {
        const hop = base?.nextHop === undefined ? {} : { nextHop: base.nextHop.address }
        return { type: 'update', withdrawn, attributes: { ...attributes, ...hop }, announced }
      }
      if (withdrawn.length > 0) return { type: 'update', withdrawn, attributes: {}, announced }
      const mark = family.key === IPV4_UNICAST.key ? [] : [{ family, nlri: [], multiprotocol: true }]
      return { type: 'update', withdrawn: mark, attributes: {}, announced, endOfRib: family }
    })
}

function routes(family: Withdrawal['family'], addPath: boolean, withdraw: boolean): Arbitrary<Withdrawal['nlri']> {
  return fc.array(nlri(family, { addPath, withdraw }), { minLength: 1, maxLength: 8 })
}

/** NOTIFICATIONs; those of administrative shutdown and reset have a text. */
export const notificationMessage: Arbitrary<NotificationMessage> = fc.oneof(
  fc.record({
    type: fc.constant('notification' as const),
    code: fc.integer({ min: 1, max: 5 }),
    subcode: fc.nat(255),
    data: octets({ maxLength: 60 }),
  }),
  fc.tuple(fc.constantFrom(2, 4), fc.string({ maxLength: 60 })).map(([subcode, shutdown]): NotificationMessage => {
    const text = new TextEncoder().encode(shutdown)
    return { type: 'notification', code: 6, subcode, data: Uint8Array.of(text.length, ...text), shutdown }
  }),
)

/** The KEEPALIVE. */
export const keepaliveMessage: Arbitrary<KeepaliveMessage> = fc.constant({ type: 'keepalive' })

const addressPrefixFilter = (ipv6: boolean): Arbitrary<AddressPrefixFilter> =>
  fc.oneof(
    fc.constant<AddressPrefixFilter>({ action: 'remove-all' }),
    fc.record({
      action: fc.constantFrom('add' as const, 'remove' as const),
      match: fc.constantFrom('permit' as const, 'deny' as const),
      sequence: word,
      minLength: fc.nat(128),
      maxLength: fc.nat(128),
      prefix: ipv6 ? ipv6Prefix : ipv4Prefix,
    }),
  )

/** ROUTE-REFRESH of any family, with and without filters. */
export const routeRefreshMessage: Arbitrary<RouteRefreshMessage> = fc.oneof(
  fc.record({ type: fc.constant('route-refresh' as const), family: anyFamily, subtype: fc.constantFrom(0, 1, 2) }),
  fc.constantFrom(IPV4_UNICAST, IPV6_UNICAST).chain((family) =>
    fc.record({
      type: fc.constant('route-refresh' as const),
      family: fc.constant(family),
      subtype: fc.constant(0),
      orf: fc.record({
        when: fc.constantFrom('immediate' as const, 'defer' as const),
        filters: fc.array(
          fc.oneof(
            fc.record({
              kind: fc.constant('address-prefix' as const),
              entries: fc.array(addressPrefixFilter(family === IPV6_UNICAST), { maxLength: 3 }),
            }),
            fc.record({ kind: fc.constant('unknown' as const), type: fc.constantFrom(2, 128), entries: octets({ maxLength: 10 }) }),
          ),
          { maxLength: 3 },
        ),
      }),
    }),
  ),
)

/** Messages of every type in normal form: decoding what was encoded gives an equal value and no errors, as from an iBGP peer. */
export function bgpMessage(options: { readonly addPath?: boolean } = {}): Arbitrary<BgpMessage> {
  const one = <T extends BgpMessage>(weight: number, arbitrary: Arbitrary<T>): { weight: number; arbitrary: Arbitrary<BgpMessage> } => ({
    weight,
    arbitrary,
  })
  return fc.oneof(
    one(2, openMessage),
    one(5, updateMessage(options)),
    one(1, notificationMessage),
    one(1, keepaliveMessage),
    one(1, routeRefreshMessage),
  )
}
