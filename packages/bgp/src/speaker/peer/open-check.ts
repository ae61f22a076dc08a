import type { NotificationSummary } from '../../fsm/event.js'
import { NOTIFICATION, OPEN_ERROR } from '../../iana.js'
import type { OpenMessage } from '../../message/message.js'
import { rolesMatch } from '../../policy/roles.js'
import type { PeerConfig, SpeakerIdentity } from './peer-config.js'

/** What is wrong with a peer's OPEN beyond its form: AS and identifier (RFC 4271 §6.2, RFC 6286 §2.2), role (RFC 9234 §4.2). */
export function openFault(open: OpenMessage, config: PeerConfig, identity: SpeakerIdentity): NotificationSummary | undefined {
  if (open.as !== config.neighbor.as) return { code: NOTIFICATION.open, subcode: OPEN_ERROR.badPeerAs }
  if (config.relation === 'internal' && open.routerId.equals(identity.routerId)) {
    return { code: NOTIFICATION.open, subcode: OPEN_ERROR.badIdentifier }
  }
  return hasMatchingRole(open, config) ? undefined : { code: NOTIFICATION.open, subcode: OPEN_ERROR.roleMismatch }
}

function hasMatchingRole({ capabilities }: OpenMessage, { neighbor: { role, roleStrict = false } }: PeerConfig): boolean {
  if (role === undefined) return true
  const theirs = new Set(capabilities.flatMap((capability) => (capability.kind === 'role' ? [capability.role] : [])))
  if (theirs.size === 0) return !roleStrict
  return theirs.size === 1 && [...theirs].every((other) => rolesMatch(role, other))
}
