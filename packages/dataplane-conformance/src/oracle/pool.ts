import type { DataplaneState, NatPoolObject } from '@heddle/core'
import type { Ip } from './ip.js'
import type { Ends, Memory, Translation } from './memory.js'
import { see, type Seen } from './seen.js'
import { endsOf, isSame, isUnclaimed, serveError, translated, turned, withDatagram, type Served } from './service.js'

const SCTP = 132

/** What a pool makes of a packet that a lookup takes from `vrf` into `outside`; what policies see of the packet stays as it was. */
export function hide(state: DataplaneState, memory: Memory, ip: Ip, vrf: number | undefined, outside: number): Served[] {
  const pool = (state.natPools ?? []).find((one) => one.vrf === vrf && one.outside === outside && one.address.family === ip.family)
  if (pool === undefined) return [{ ip, memory }]
  const seen = see(ip)
  const zone = `pool ${pool.id}`
  const flows = memory.translations.filter(({ by, id }) => by === 'pool' && id === pool.id)
  if (seen.kind === 'error') return hideError(memory, ip, seen, pool, flows)
  const asBefore = (packet: Ip): Ip => ({ ...packet, seen: ip.seen ?? seen })
  if (seen.kind === 'later fragment') {
    const known = memory.datagrams.find((one) => one.zone === zone && one.datagram === seen.datagram)
    return known === undefined ? [{ reason: 'fragment' }] : [{ ip: asBefore(translated(ip, seen, known.translation, false)), memory }]
  }
  if (seen.kind !== 'flow' || seen.sourcePort === undefined) return [{ reason: 'nat-exhausted' }]
  const from = endsOf(seen)
  const known = flows.find((flow) => flow.protocol === seen.protocol && isSame(flow.from, from))
  const through = (flow: Translation, after: Memory): Served => ({
    ip: asBefore(translated(ip, seen, flow, false)),
    memory: withDatagram(after, zone, seen, flow, false),
  })
  if (known !== undefined) return [through(known, memory)]
  const free = portsFor(pool, memory, seen, from)
  if (free.length === 0) return [{ reason: 'nat-exhausted' }]
  return free.map((to) => {
    const flow: Translation = { by: 'pool', id: pool.id, vrf: pool.vrf, backVrf: outside, protocol: seen.protocol, from, to }
    return through(flow, memory.with({ translations: [...memory.translations, flow] }))
  })
}

/** Ends that a new flow may get: with its own port where it can, with any that is free otherwise. */
function portsFor(pool: NatPoolObject, memory: Memory, seen: Seen, from: Ends): Ends[] {
  const { first, last } = pool.ports
  const isEcho = seen.type !== undefined
  const withPort = (port: number): Ends => ({
    ...from,
    source: pool.address,
    sourcePort: port,
    destinationPort: isEcho ? port : from.destinationPort,
  })
  const isFree = (to: Ends): boolean => isUnclaimed(memory, pool.outside, seen.protocol, to)
  const own = withPort(from.sourcePort)
  if (first <= from.sourcePort && from.sourcePort <= last && isFree(own)) return [own]
  if (seen.protocol === SCTP) return []
  return Array.from({ length: last - first + 1 }, (_, index) => withPort(first + index)).filter(isFree)
}

/**
 * An error from the private realm. About a packet of a flow that is mapped it goes on, from the NAT's own public address whoever inside it is from; about
 * anything else it is dropped (RFC 5508 REQ-5).
 */
function hideError(memory: Memory, ip: Ip, seen: Seen, { address }: NatPoolObject, flows: readonly Translation[]): Served[] {
  const findQuoted = (quoted: Seen) => {
    const flow = flows.find((one) => one.protocol === quoted.protocol && isSame(one.from, turned(endsOf(quoted))))
    return flow === undefined ? undefined : ([flow, false] as const)
  }
  if (seen.quoted === undefined || findQuoted(seen.quoted) === undefined) return [{ reason: 'nat-exhausted' }]
  return serveError(memory, ip, seen, findQuoted, address)
}
