import { SERVICE_PROTOCOLS, type DataplaneState, type DropReason, type ServiceBackend, type ServiceObject } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { onesComplementSum, withTtl, type Ip } from './ip.js'
import type { Ends, Memory, Translation } from './memory.js'
import { see, transportOffset, type Seen } from './seen.js'

/** What may come of a packet at step 4, and what is remembered then. */
export type Served = { readonly reason: DropReason } | { readonly ip: Ip; readonly memory: Memory; readonly inside?: number }

/** A translation, and whether a packet is a reply to it. */
export type Found = readonly [translation: Translation, isReply: boolean]

/** What a choice is made from, and what is known of it. */
export interface Choosing {
  readonly state: DataplaneState
  /** Source ports of what came out: a free choice that shows was one of them. None when left out. */
  readonly sourcePorts?: readonly number[]
}

/** Translates a packet that has addresses of `vrf`; a new flow may go to any backend that takes it. */
export function serve({ state, sourcePorts = [] }: Choosing, memory: Memory, ip: Ip, vrf: number | undefined): Served[] {
  const services = (state.services ?? []).filter((service) => service.vrf === vrf)
  const seen = see(ip)
  const isVirtual = services.some(({ address }) => address.equals(ip.destination))
  if (vrf === undefined || seen.kind === 'message') return [{ ip, memory }]
  if (seen.kind === 'broken') return isVirtual ? [{ reason: 'fragment' }] : [{ ip, memory }]
  if (seen.kind === 'error') return serveError(memory, ip, seen, (quoted) => find(memory, vrf, quoted, turned(endsOf(quoted))))
  const zone = `vrf ${vrf}`
  if (seen.kind === 'later fragment') {
    const known = memory.datagrams.find((one) => one.zone === zone && one.datagram === seen.datagram)
    if (known === undefined) return isVirtual ? [{ reason: 'fragment' }] : [{ ip, memory }]
    return [{ ip: translated(ip, seen, known.translation, known.isReply), memory, ...insideOf([known.translation, known.isReply]) }]
  }
  if (seen.sourcePort === undefined) return [{ ip, memory }]
  const ends = endsOf(seen)
  const found = find(memory, vrf, seen, ends)
  if (found !== undefined) {
    return [{ ip: translated(ip, seen, ...found), memory: withDatagram(memory, zone, seen, ...found), ...insideOf(found) }]
  }
  const service = services.find(
    ({ address, port, protocol }) =>
      address.equals(seen.destination) && port === seen.destinationPort && SERVICE_PROTOCOLS[protocol] === seen.protocol,
  )
  if (service === undefined) return [{ ip, memory }]
  return open(memory, service, ends, sourcePorts).map((way) => {
    if ('reason' in way) return way
    return { ip: translated(ip, seen, way.translation, false), memory: withDatagram(way.memory, zone, seen, way.translation, false) }
  })
}

/**
 * A packet that is delivered in another VRF than the one that it was served in. A reply whose client is there gets the source that the client knows; what
 * policies see is in any case what the packet says now.
 */
export function serveReply(memory: Memory, ip: Ip, vrf: number): { readonly ip: Ip; readonly memory: Memory } {
  const seen = see(ip)
  const found = seen.kind === 'flow' && seen.sourcePort !== undefined ? find(memory, vrf, seen, endsOf(seen)) : undefined
  const isForClient =
    found?.[1] === true && found[0].from.source.equals(seen.destination) && found[0].from.sourcePort === seen.destinationPort
  if (!isForClient) return { ip: { ...ip, seen }, memory }
  return { ip: translated(ip, seen, ...found), memory: withDatagram(memory, `vrf ${vrf}`, seen, ...found) }
}

/** What comes back to a pool goes on in the VRF that the pool hides. */
function insideOf([{ by, vrf }, isReply]: Found): { readonly inside?: number } {
  return by === 'pool' && isReply ? { inside: vrf } : {}
}

/** The drop, or how the flow goes on. */
type Opened = { readonly reason: DropReason } | { readonly translation: Translation; readonly memory: Memory }

/** Ways that a new flow may take: to any ready backend, or to the one that its client came to before. */
function open(memory: Memory, service: ServiceObject, from: Ends, sourcePorts: readonly number[]): Opened[] {
  const ready = service.backends.filter(({ weight, state }) => weight > 0 && state !== 'draining')
  const client = String(from.source)
  const before = memory.affinities.find((one) => one.service === service.id && one.client === client)?.backend
  const sticky = service.affinity === undefined ? [] : ready.filter(({ address, port }) => `${address} ${port}` === before)
  const chosen = sticky.length > 0 ? sticky : ready
  if (chosen.length === 0) return [{ reason: 'no-backend' }]
  return chosen.flatMap((backend): Opened[] => {
    const { address, port } = backend
    const { id, vrf, protocol, affinity } = service
    const others = memory.affinities.filter((one) => one.service !== id || one.client !== client)
    const affinities = affinity === undefined ? memory.affinities : [...others, { service: id, client, backend: `${address} ${port}` }]
    const ends = endsBehind(memory, service, from, backend, sourcePorts)
    if (ends.length === 0) return [{ reason: 'nat-exhausted' }]
    return ends.map(({ to, isUnsure }) => {
      const translation = { by: 'service', id, vrf, backVrf: vrf, protocol: SERVICE_PROTOCOLS[protocol], from, to } as const
      const translations = [...memory.translations, translation]
      return { translation, memory: memory.with({ translations, affinities, isUnsure: memory.isUnsure || isUnsure }) }
    })
  })
}

