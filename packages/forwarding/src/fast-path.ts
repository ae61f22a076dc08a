import type { Encapsulation, GroupObject } from '@heddle/core'
import { encapsulate, entropyPort, ipv4FlowHash, LABEL_STACK_ENTRY_SIZE, PIPE_TTL, type TunnelTemplate } from '@heddle/mpls'
import { IP_PROTOCOL_ICMP, IP_PROTOCOL_TCP, IPV4_HEADER_SIZE, setIpv4TrafficClass, setIpv6TrafficClass } from '@heddle/wire'
import { roomOf, type Context } from './context.js'
import type { ObjectCounters, PortCounters } from './counters.js'
import { chooseMember } from './member.js'
import type { AddressWords, PacketOut, SEND } from './packet-out.js'
import type { RouteTable } from './routes.js'
import type { NextHop, Tables } from './tables.js'

/*
 * What most packets are, decided about in one go: IPv4 without options that is sound, from a port that nobody filters, translates or observes, into a
 * tunnel that takes it whole. Anything else is left as it came to the nine steps of egress.ts, to which a property holds these equal: what
 * is sent here must be what they would have sent, octet by octet and count by count.
 *
 * Numbers of headers stand in `send` as numbers: a constant of a module is a variable of its bundle, which is read and judged anew for each packet. What it
 * calls for most packets must stay so little that all of it is compiled into it (V8 stops behind 920 octets of bytecode).
 */

/** Where the flags of TCP stand behind a header without options. */
const TCP_FLAGS = IPV4_HEADER_SIZE + 13
const TCP_SYN = 2

/** A port whose packets may be plain. */
interface PlainPort {
  readonly counters: PortCounters
  readonly mtu: number
  readonly fib: RouteTable
  readonly vrfCounters: ObjectCounters
  /** Mask and address, signed, of the first allowed source; 0 and 0: none is checked. */
  readonly mask: number
  readonly source: number
  /** Of the others, in turn. */
  readonly others: Int32Array
  /** Whether a source that is allowed may be none that a packet can have. */
  readonly mayNotBeUnicast: boolean
  /** Whether it does either of these. */
  readonly isAttentive: boolean
  readonly answersPings: boolean
  readonly clampsMss: boolean
}

/** A tunnel that is open to every packet that fits. */
interface PlainHop {
  readonly id: number
  readonly counters: ObjectCounters
  readonly encapsulation: Encapsulation
  readonly local: AddressWords
  readonly remote: AddressWords
  readonly template: TunnelTemplate
  /** Octets of the headers that are written. */
  readonly headers: number
  /** Largest packet that it takes, and the longest that is cut into such. */
  readonly mtu: number
  readonly longest: number
  /** The label without traffic class and TTL, where the headers are nothing else; 0 where they are more. */
  readonly entry: number
  /** The label where it is the same for every packet; 0 where it is not. */
  readonly constantEntry: number
  readonly isUniformTtl: boolean
  readonly isUniformClass: boolean
  readonly copiesEcn: boolean
}

/** A group, and its members by index: undefined where packets are not plain. */
interface PlainGroup {
  readonly object: GroupObject
  readonly hops: readonly (PlainHop | undefined)[]
}

const NO_GROUP: PlainGroup = { object: { id: -1, members: [], seed: 0 }, hops: [undefined] }

/** The fast path of an engine. What it makes of ports and groups it keeps until objects of the tables change. */
export class FastPath {
  /** By id; null: packets are not plain. */
  #ports: (PlainPort | null | undefined)[] = []
  #groups: (PlainGroup | undefined)[] = []
  /** By group: its hop, if it has one alone. */
  #onlyHops: (PlainHop | undefined)[] = []
  #version = -1

  readonly #tables: Tables

  constructor(private readonly context: Context) {
    this.#tables = context.tables
  }

