import type { PolicyObject } from '@heddle/core'
import { REASON, type Context } from '../context.js'
import { NO_FLOW, type FlowTable } from '../flow/flow-table.js'
import { CLOSING, FRAGMENTS, REPLIED, lifetimeOf, nextState } from '../flow/lifetime.js'
import { Tuple, TupleKind, readQuoted, turn } from '../flow/tuple.js'
import { mirrorJudged } from '../mirror/mirror-packet.js'
import type { Port } from '../tables.js'
import { judge, type Judgement } from './policy-rules.js'

/** What `passPolicy` returns for a packet that may go on; everything else is a slot in `DROP_REASONS`. */
export const PASSED = -1

/** Bits of a flow's state, above those of its age: the lower end opened it; it was opened from the endpoint. */
const OPENED_BY_LOWER = 4
const OPENED_OUT = 8

/*
 * Data of a flow:
 *
 *     version of the policy that judged │ kind, and ICMP type and code, of the packet that opened it │ mirror of the rule that judged, plus one
 */
const VERSION = 0
const KIND = 1
const ICMP = 2
const MIRROR = 3

/** Zones of the table of fragments: a port, and the direction. */
const zoneOf = (port: number, isOut: boolean): number => port * 2 + (isOut ? 1 : 0)

const opener = new Tuple()
const opening = new Uint32Array(4)
const judgement: Judgement = { allowed: false, rule: -1, mirror: 0 }

/**
 * Step 5 for the packet in hand at a port that has a policy: passes what belongs to a flow that was allowed, judges the first packet of any other, and
 * remembers a flow that is allowed.
 *
 * @param isOut whether the packet leaves the endpoint
 * @returns `PASSED` or the slot of a drop reason
 */
export function passPolicy(context: Context, port: Port, isOut: boolean): number {
  const { tuple, packet, trace, tables, clock } = context
  const { flows, fragments } = tables.policyFlows
  const { policy } = port
  if (policy === undefined) return PASSED
  if (!context.hasTuple) {
    tuple.read(packet.bytes, packet.view, packet.offset, packet.offset + packet.length)
    context.hasTuple = true
  }
  const now = clock?.now() ?? 0

  if (tuple.kind === TupleKind.broken) {
    trace?.step('policy', 'the headers that rules look at are not all there')
    return REASON.fragment
  }
  if (tuple.kind === TupleKind.laterFragment) {
    fragments.keyDatagram(zoneOf(port.object.id, isOut), tuple)
    const first = fragments.find(now)
    const isKnown = first !== NO_FLOW
    if (isKnown) mirrorTo(context, port, isOut, fragments.data[first * fragments.dataWords])
    trace?.step('policy', isKnown ? 'the fragment follows its first one' : 'the first fragment was not let through')
    return isKnown ? PASSED : REASON.fragment
  }

  if (tuple.kind === TupleKind.error && isRelated(context, port, isOut, now)) {
    trace?.step('policy', 'an ICMP error about a flow that was allowed')
    return PASSED
  }
  // Errors, and ICMP that is no echo, have no flow of their own: they are judged one by one.
  const isTracked = tuple.kind === TupleKind.flow || tuple.icmpType < 0
  const isFromLower = flows.keySymmetric(port.object.id, tuple)
  let slot = isTracked ? flows.find(now) : NO_FLOW
  if (slot !== NO_FLOW && !isStillAllowed(flows, slot, port)) {
    if (context.learns && flows.isCurrent(slot)) flows.remove(slot)
    slot = NO_FLOW
  }
  if (slot === NO_FLOW) {
    decide(isOut ? policy.egress : policy.ingress, tuple)
    trace?.step('policy', judgementText(nameOf(port, isOut), isOut ? policy.egress : policy.ingress))
    const { mirror } = judgement
    mirrorTo(context, port, isOut, mirror)
    if (!judgement.allowed) return REASON.policy
    if (isTracked && context.learns) {
      const { id, maxFlows = Number.POSITIVE_INFINITY } = port.object
      // Where it may open none nobody else may open some, and take away what has ended.
      if (flows.owned(id) * 2 > maxFlows) flows.sweep(now, id)
      if (flows.owned(id) >= maxFlows) return REASON['flow-limit']
      opening[VERSION] = policy.version
      opening[KIND] = tuple.kind
      opening[ICMP] = icmpOf(tuple)
      opening[MIRROR] = mirror
      slot = flows.insert(now, 0, port.object.id, (isFromLower ? OPENED_BY_LOWER : 0) | (isOut ? OPENED_OUT : 0), opening)
    }
  } else {
    trace?.step('policy', `${nameOf(port, isOut)}: the flow was allowed`)
    mirrorTo(context, port, isOut, flows.data[slot * flows.dataWords + MIRROR])
  }
  if (slot !== NO_FLOW && context.learns) age(flows, slot, tuple, isFromLower, now)
  if (tuple.isFragment && context.learns) {
    const mirror = slot === NO_FLOW ? judgement.mirror : flows.data[slot * flows.dataWords + MIRROR]
    rememberDatagram(fragments, zoneOf(port.object.id, isOut), tuple, now, mirror)
  }
  return PASSED
}