/** Source ports that may be chosen: those that no service has by registration (RFC 6335 §6). */
const FIRST_CHOSEN = 1024

/**
 * Ends that a new flow may get to a backend: with its own source, or the virtual address and its own port; where replies would be taken for packets of another
 * flow, or of itself, with the virtual address and any other port. One that does not show is any, and what comes of it cannot be told.
 */
function endsBehind(
  memory: Memory,
  { vrf, natSide, address, protocol }: ServiceObject,
  from: Ends,
  backend: ServiceBackend,
  sourcePorts: readonly number[],
): { to: Ends; isUnsure: boolean }[] {
  const behind = (source: IpAddress, sourcePort: number): Ends => ({
    source,
    sourcePort,
    destination: backend.address,
    destinationPort: backend.port,
  })
  const isFree = (to: Ends): boolean => !isSame(turned(to), from) && isUnclaimed(memory, vrf, SERVICE_PROTOCOLS[protocol], to)
  const isHairpin = natSide === 'both' || backend.address.equals(from.source)
  const own = [...(isHairpin ? [] : [behind(from.source, from.sourcePort)]), behind(address, from.sourcePort)].find(isFree)
  if (own !== undefined) return [{ to: own, isUnsure: false }]
  if (protocol === 'sctp') return []
  const shown = sourcePorts.filter((port) => port >= FIRST_CHOSEN)
  let hidden = FIRST_CHOSEN
  while (shown.includes(hidden) || !isFree(behind(address, hidden))) hidden++
  return [
    ...shown.map((port) => ({ to: behind(address, port), isUnsure: false })).filter(({ to }) => isFree(to)),
    { to: behind(address, hidden), isUnsure: true },
  ]
}

/** Whether replies to a flow that goes on with these ends are of no flow that is known. */
export function isUnclaimed(memory: Memory, backVrf: number, protocol: number, to: Ends): boolean {
  return find(memory, backVrf, { protocol }, turned(to)) === undefined
}

/** The translation that a packet belongs to, and whether it is a reply. */
function find(memory: Memory, vrf: number, { protocol }: Pick<Seen, 'protocol'>, ends: Ends): Found | undefined {
  for (const translation of memory.translations) {
    if (translation.protocol !== protocol) continue
    if (translation.by === 'service' && translation.vrf === vrf && isSame(translation.from, ends)) return [translation, false]
    if (translation.backVrf === vrf && isSame(turned(translation.to), ends)) return [translation, true]
  }
  return undefined
}

export function withDatagram(memory: Memory, zone: string, { datagram }: Seen, translation: Translation, isReply: boolean): Memory {
  if (datagram === undefined) return memory
  const others = memory.datagrams.filter((one) => one.zone !== zone || one.datagram !== datagram)
  return memory.with({ datagrams: [...others, { zone, datagram, translation, isReply }] })
}

/** The packet as it goes on; policies see the client and the backend, but outside a pool its address. */
export function translated(ip: Ip, seen: Seen, { by, from, to }: Translation, isReply: boolean): Ip {
  const after = withEnds(ip, isReply ? turned(from) : to, seen.kind === 'flow')
  if (isReply && by === 'pool') return { ...after, seen }
  const shown = isReply
    ? { ...seen, destination: from.source, destinationPort: from.sourcePort }
    : { ...seen, destination: to.destination, destinationPort: to.destinationPort }
  const datagram = seen.datagram === undefined ? {} : { datagram: renamed(seen.datagram, shown.source, shown.destination) }
  const ports = seen.kind === 'flow' ? {} : { sourcePort: 0, destinationPort: 0 }
  return { ...after, seen: { ...shown, ...ports, ...datagram } }
}

function renamed(datagram: string, source: IpAddress, destination: IpAddress): string {
  return [String(source), String(destination), ...datagram.split(' ').slice(2)].join(' ')
}

