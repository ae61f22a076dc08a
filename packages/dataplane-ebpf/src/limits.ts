import type { ApplyFailure, DataplaneLimits, FibTransaction, ObjectChanges, ObjectKind } from '@heddle/core'
import { nameOctets } from './layout/objects.js'
import { atomsOf } from './layout/policy.js'
import { MAX_LABELS, MAX_MEMBERS } from './layout/structs/next-hop.js'
import { MAX_ALLOWED_SOURCES, MAX_GATEWAYS, MAX_NAME } from './layout/structs/objects.js'
import { MAX_TRACE_ENDS, MAX_TRACES } from './layout/structs/observe.js'
import { MAX_ATOMS } from './layout/structs/policy.js'
import { MAX_BACKENDS } from './layout/structs/service.js'
import { endsOf } from './layout/trace.js'
import { fitsMirror } from './observe/mirror-text.js'
import { SPARE_VERSIONS } from './tables/versioned-map.js'

/** `MOST_OBJECTS` of `bpf/maps.h`. */
const MOST_OBJECTS = 131_072 - SPARE_VERSIONS
/** Ports that a mirror can always have: its text has room for some more, if their numbers are short. */
const MIRROR_PORTS = 80

/**
 * Most objects of a kind.
 *
 * @param routes rows of the map of routes @param flows of the map of flows @param ports of the map of ports @param policies of the map of policies
 */
export function limitsOf(routes: number, flows: number, ports: number, policies: number): DataplaneLimits {
  return {
    vrfs: 16_384,
    ports,
    nextHops: MOST_OBJECTS,
    groups: MOST_OBJECTS,
    groupMembers: MAX_MEMBERS,
    labels: MOST_OBJECTS,
    vnis: 16_384,
    routes,
    labelStackDepth: MAX_LABELS,
    policies,
    policyRules: 1024,
    services: 8192,
    serviceBackends: MAX_BACKENDS,
    natPools: 16_384,
    flows,
    mirrors: 1024,
    traces: MAX_TRACES,
    liveness: 4096,
  }
}

/** What the values of the maps have no room for, and the contract has no limit of. */
export function checkRoom({ vrfs, ports, policies, mirrors, traces }: FibTransaction): ApplyFailure[] {
  const failures: ApplyFailure[] = []
  const check = (kind: ObjectKind, key: number, what: string, found: number, most: number): void => {
    if (found <= most) return
    failures.push({ object: { kind, key: String(key) }, code: 'dataplane.limit', message: `${found} ${what}: ${most} at most` })
  }
  for (const vrf of vrfs.set) check('vrf', vrf.id, 'octets of name', nameOctets(vrf), MAX_NAME)
  for (const policy of policies?.set ?? []) check('policy', policy.id, 'rules and alternatives', atomsOf(policy), MAX_ATOMS)
  for (const mirror of mirrors?.set ?? []) if (!fitsMirror(mirror)) check('mirror', mirror.id, 'ports', mirror.ports.length, MIRROR_PORTS)
  for (const trace of traces?.set ?? []) check('trace', trace.id, 'ends', endsOf(trace), MAX_TRACE_ENDS)
  for (const { id, allowedSources, gateways } of ports.set) {
    check('port', id, 'allowed sources', allowedSources.length, MAX_ALLOWED_SOURCES)
    check('port', id, 'gateways', gateways.length, MAX_GATEWAYS)
  }
  return failures
}

/** What is left of a transaction without objects that it sets: they stay as they are. @param failures that name them */
export function withoutRefused(transaction: FibTransaction, failures: readonly ApplyFailure[]): FibTransaction {
  if (failures.length === 0) return transaction
  const names = new Set(failures.map(({ object }) => `${object.kind} ${object.key}`))
  const rest = <T extends { readonly id: number }>(kind: ObjectKind, { set, remove }: ObjectChanges<T>): ObjectChanges<T> => {
    const isLeft = (id: number): boolean => !names.has(`${kind} ${id}`)
    return { set: set.filter(({ id }) => isLeft(id)), remove: remove.filter(isLeft) }
  }
  const { vrfs, ports, policies, mirrors, traces } = transaction
  return {
    ...transaction,
    vrfs: rest('vrf', vrfs),
    ports: rest('port', ports),
    ...(policies !== undefined && { policies: rest('policy', policies) }),
    ...(mirrors !== undefined && { mirrors: rest('mirror', mirrors) }),
    ...(traces !== undefined && { traces: rest('trace', traces) }),
  }
}