/** @param mirror its id plus one; 0: none */
function mirrorTo(context: Context, port: Port, isOut: boolean, mirror: number): void {
  if (mirror > 0) mirrorJudged(context, port, isOut, mirror - 1)
}

/** Whether the packet that an error quotes belongs to a flow that was allowed, and still is. */
function isRelated(context: Context, port: Port, isOut: boolean, now: number): boolean {
  const { packet, tuple, quoted, hasQuoted, tables, learns } = context
  const { policyFlows } = tables
  const { flows } = policyFlows
  if (!hasQuoted && !readQuoted(tuple, quoted, packet.bytes, packet.view, packet.offset + packet.length)) return false
  flows.keySymmetric(port.object.id, quoted)
  const slot = flows.find(now)
  if (slot === NO_FLOW) return false
  if (isStillAllowed(flows, slot, port)) {
    mirrorTo(context, port, isOut, flows.data[slot * flows.dataWords + MIRROR])
    return true
  }
  if (learns && flows.isCurrent(slot)) flows.remove(slot)
  return false
}

/** A flow that was judged by an earlier policy is judged by today's, as its first packet would be. */
function isStillAllowed(flows: FlowTable, slot: number, { policy }: Port): boolean {
  const at = slot * flows.dataWords
  if (policy === undefined || flows.data[at + VERSION] === policy.version) return true
  const state = flows.stateOf(slot)
  flows.readKey(slot, opener)
  if ((state & OPENED_BY_LOWER) === 0) turn(opener)
  opener.kind = flows.data[at + KIND]
  opener.icmpType = (flows.data[at + ICMP] & 0xffff) - 1
  opener.icmpCode = (flows.data[at + ICMP] >>> 16) - 1
  // Another thread gave the slot to another flow meanwhile: the packet is judged as the first of its own.
  if (!flows.isCurrent(slot)) return false
  decide((state & OPENED_OUT) === 0 ? policy.ingress : policy.egress, opener)
  if (judgement.allowed) {
    flows.data[at + VERSION] = policy.version
    flows.data[at + MIRROR] = judgement.mirror
  }
  return judgement.allowed
}

function age(flows: FlowTable, slot: number, tuple: Tuple, isFromLower: boolean, now: number): void {
  const state = flows.stateOf(slot)
  const isOpener = isFromLower === ((state & OPENED_BY_LOWER) !== 0)
  const after = nextState(state, tuple, !isOpener)
  if (after !== state) flows.mark(slot, after, state & ~after)
  flows.touch(slot, now, lifetimeOf(after & (REPLIED | CLOSING), tuple))
}

function icmpOf({ icmpType, icmpCode }: Tuple): number {
  return (icmpType + 1) | ((icmpCode + 1) << 16)
}

function rememberDatagram(fragments: FlowTable, zone: number, tuple: Tuple, now: number, mirror: number): void {
  fragments.keyDatagram(zone, tuple)
  let slot = fragments.find(now)
  if (slot === NO_FLOW) slot = fragments.insert(now, FRAGMENTS, zone)
  else fragments.touch(slot, now, FRAGMENTS)
  fragments.data[slot * fragments.dataWords] = mirror
}

function decide(policy: PolicyObject | undefined, tuple: Tuple): void {
  judgement.allowed = true
  judgement.rule = -1
  judgement.mirror = 0
  if (policy !== undefined) judge(policy, tuple, judgement)
}

function nameOf({ object }: Port, isOut: boolean): string {
  return `${isOut ? 'egress' : 'ingress'} policy of port ${object.id}`
}

function judgementText(name: string, policy: PolicyObject | undefined): string {
  if (policy === undefined) return `no ${name}`
  const by = judgement.rule < 0 ? 'the default' : `rule ${judgement.rule}`
  return `${name} (${policy.id}): ${by} says ${judgement.allowed ? 'allow' : 'deny'}`
}
