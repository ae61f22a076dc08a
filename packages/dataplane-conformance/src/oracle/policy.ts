import type { DataplaneState, DropReason, PolicyRule, PortObject } from '@heddle/core'
import type { IpPrefix } from '@heddle/wire'
import type { Ip } from './ip.js'
import type { Flow, Memory } from './memory.js'
import { see, type Seen } from './seen.js'

/**
 * Judges a packet that leaves the endpoint of `port`, or is to be delivered to it, and remembers what is allowed.
 *
 * @returns why it is dropped, if it is
 */
export function judgePacket(state: DataplaneState, memory: Memory, port: PortObject, ip: Ip, isOut: boolean): DropReason | undefined {
  const policies = (state.policies ?? []).filter((policy) => policy.port === port.id)
  if (policies.length === 0) return undefined
  const seen = ip.seen ?? see(ip)
  if (seen.kind === 'broken') return 'fragment'
  const fragment = { port: port.id, name: `${isOut ? 'out' : 'in'} ${seen.datagram}` }
  const isKnown = memory.fragments.some(({ port: of, name }) => of === fragment.port && name === fragment.name)
  if (seen.kind === 'later fragment') return isKnown ? undefined : 'fragment'

  const allows = (packet: Seen, out: boolean): boolean => {
    const policy = policies.find(({ direction }) => direction === (out ? 'egress' : 'ingress'))
    if (policy === undefined) return true
    const rule = policy.rules.find((one) => fits(one, packet, out))
    return (rule?.verdict ?? policy.defaultVerdict) === 'allow'
  }
  const knownFlow = (packet: Seen): Flow | undefined => {
    const flow = memory.flows.find((one) => one.port === port.id && isSameFlow(one.opener, packet))
    if (flow === undefined || allows(flow.opener, flow.isOut)) return flow
    memory.flows = memory.flows.filter((one) => one !== flow)
    return undefined
  }

  if (seen.quoted !== undefined && knownFlow(seen.quoted) !== undefined) return undefined
  if (seen.kind !== 'flow' || knownFlow(seen) === undefined) {
    if (!allows(seen, isOut)) return 'policy'
    const count = memory.flows.filter((flow) => flow.port === port.id).length
    if (seen.kind === 'flow' && count >= (port.maxFlows ?? Number.POSITIVE_INFINITY)) return 'flow-limit'
    if (seen.kind === 'flow') memory.flows = [...memory.flows, { port: port.id, opener: seen, isOut }]
  }
  if (seen.datagram !== undefined && !isKnown) memory.fragments = [...memory.fragments, fragment]
  return undefined
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
