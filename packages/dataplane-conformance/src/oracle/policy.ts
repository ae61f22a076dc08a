import type { DataplaneState, DropReason, PolicyRule, PortObject } from '@heddle/core'
import type { IpPrefix } from '@heddle/wire'
import type { Ip } from './ip.js'
import type { Flow, Memory } from './memory.js'
import { see, type Seen } from './seen.js'

/** Why a packet is dropped, if it is, and what is remembered then. */
export interface Judgement {
  readonly reason?: DropReason
  readonly memory: Memory
}

/** Judges a packet that leaves the endpoint of `port`, or is to be delivered to it; what is allowed is remembered. */
export function judgePacket(state: DataplaneState, memory: Memory, port: PortObject, ip: Ip, isOut: boolean): Judgement {
  const policies = (state.policies ?? []).filter((policy) => policy.port === port.id)
  if (policies.length === 0) return { memory }
  const seen = ip.seen ?? see(ip)
  if (seen.kind === 'broken') return { memory, reason: 'fragment' }
  const fragment = { port: port.id, name: `${isOut ? 'out' : 'in'} ${seen.datagram}` }
  const isKnown = memory.fragments.some(({ port: of, name }) => of === fragment.port && name === fragment.name)
  if (seen.kind === 'later fragment') return isKnown ? { memory } : { memory, reason: 'fragment' }

  let { flows } = memory
  const allows = (packet: Seen, out: boolean): boolean => {
    const policy = policies.find(({ direction }) => direction === (out ? 'egress' : 'ingress'))
    if (policy === undefined) return true
    const rule = policy.rules.find((one) => fits(one, packet, out))
    return (rule?.verdict ?? policy.defaultVerdict) === 'allow'
  }
  const knownFlow = (packet: Seen): Flow | undefined => {
    const flow = flows.find((one) => one.port === port.id && isSameFlow(one.opener, packet))
    if (flow === undefined || allows(flow.opener, flow.isOut)) return flow
    flows = flows.filter((one) => one !== flow)
    return undefined
  }

  if (seen.quoted !== undefined && knownFlow(seen.quoted) !== undefined) return { memory }
  if (seen.kind !== 'flow' || knownFlow(seen) === undefined) {
    if (!allows(seen, isOut)) return { memory: memory.with({ flows }), reason: 'policy' }
    const isFull = flows.filter((flow) => flow.port === port.id).length >= (port.maxFlows ?? Number.POSITIVE_INFINITY)
    if (seen.kind === 'flow' && isFull) return { memory: memory.with({ flows }), reason: 'flow-limit' }
    if (seen.kind === 'flow') flows = [...flows, { port: port.id, opener: seen, isOut }]
  }
  const fragments = seen.datagram !== undefined && !isKnown ? [...memory.fragments, fragment] : memory.fragments
  return { memory: memory.with({ flows, fragments }) }
}

function isSameFlow(a: Seen, b: Seen): boolean {
  if (a.family !== b.family || a.protocol !== b.protocol) return false
  const end = (address: unknown, port = 0): string => `${String(address)} ${port}`
  const ends = ({ source, sourcePort, destination, destinationPort }: Seen): string =>
    [end(source, sourcePort), end(destination, destinationPort)].toSorted().join()
  return ends(a) === ends(b)
}

function fits({ protocol, peers, locals, ports, sourcePorts, icmpTypes }: PolicyRule, seen: Seen, isOut: boolean): boolean {
  const [peer, local] = isOut ? [seen.destination, seen.source] : [seen.source, seen.destination]
  const covers = (prefixes: readonly IpPrefix[] | undefined, address: typeof peer): boolean =>
    prefixes === undefined || prefixes.some((prefix) => prefix.contains(address))
  const within = (ranges: PolicyRule['ports'], port: number | undefined): boolean =>
    ranges === undefined ||
    (port !== undefined && seen.type === undefined && ranges.some(({ first, last }) => first <= port && port <= last))
  return (
    (protocol === undefined || protocol === seen.protocol) &&
    covers(peers, peer) &&
    covers(locals, local) &&
    within(ports, seen.destinationPort) &&
    within(sourcePorts, seen.sourcePort) &&
    (icmpTypes === undefined || icmpTypes.some(({ type, code }) => type === seen.type && (code === undefined || code === seen.code)))
  )
}
