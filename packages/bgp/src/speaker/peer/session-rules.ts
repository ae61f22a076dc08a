import type { IpAddress } from '@heddle/wire'
import type { NegotiatedSession } from '../../capability/negotiated-session.js'
import type { ExportSignature } from '../../policy/export-rules.js'
import type { ImportRules } from '../../policy/import-rules.js'
import type { LocalOpenOptions } from '../../session/local-open.js'
import { isInternalCustomer } from './customer.js'
import type { PeerConfig, SpeakerIdentity } from './peer-config.js'

/**
 * What our OPEN to a peer says.
 *
 * @param state `restarting`: we have taken the place of a process and are not done yet; `preserved`: forwarding went on meanwhile, if it can
 */
export function openOptions(
  config: PeerConfig,
  identity: SpeakerIdentity,
  { restarting, preserved }: { readonly restarting: boolean; readonly preserved: boolean },
): LocalOpenOptions {
  const { neighbor, fsm, families, gracefulRestart } = config
  const options: LocalOpenOptions = {
    as: config.localAs,
    routerId: identity.routerId,
    holdTime: fsm.holdTime,
    families,
    ...(neighbor.role === undefined ? {} : { role: neighbor.role }),
    ...(neighbor.addPath === undefined ? {} : { addPath: neighbor.addPath }),
  }
  if (gracefulRestart === undefined) return options
  const { notification, restartTime, longLived, forwardingPreserved } = gracefulRestart
  const kept = families.map((family) => ({ family, forwardingPreserved: forwardingPreserved && preserved }))
  return { ...options, longLived, gracefulRestart: { restarting, notification, restartTime, families: kept } }
}

/** What is made of the paths of a session's peer. */
export function importRulesFor(config: PeerConfig, identity: SpeakerIdentity, validate: ImportRules['validate']): ImportRules {
  const { neighbor, relation, limits, importPolicy, confederation } = config
  return {
    self: {
      as: neighbor.vrf === undefined ? identity.as : config.localAs,
      routerId: identity.routerId.w0,
      clusterId: config.clusterId.w0,
      ...(confederation === undefined ? {} : { confederation }),
    },
    peer: config.name,
    peerAs: neighbor.as,
    peerType: relation === 'internal' ? 'ibgp' : 'ebgp',
    member: relation === 'member',
    allowAsIn: neighbor.allowAsIn ?? 0,
    enforceFirstAs: neighbor.enforceFirstAs ?? false,
    gracefulShutdown: neighbor.gracefulShutdown ?? false,
    ...(neighbor.role === undefined ? {} : { role: neighbor.role }),
    asPathLimit: limits.asPath,
    attributeLimit: limits.attributes,
    ...(importPolicy === undefined ? {} : { policy: importPolicy }),
    ...(validate === undefined ? {} : { validate }),
  }
}

/** Everything that what a session's peer is sent depends on. */
export function exportSignatureFor(
  config: PeerConfig,
  identity: SpeakerIdentity,
  negotiated: NegotiatedSession,
  localAddress: IpAddress,
): ExportSignature {
  const { neighbor, relation, exportPolicy } = config
  const external = relation === 'external'
  const { nextHop = 'auto' } = neighbor
  const isClient = isInternalCustomer(config) || (neighbor.routeReflectorClient ?? false)
  return {
    peerType: relation === 'internal' ? 'ibgp' : 'ebgp',
    client: isClient,
    localAs: config.localAs,
    routerId: identity.routerId,
    clusterId: config.clusterId,
    localAddress: localAddress.unmapped(),
    // the next hops of a VPN are within the provider's network
    nextHop: nextHop === 'auto' && isInternalCustomer(config) ? 'self' : nextHop,
    extendedNextHop: new Set(negotiated.extendedNextHop.map(({ family }) => family.key)),
    member: relation === 'member',
    ...(external && neighbor.asOverride === true ? { overrideAs: neighbor.as } : {}),
    ...(external && neighbor.privateAs !== undefined ? { privateAs: neighbor.privateAs } : {}),
    transparent: external && neighbor.routeServerClient === true,
    gracefulShutdown: neighbor.gracefulShutdown ?? false,
    ...(neighbor.role === undefined ? {} : { role: neighbor.role }),
    llgr: negotiated.longLivedGracefulRestart !== undefined,
    ...(neighbor.addPathLimit === undefined ? {} : { addPathLimit: neighbor.addPathLimit }),
    ...(exportPolicy === undefined ? {} : { policy: exportPolicy }),
  }
}