/** An error about a translated flow is shown as if nothing had been translated; from `speaker`, if there is one that all errors come from. */
export function serveError(
  memory: Memory,
  ip: Ip,
  seen: Seen,
  findQuoted: (quoted: Seen) => Found | undefined,
  speaker?: IpAddress,
): Served[] {
  const { quoted } = seen
  if (quoted?.sourcePort === undefined) return [{ ip, memory }]
  const found = findQuoted(quoted)
  if (found === undefined) return [{ ip, memory }]
  const icmp = transportOffset(ip)
  if (icmpSum(ip, icmp) !== 0xffff) return [{ reason: 'inner-malformed' }]
  const [{ by, from, to }, isReply] = found
  const shown = isReply ? from : turned(to)
  const source = speaker ?? (seen.source.equals(quoted.destination) ? shown.destination : seen.source)
  const inner = ip.bytes.slice(icmp + 8)
  const quotedIp: Ip = {
    ...ip,
    bytes: inner,
    headerLength: ip.family === 4 ? (inner[0] & 15) * 4 : 40,
    protocol: ip.family === 4 ? inner[9] : inner[6],
  }
  const rewritten = withEnds({ ...quotedIp, source: quoted.source, destination: quoted.destination }, shown, true).bytes
  const bytes = Uint8Array.from([...ip.bytes.slice(0, icmp + 8), ...rewritten])
  const outer = { source, destination: shown.source, sourcePort: 0, destinationPort: 0 }
  const moved = withEnds({ ...ip, bytes }, outer, false)
  moved.bytes.set([0, 0], icmp + 2)
  const checksum = 0xffff - icmpSum(moved, icmp)
  moved.bytes.set([checksum >> 8, checksum & 255], icmp + 2)
  const client = { source: from.source, sourcePort: from.sourcePort }
  const known = isReply
    ? { ...quoted, ...(by === 'service' && client) }
    : { ...quoted, source: to.destination, sourcePort: to.destinationPort }
  const shownError = { ...seen, source: moved.source, destination: moved.destination, quoted: known }
  return [{ ip: { ...moved, seen: shownError }, memory, ...insideOf(found) }]
}

function icmpSum({ family, bytes, source, destination }: Ip, icmp: number): number {
  const message = bytes.slice(icmp)
  const pseudo = family === 4 ? [] : [...source.toBytes(), ...destination.toBytes(), message.length >> 8, message.length & 255, 0, 58]
  return onesComplementSum(Uint8Array.from([...pseudo, ...message]))
}

/** Writes ends into a packet. What was wrong with a checksum stays wrong: it changes by the words that change. */
function withEnds(ip: Ip, ends: Ends, hasPorts: boolean): Ip {
  const before = ip.bytes
  const bytes = before.slice()
  bytes.set([...ends.source.toBytes(), ...ends.destination.toBytes()], ip.family === 4 ? 12 : 8)
  const changed: [number, number][] = []
  const note = (at: number): void => void changed.push([before[at] * 256 + before[at + 1], bytes[at] * 256 + bytes[at + 1]])
  const isIcmp = ip.protocol === 1
  if (hasPorts) {
    const at = transportOffset(ip)
    const { protocol } = see(ip)
    const isEcho = isIcmp || protocol === 58
    const port = (value: number): number[] => [value >> 8, value & 255]
    if (isEcho) bytes.set(port(ends.sourcePort), at + 4)
    else bytes.set([...port(ends.sourcePort), ...port(ends.destinationPort)], at)
    for (const place of isEcho ? [at + 4] : [at, at + 2]) note(place)
    const [first, end] = ip.family === 4 ? [12, 20] : [8, 40]
    if (!isIcmp) for (let place = first; place < end; place += 2) note(place)
    const place = at + ({ 6: 16, 17: 6, 1: 2, 58: 2 }[protocol] ?? Number.POSITIVE_INFINITY)
    const old = before[place] * 256 + before[place + 1]
    if (place + 2 <= bytes.length && !(protocol === 17 && old === 0)) {
      let sum = 0xffff - old
      for (const [was, is] of changed) sum += 0xffff - was + is
      sum %= 0xffff
      const checksum = 0xffff - (sum === 0 ? 0xffff : sum)
      bytes.set(port(protocol === 17 && checksum === 0 ? 0xffff : checksum), place)
    }
  }
  const ttl = bytes[ip.family === 4 ? 8 : 7]
  const after = withTtl({ ...ip, bytes, source: ends.source, destination: ends.destination }, ttl)
  return { ...after, ttl: ip.ttl }
}

export function endsOf({ source, sourcePort = 0, destination, destinationPort = 0 }: Seen): Ends {
  return { source, sourcePort, destination, destinationPort }
}

export function turned({ source, sourcePort, destination, destinationPort }: Ends): Ends {
  return { source: destination, sourcePort: destinationPort, destination: source, destinationPort: sourcePort }
}

export function isSame(a: Ends, b: Ends): boolean {
  const isOneWay = a.source.equals(b.source) && a.destination.equals(b.destination)
  return isOneWay && a.sourcePort === b.sourcePort && a.destinationPort === b.destinationPort
}
