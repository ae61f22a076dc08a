import type { EvpnNlri } from './evpn.js'
import type { LabeledUnicastNlri } from './labeled-unicast.js'
import type { RawNlri } from './raw.js'
import type { RouteTargetMembershipNlri } from './route-target-membership.js'
import type { UnicastNlri } from './unicast.js'
import type { VpnNlri } from './vpn.js'

/** Network layer reachability information of any family, as a value. */
export type Nlri = UnicastNlri | LabeledUnicastNlri | VpnNlri | RouteTargetMembershipNlri | EvpnNlri | RawNlri