  /**
   * Sends a packet from `port` and counts it, if it is plain.
   *
   * @param view of `bytes`
   * @returns whether it was; if not, nothing was written or counted
   */
  send(port: number, bytes: Uint8Array, view: DataView, offset: number, length: number, segment: number, out: PacketOut): boolean {
    const tables = this.#tables
    if (this.#version !== tables.version) this.#forget(tables.version)
    const found = this.#ports[port]
    const from = found === undefined ? this.#learnPort(port) : found
    if (from === null || length < 20 || segment > from.mtu) return false

    const first = view.getUint32(offset)
    // Version 4, a header of five words, and nothing behind the packet.
    if (first >>> 24 !== 0x45 || (first & 0xffff) !== length) return false
    const second = view.getUint32(offset + 4)
    const third = view.getUint32(offset + 8)
    // Signed: what is no small integer becomes an object where a call is not compiled in.
    const source = view.getInt32(offset + 12)
    const destination = view.getInt32(offset + 16)
    const ttl = third >>> 24
    if (ttl <= 1) return false
    const protocol = (third >>> 16) & 0xff
    if (from.isAttentive && isAttended(from, protocol, bytes, offset, length)) return false
    let sum = (first >>> 16) + (first & 0xffff) + (second >>> 16) + (second & 0xffff) + (third >>> 16) + (third & 0xffff)
    sum += (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff)
    sum = (sum & 0xffff) + (sum >>> 16)
    if ((sum & 0xffff) + (sum >>> 16) !== 0xffff) return false
    if (((source ^ from.source) & from.mask) !== 0 && !isAllowed(from.others, source)) return false
    if ((from.mayNotBeUnicast && !isUnicast(source)) || !isUnicast(destination)) return false

    const groupId = from.fib.lookup4(destination)
    if (groupId < 0) return false
    const hasPorts = length >= 24 && (protocol === 17 || protocol === 6 || protocol === 132) && (second & 0x3fff) === 0
    const hash = ipv4FlowHash(source, destination, protocol, hasPorts, hasPorts ? view.getInt32(offset + 20) : 0, 0)
    const hop = this.#onlyHops[groupId] ?? this.#hopOf(groupId, hash)
    if (hop === undefined || segment > hop.mtu || (hop.entry === 0 && (length > hop.longest || offset < hop.headers))) return false

    from.counters.rxPackets++
    from.counters.rxOctets += length
    from.vrfCounters.add(length)
    hop.counters.add(length)
    // RFC 1624 §3: of a word that becomes less by 0x100, ~m + m' is 0xfeff.
    const checksum = (~third & 0xffff) + 0xfeff
    view.setUint32(offset + 8, ((third - 0x0100_0000) & 0xffff_0000) | (~(checksum + (checksum >>> 16)) & 0xffff))
    let at = offset - 4
    let outerClass = 0
    if (hop.constantEntry !== 0) view.setUint32(at, hop.constantEntry)
    else {
      const trafficClass = (first >>> 16) & 0xff
      const labelTtl = hop.isUniformTtl ? ttl - 1 : PIPE_TTL
      const labelClass = hop.isUniformClass ? trafficClass >>> 5 : 0
      outerClass = (hop.isUniformClass ? trafficClass & 0xfc : 0) | (hop.copiesEcn ? trafficClass & 3 : 0)
      if (hop.entry !== 0) view.setUint32(at, hop.entry | (labelClass << 9) | labelTtl)
      else at = encapsulated(hop, bytes, offset, length, labelTtl, labelClass, outerClass, hash)
    }
    out.port = port
    out.offset = at
    out.length = length + offset - at
    out.segment = segment + offset - at
    out.nextHop = hop.id
    out.encapsulation = hop.encapsulation
    out.local = hop.local
    out.remote = hop.remote
    out.sourcePort = entropyPort(hash)
    out.trafficClass = outerClass
    out.reason = -1
    out.verdict = 2 satisfies typeof SEND
    return true
  }

  #forget(version: number): void {
    this.#ports = []
    this.#groups = []
    this.#onlyHops = []
    this.#version = version
  }

