import type { OpenMessage } from '../message/message.js'
import { IPV4_UNICAST, type Family } from '../nlri/family.js'
import type { Capability } from './capability.js'
import type { NegotiatedSession } from './negotiated-session.js'

/**
 * What the session may use, given our OPEN and the peer's: a pure function of both, so that the two ends agree.
 *
 * @param local the OPEN that we sent
 * @param remote the OPEN that we received
 */
export function negotiate(local: OpenMessage, remote: OpenMessage): NegotiatedSession {
  const families = common(familiesOf(local), familiesOf(remote))
  const keys = new Set(families.map(({ key }) => key))
  const gracefulRestart = negotiateGracefulRestart(local, remote, keys)
  const llgr = all(remote, 'long-lived-graceful-restart').flatMap((capability) => capability.families)
  const bothLlgr = gracefulRestart !== undefined && has(local, 'long-lived-graceful-restart') && has(remote, 'long-lived-graceful-restart')
  const remoteRole = all(remote, 'role')[0]?.role
  return {
    remoteAs: remote.as,
    remoteRouterId: remote.routerId,
    peerType: local.as === remote.as ? 'ibgp' : 'ebgp',
    asn4: both(local, remote, 'four-octet-as'),
    families,
    addPath: {
      send: addPathKeys(local, remote, keys),
      receive: addPathKeys(remote, local, keys),
    },
    extendedMessage: both(local, remote, 'extended-message'),
    extendedNextHop: all(local, 'extended-next-hop')
      .flatMap(({ entries }) => entries)
      .filter(({ family, nextHopAfi }) =>
        all(remote, 'extended-next-hop').some(({ entries }) =>
          entries.some((other) => other.family.key === family.key && other.nextHopAfi === nextHopAfi),
        ),
      ),
    routeRefresh: both(local, remote, 'route-refresh'),
    enhancedRouteRefresh: both(local, remote, 'enhanced-route-refresh'),
    ...(gracefulRestart === undefined ? {} : { gracefulRestart }),
    ...(bothLlgr ? { longLivedGracefulRestart: llgr.filter(({ family }) => keys.has(family.key)) } : {}),
    ...(remoteRole === undefined ? {} : { remoteRole }),
    holdTime: Math.min(local.holdTime, remote.holdTime),
  }
}

function all<K extends Capability['kind']>({ capabilities }: OpenMessage, kind: K): Extract<Capability, { kind: K }>[] {
  return capabilities.filter((capability): capability is Extract<Capability, { kind: K }> => capability.kind === kind)
}

function has(open: OpenMessage, kind: Capability['kind']): boolean {
  return open.capabilities.some((capability) => capability.kind === kind)
}

function both(local: OpenMessage, remote: OpenMessage, kind: Capability['kind']): boolean {
  return has(local, kind) && has(remote, kind)
}

/** A speaker that announces no family means IPv4 unicast (RFC 4760 §8). */
function familiesOf(open: OpenMessage): Family[] {
  const families = all(open, 'multiprotocol').map(({ family }) => family)
  return families.length === 0 ? [IPV4_UNICAST] : families
}

/** Families of both, in our order, each once. */
function common(local: readonly Family[], remote: readonly Family[]): Family[] {
  const theirs = new Set(remote.map(({ key }) => key))
  const out = new Map<number, Family>()
  for (const family of local) if (theirs.has(family.key)) out.set(family.key, family)
  return [...out.values()]
}

/** Families in which `sender` may send path identifiers and `receiver` reads them (RFC 7911 §4); the last entry of a family counts. */
function addPathKeys(sender: OpenMessage, receiver: OpenMessage, keys: ReadonlySet<number>): ReadonlySet<number> {
  const can = (open: OpenMessage, not: 'receive' | 'send'): Map<number, boolean> =>
    new Map(all(open, 'add-path').flatMap(({ families }) => families.map(({ family, direction }) => [family.key, direction !== not])))
  const sends = can(sender, 'receive')
  const receives = can(receiver, 'send')
  return new Set([...keys].filter((key) => sends.get(key) === true && receives.get(key) === true))
}

function negotiateGracefulRestart(
  local: OpenMessage,
  remote: OpenMessage,
  keys: ReadonlySet<number>,
): NonNullable<NegotiatedSession['gracefulRestart']> | undefined {
  const ours = all(local, 'graceful-restart').at(-1) // the last instance counts (RFC 4724 §3)
  const theirs = all(remote, 'graceful-restart').at(-1)
  if (ours === undefined || theirs === undefined) return undefined
  return {
    restarting: theirs.restarting,
    notification: ours.notification && theirs.notification,
    restartTime: theirs.restartTime,
    families: theirs.families.filter(({ family }) => keys.has(family.key)),
  }
}
