import { CAPABILITY } from '../iana.js'
import type { CapabilityCodec, CapabilityOf } from './capability-codec.js'
import type { BgpRole } from './capability.js'

const ROLES: readonly BgpRole[] = ['provider', 'route-server', 'route-server-client', 'customer', 'peer']

/** BGP role (RFC 9234 §4.1): one octet, 0–4. */
export const roleCapability: CapabilityCodec<CapabilityOf<'role'>> = Object.freeze<CapabilityCodec<CapabilityOf<'role'>>>({
  code: CAPABILITY.role,
  kind: 'role',
  rfc: 'RFC 9234 §4.1',
  decode(input) {
    return { kind: 'role', role: ROLES[input.u8()] ?? input.fail('bgp.capability.role', this.rfc) }
  },
  encode({ role }, out) {
    out.u8(ROLES.indexOf(role))
  },
})