  #learnPort(id: number): PlainPort | null {
    const { tables } = this.context
    const port = tables.ports.get(id)
    const vrf = port?.object.vrf === undefined ? undefined : tables.vrfs.get(port.object.vrf)
    const isSpecial =
      tables.nat !== undefined ||
      tables.traces.size > 0 ||
      port?.policy !== undefined ||
      port?.mirrors !== undefined ||
      port?.rates?.egress !== undefined
    let plain: PlainPort | null = null
    if (port !== undefined && vrf !== undefined && !isSpecial && port.v4) {
      const { mtu, allowedSources, gateways, clampMss = false } = port.object
      const answersPings = gateways.length > 0
      const clampsMss = clampMss && this.context.features.mssClamp
      const prefixes = allowedSources.filter(({ family }) => family === 4)
      const [mask = 0, source = 0, ...others] = prefixes.flatMap(({ length, address }) => [
        length === 0 ? 0 : -1 << (32 - length),
        address.w0 | 0,
      ])
      plain = {
        counters: port.counters,
        mtu,
        fib: vrf.fib,
        vrfCounters: vrf.counters,
        mask,
        source,
        others: Int32Array.from(others),
        mayNotBeUnicast: prefixes.length === 0 || !prefixes.every(({ length, address }) => length === 32 && isUnicast(address.w0)),
        isAttentive: answersPings || clampsMss,
        answersPings,
        clampsMss,
      }
    }
    this.#ports[id] = plain
    return plain
  }

  /** The hop of a group that a flow goes by. */
  #hopOf(id: number, hash: number): PlainHop | undefined {
    const { object, hops } = this.#groups[id] ?? this.#learnGroup(id)
    return hops[hops.length === 1 ? 0 : chooseMember(object, hash, this.#tables)]
  }

  #learnGroup(id: number): PlainGroup {
    const { tables } = this.context
    const object = tables.groups.get(id)
    const hops = object?.members.map(({ nextHop }) => this.#plainHop(tables.nextHops.get(nextHop)))
    const group = object === undefined || hops === undefined || hops.length === 0 ? NO_GROUP : { object, hops }
    if (group.hops.length === 1) this.#onlyHops[id] = group.hops[0]
    this.#groups[id] = group
    return group
  }

  #plainHop(nextHop: NextHop | undefined): PlainHop | undefined {
    if (nextHop?.tunnel === undefined) return undefined
    const { tables, encapsulations } = this.context
    const { object, counters, tunnel: hop } = nextHop
    const { tunnel, template, overhead, id } = hop
    const isDown = object.liveness !== undefined && tables.down.has(object.liveness)
    const isLabelled = tunnel.labels.length > 0 || tunnel.encapsulation === 'vxlan'
    if (isDown || !isLabelled || !encapsulations.has(tunnel.encapsulation)) return undefined
    const { octets } = template
    const isLabelAlone = template.labels === 1 && octets.length === LABEL_STACK_ENTRY_SIZE
    const entry = isLabelAlone ? (octets[0] << 24) | (octets[1] << 16) | (octets[2] << 8) : 0
    const isUniformTtl = tunnel.ttlModel === 'uniform'
    const isUniformClass = tunnel.trafficClassModel === 'uniform'
    const copiesEcn = tunnel.ecn === 'normal'
    return {
      id,
      counters,
      encapsulation: tunnel.encapsulation,
      local: tunnel.local,
      remote: tunnel.remote,
      template,
      headers: octets.length,
      mtu: roomOf(this.context, hop, 4) - overhead,
      longest: 0xffff - octets.length,
      entry,
      constantEntry: isLabelAlone && !isUniformTtl && !isUniformClass && !copiesEcn ? entry | PIPE_TTL : 0,
      isUniformTtl,
      isUniformClass,
      copiesEcn,
    }
  }
}

/** Writes headers that are more than a label. Returns where they begin. */
function encapsulated(
  { template }: PlainHop,
  bytes: Uint8Array,
  offset: number,
  length: number,
  ttl: number,
  trafficClass: number,
  outerClass: number,
  hash: number,
): number {
  const at = encapsulate(bytes, offset, length, template, ttl, trafficClass, hash)
  if (outerClass === 0) return at
  if (template.family === 4) setIpv4TrafficClass(bytes, at, outerClass)
  else if (template.family === 6) setIpv6TrafficClass(bytes, at, outerClass)
  return at
}

/** Whether a packet is one that the port may do something about: a ping, the beginning of a connection. */
function isAttended({ answersPings, clampsMss }: PlainPort, protocol: number, bytes: Uint8Array, offset: number, length: number): boolean {
  if (protocol === IP_PROTOCOL_ICMP) return answersPings
  return clampsMss && protocol === IP_PROTOCOL_TCP && (length <= TCP_FLAGS || (bytes[offset + TCP_FLAGS] & TCP_SYN) !== 0)
}

/** As `isForwardable`, for IPv4. */
function isUnicast(address: number): boolean {
  // Most are 1.0.0.0 to 126.255.255.255: one comparison.
  if ((address - 0x0100_0000) >>> 0 < 0x7e00_0000) return true
  return address >>> 31 === 1 && address >>> 0 < 0xe000_0000 && address >>> 16 !== 0xa9fe
}

/** @param sources masks and addresses in turn */
function isAllowed(sources: Int32Array, source: number): boolean {
  for (let at = 0; at < sources.length; at += 2) if (((source ^ sources[at + 1]) & sources[at]) === 0) return true
  return false
}
