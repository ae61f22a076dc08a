import fc, { type Arbitrary } from 'fast-check'
import type { BgpRole, Capability } from '../capability/capability.js'
import { CAPABILITY } from '../iana.js'
import { familyOf, type Family } from '../nlri/family.js'
import { typedFamily } from './nlri.js'
import { octets } from './values.js'

/** Families with and without a name. */
export const anyFamily: Arbitrary<Family> = fc.oneof(
  typedFamily,
  fc.tuple(fc.nat(0xffff), fc.nat(0xff)).map(([afi, safi]) => familyOf(afi, safi)),
)

const KNOWN: ReadonlySet<number> = new Set(Object.values(CAPABILITY))
const text = fc.string({ maxLength: 20 })
const constant = <K extends Capability['kind']>(kind: K): Arbitrary<K> => fc.constant(kind)

/** Capabilities in normal form, all kinds but the four-octet AS number, which belongs to the OPEN's own. */
export const capability: Arbitrary<Capability> = fc.oneof<Arbitrary<Capability>[]>(
  fc.record({ kind: constant('multiprotocol'), family: anyFamily }),
  fc.record({ kind: constant('route-refresh') }),
  fc.record({ kind: constant('enhanced-route-refresh') }),
  fc.record({ kind: constant('extended-message') }),
  fc.record({
    kind: constant('extended-next-hop'),
    entries: fc.array(fc.record({ family: anyFamily, nextHopAfi: fc.constantFrom(1, 2) }), { maxLength: 3 }),
  }),
  fc.record({
    kind: constant('graceful-restart'),
    restarting: fc.boolean(),
    notification: fc.boolean(),
    restartTime: fc.nat(4095),
    families: fc.array(fc.record({ family: anyFamily, forwardingPreserved: fc.boolean() }), { maxLength: 4 }),
  }),
  fc.record({
    kind: constant('add-path'),
    families: fc.array(fc.record({ family: anyFamily, direction: fc.constantFrom('receive', 'send', 'both') }), { maxLength: 4 }),
  }),
  fc.record({
    kind: constant('long-lived-graceful-restart'),
    families: fc.array(fc.record({ family: anyFamily, forwardingPreserved: fc.boolean(), staleTime: fc.nat(0xff_ffff) }), { maxLength: 4 }),
  }),
  fc.record({ kind: constant('fqdn'), hostname: text, domain: text }),
  fc.record({
    kind: constant('role'),
    role: fc.constantFrom<BgpRole>('provider', 'route-server', 'route-server-client', 'customer', 'peer'),
  }),
  fc.record({ kind: constant('software-version'), version: text }),
  fc.record({ kind: constant('dynamic'), codes: fc.array(fc.nat(255), { maxLength: 5 }) }),
  fc.record({
    kind: constant('outbound-route-filtering'),
    entries: fc.array(
      fc.record({
        family: anyFamily,
        filters: fc.array(fc.record({ type: fc.nat(255), sendReceive: fc.constantFrom(1, 2, 3) }), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  }),
  fc.record({ kind: constant('unknown'), code: fc.nat(255).filter((code) => !KNOWN.has(code)), value: octets({ maxLength: 40 }) }),
)
