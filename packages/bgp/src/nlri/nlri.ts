import type { LinkStateNlri } from './bgp-ls.js'
import type { EvpnNlri } from './evpn.js'
import type { FlowspecNlri } from './flowspec.js'
import type { LabeledUnicastNlri } from './labeled-unicast.js'
import type { MupNlri } from './mup.js'
import type { MvpnNlri } from './mvpn.js'
import type { RawNlri } from './raw.js'
import type { RouteTargetMembershipNlri } from './route-target-membership.js'
import type { SrPolicyNlri } from './sr-policy.js'
import type { UnicastNlri } from './unicast.js'
import type { VplsNlri } from './vpls.js'
import type { VpnNlri } from './vpn.js'

/** Network layer reachability information of any family, as a value. */
export type Nlri =
  | UnicastNlri
  | LabeledUnicastNlri
  | VpnNlri
  | RouteTargetMembershipNlri
  | EvpnNlri
  | FlowspecNlri
  | SrPolicyNlri
  | VplsNlri
  | MvpnNlri
  | MupNlri
  | LinkStateNlri
  | RawNlri
