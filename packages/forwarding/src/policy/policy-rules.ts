import type { NumberRange, PolicyObject, PolicyRule } from '@heddle/core'
import type { IpPrefix } from '@heddle/wire'
import { TupleKind, type Tuple } from '../flow/tuple.js'
import { covers } from '../source-set.js'

/** What rules say of a flow: the index of the one that fitted is in `rule`. */
export interface Judgement {
  allowed: boolean
  /** −1: none fitted, the default counts. */
  rule: number
  /** That the rule names, plus one; 0: none. */
  mirror: number
}

/** Judges the first packet of a flow, as the policy's direction sees it. */
export function judge({ rules, defaultVerdict, direction }: PolicyObject, tuple: Tuple, into: Judgement): void {
  const [peer, local] = direction === 'egress' ? [tuple.destination, tuple.source] : [tuple.source, tuple.destination]
  for (let index = 0; index < rules.length; index++) {
    if (!fits(rules[index], tuple, peer, local)) continue
    into.allowed = rules[index].verdict === 'allow'
    into.rule = index
    into.mirror = (rules[index].mirror ?? -1) + 1
    return
  }
  into.allowed = defaultVerdict === 'allow'
  into.rule = -1
  into.mirror = 0
}

function fits(
  { peers, locals, protocol, ports, sourcePorts, icmpTypes }: PolicyRule,
  tuple: Tuple,
  peer: Uint32Array,
  local: Uint32Array,
): boolean {
  if (protocol !== undefined && protocol !== tuple.protocol) return false
  if (peers !== undefined && !isIn(peers, tuple.family, peer)) return false
  if (locals !== undefined && !isIn(locals, tuple.family, local)) return false
  if (ports !== undefined && !(hasPorts(tuple) && isWithin(ports, tuple.destinationPort))) return false
  if (sourcePorts !== undefined && !(hasPorts(tuple) && isWithin(sourcePorts, tuple.sourcePort))) return false
  if (icmpTypes === undefined) return true
  for (const { type, code } of icmpTypes) if (type === tuple.icmpType && (code === undefined || code === tuple.icmpCode)) return true
  return false
}

function hasPorts({ kind, icmpType }: Tuple): boolean {
  return kind === TupleKind.flow && icmpType < 0
}

function isIn(prefixes: readonly IpPrefix[], family: 4 | 6, address: Uint32Array): boolean {
  for (const prefix of prefixes) if (covers(prefix, family, address[0], address[1], address[2], address[3])) return true
  return false
}

function isWithin(ranges: readonly NumberRange[], value: number): boolean {
  for (const { first, last } of ranges) if (value >= first && value <= last) return true
  return false
}
