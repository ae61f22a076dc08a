import type { DataplaneFeature, DataplaneState, Encapsulation, LabelObject, NextHopObject, PortObject, RateLimits } from '@heddle/core'
import type { IpAddress } from '@heddle/wire'
import { onTheWire, type UnderlayInput } from '../harness.js'
import { passEcn, popTrafficClass } from './congestion.js'
import { cutIp, mayBeCut } from './cut.js'
import { echoReply, isForwardable, readIp, withTtl, type Ip } from './ip.js'
import { withMssClamped } from './mss.js'
import { dropped, type Outcome, type Result } from './outcome.js'
import { Memory } from './memory.js'
import { judgePacket } from './policy.js'
import { hide } from './pool.js'
import { judgeRate, notePassed } from './rate.js'
import { serve, serveReply, type Served } from './service.js'
import { behindJointLabel, labelsBefore, overheadOf, readGre, vxlanBefore, type Tunnel } from './tunnel.js'

/** The tables, and what the adapter around them can do. */
export interface World {
  readonly state: DataplaneState
  readonly encapsulations: readonly Encapsulation[]
  readonly underlayMtu: number
  /** None when left out. */
  readonly features?: readonly DataplaneFeature[]
  /** What is remembered of the packets before; nothing when left out. */
  readonly memory?: Memory
  /** Source ports of what came of the packet in hand; see `Choosing`. */
  readonly sourcePorts?: readonly number[]
  /** The VRF whose services the packet in hand has met. */
  readonly servedVrf?: number | undefined
}

/** VRF lookups in a row after which a packet is taken for looping. */
const MAX_LOOKUPS = 8
/** Labels looked at before a stack is taken for bottomless. */
const MAX_LABELS = 16

/*
 * What may become of a packet, read off the tables as naively as it can be written: every table is searched from its beginning, every packet is
 * copied, and where flows are spread, every member is followed. The order of the checks is part of the contract, since it decides the reason.
 */

/** A packet from the device of `port`. */
export function interpretFromPort(world: World, port: number, bytes: Uint8Array): Outcome[] {
  const from = world.state.ports.find(({ id }) => id === port)
  if (from === undefined) return dropped('port-down')

  const ip = readIp(bytes)
  if (typeof ip === 'string') return dropped(ip)

  if (ip.bytes.length > from.mtu) return dropped('mtu-exceeded')
  if (!isForwardable(ip.source)) return dropped('source-address')
  if (from.allowedSources.length > 0 && !from.allowedSources.some((prefix) => prefix.contains(ip.source))) return dropped('source-address')
  return withinRate(world, ip, from, 'egress', (around) => {
    if (from.gateways.some((gateway) => gateway.equals(ip.destination))) {
      const packet = echoReply(ip)
      if (packet !== undefined) return [{ type: 'delivered', port, packet }]
    }
    return served(around, ip, from.vrf, (next, shown, inside = from.vrf) => {
      const { reason, memory } = judgePacket(next.state, next.memory, from, shown, true)
      return remembering(next, memory, (judged) =>
        reason === undefined ? forward(judged, shown, inside, MAX_LOOKUPS, from) : dropped(reason),
      )
    })
  })
}

/** What comes after a port's limit, and the drop, as far as either can be. */
function withinRate(world: World, ip: Ip, port: PortObject, direction: keyof RateLimits, then: (next: World) => Outcome[]): Outcome[] {
  if (port.rateLimits?.[direction] === undefined) return then(world)
  const before = world.memory ?? new Memory()
  return judgeRate(before, port, direction).flatMap((verdict) => {
    if (verdict === 'dropped') return dropped(`${direction}-rate`)
    return remembering(world, notePassed(before, port, direction, ip.bytes.length), then)
  })
}

/** A world in which something is remembered. */
type Remembering = World & { readonly memory: Memory }

/** What comes after a step that was remembered, and so is whatever comes then. */
function remembering(world: World, memory: Memory, then: (next: Remembering) => readonly Outcome[]): Outcome[] {
  return then({ ...world, memory }).map((outcome) => ({ memory, ...outcome }))
}

/** What comes after a step, told the VRF that a pool hides if the packet comes back to it. */
type Then = (next: Remembering, ip: Ip, inside?: number) => Outcome[]

/** Step 4, and for each way that a packet may take there what comes after it, with what is then remembered. */
function served(world: World, ip: Ip, vrf: number | undefined, then: Then): Outcome[] {
  return ways({ ...world, servedVrf: vrf }, serve(world, world.memory ?? new Memory(), ip, vrf), then)
}

function ways(world: World, found: readonly Served[], then: Then): Outcome[] {
  return found.flatMap((way) =>
    'reason' in way ? dropped(way.reason) : remembering(world, way.memory, (next) => then(next, way.ip, way.inside)),
  )
}

/** A packet from the underlay. */
export function interpretFromUnderlay(world: World, { encapsulation, source, packet, trafficClass = 0 }: UnderlayInput): Outcome[] {
  const outer = encapsulation !== 'mpls' && world.features?.includes('ecn') === true ? trafficClass : 0
  if (!world.encapsulations.includes(encapsulation)) return dropped('encapsulation-unsupported')
  if (encapsulation === 'vxlan') return fromVxlan(world, source, packet, outer)
  const stack = encapsulation === 'mpls-gre' ? readGre(packet) : encapsulation === 'mpls-udp' ? behindJointLabel(packet) : packet
  if (stack === undefined) return dropped('outer-malformed')
  return fromLabels(world, source, stack, outer)
}

function fromLabels(world: World, source: IpAddress, stack: Uint8Array, outer: number): Outcome[] {
  let found: LabelObject | undefined
  let ttl = 255
  for (let depth = 0; depth < MAX_LABELS; depth++) {
    const at = depth * 4
    if (stack.length < at + 4) return dropped('label-stack')
    const label = stack[at] * 4096 + stack[at + 1] * 16 + (stack[at + 2] >> 4)
    const isBottom = (stack[at + 2] & 1) === 1
    ttl = Math.min(ttl, stack[at + 3])
    const rest = stack.slice(at + 4)

    if (label !== 0 && label !== 2) {
      if (label < 16) return dropped('label-special')
      if (found !== undefined) return dropped('label-stack')
      found = world.state.labels.find((entry) => entry.label === label)
      if (found === undefined) return dropped('label-unknown')
      if (!isSource(world, found.sources, source)) return dropped('tunnel-source')
      if (ttl <= 1) return dropped('ttl-expired')
      if (found.action.type === 'swap') {
        return swap(world, found.action.nextHop, rest, { isBottom, ttl: ttl - 1, trafficClass: (stack[at + 2] >> 1) & 7, outer })
      }
    }
    if (isBottom) {
      if (found === undefined) return dropped('label-special')
      const values = { ttl, trafficClass: (stack[at + 2] >> 1) & 7, outer }
      return fromLabel(world, found, values, label === 0 ? 4 : label === 2 ? 6 : undefined, rest)
    }
  }
  return dropped('label-stack')
}

interface LabelValues {
  readonly ttl: number
  readonly trafficClass: number
  /** Traffic class of the outer header. */
  readonly outer: number
}

function fromLabel(
  world: World,
  { action, trafficClassModel }: LabelObject,
  { ttl, trafficClass, outer }: LabelValues,
  family: 4 | 6 | undefined,
  bytes: Uint8Array,
): Outcome[] {
  const read = readIp(bytes)
  if (typeof read === 'string') return dropped(read)
  if (family !== undefined && family !== read.family) return dropped('inner-malformed')
  const popped = trafficClassModel === 'uniform' ? popTrafficClass(read, trafficClass) : read
  const marked = passEcn(popped, outer)
  if (marked === undefined) return dropped('congestion')
  const ip = { ...marked, ttl: Math.min(read.ttl, ttl) }
  if (action.type === 'pop-lookup') {
    return served(world, ip, action.vrf, (next, shown, inside = action.vrf) => forward(next, shown, inside, MAX_LOOKUPS))
  }
  const port = world.state.ports.find(({ id }) => action.type === 'pop-forward' && id === action.port)
  return served(world, ip, port?.vrf, (next, shown, inside) => {
    if (inside !== undefined) return forward(next, shown, inside, MAX_LOOKUPS)
    return isForwardable(shown.destination) ? deliver(next, shown, port) : dropped('destination-invalid')
  })
}

function fromVxlan(world: World, source: IpAddress, bytes: Uint8Array, outer: number): Outcome[] {
  if (bytes.length < 22 || (bytes[0] & 8) === 0) return dropped('outer-malformed')
  const vni = bytes[4] * 65_536 + bytes[5] * 256 + bytes[6]
  const found = world.state.vnis.find((entry) => entry.vni === vni)
  if (found === undefined) return dropped('vni-unknown')
  if (!isSource(world, found.sources, source)) return dropped('tunnel-source')
  const isForUs = found.routerMac.toBytes().every((octet, index) => bytes[8 + index] === octet)
  if (!isForUs) return dropped('destination-invalid')
  const etherType = bytes[20] * 256 + bytes[21]
  if (etherType !== 0x0800 && etherType !== 0x86dd) return dropped('family-unsupported')
  const ip = readIp(bytes.slice(22))
  if (typeof ip === 'string') return dropped(ip)
  if (ip.family !== (etherType === 0x0800 ? 4 : 6)) return dropped('inner-malformed')
  const marked = passEcn(ip, outer)
  return marked === undefined
    ? dropped('congestion')
    : served(world, marked, found.vrf, (next, shown, inside = found.vrf) => forward(next, shown, inside, MAX_LOOKUPS))
}

/** Looks the destination up and follows every next hop that the flow might take. */
function forward(world: World, ip: Ip, vrf: number | undefined, lookupsLeft: number, from?: PortObject): Outcome[] {
  if (!isForwardable(ip.destination)) return dropped('destination-invalid')
  if (lookupsLeft === 0) return dropped('lookup-loop')
  const group = bestGroup(world, ip.destination, vrf)
  if (group === undefined) return dropped('no-route')
  const members = world.state.groups.find(({ id }) => id === group)?.members.filter(({ weight }) => weight > 0) ?? []
  const nextHops = members.flatMap(({ nextHop }) => world.state.nextHops.find(({ id }) => id === nextHop) ?? [])
  if (nextHops.length === 0) return dropped('no-next-hop')
  return nextHops.flatMap((nextHop) => follow(world, ip, nextHop, vrf, lookupsLeft - 1, from))
}

function follow(
  world: World,
  ip: Ip,
  { action }: NextHopObject,
  vrf: number | undefined,
  lookupsLeft: number,
  from: PortObject | undefined,
): Outcome[] {
  const { ports } = world.state
  switch (action.type) {
    case 'lookup':
      return ways(world, hide(world.state, world.memory ?? new Memory(), ip, vrf, action.vrf), (next, hidden) =>
        forward(next, hidden, action.vrf, lookupsLeft, from),
      )
    case 'discard':
      return dropped(action.reason ?? 'discard')
    case 'port':
      return deliver(
        world,
        ip,
        ports.find(({ id }) => id === action.port),
        from,
      )
    case 'local':
      return deliver(
        world,
        ip,
        ports.findLast((port) => port.kind === 'host' && port.vrf === vrf),
        from,
      )
    default:
  }
  if (!world.encapsulations.includes(action.encapsulation)) return dropped('encapsulation-unsupported')
  if (action.encapsulation !== 'vxlan' && action.labels.length === 0) return dropped('label-stack')
  if (ip.ttl <= 1) return dropped('ttl-expired')
  const mtu = underlayMtu(world) - overheadOf(action)
  const isTooLarge = ip.bytes.length > mtu
  if (isTooLarge && !mayBeCut(world, ip, mtu)) return dropped('mtu-exceeded')
  const limits = from?.clampMss === true ? [mtu, from.mtu] : []
  const whole = withMssClamped(withTtl(ip, ip.ttl - 1), limits)
  const parts = isTooLarge ? cutIp(whole, mtu) : [whole]
  return partsOf(parts.map((part) => behindTunnel(world, part, action)))
}

/** One outcome for a whole packet, `cut` for parts. */
function partsOf(parts: readonly Result[]): Outcome[] {
  return parts.length === 1 ? [...parts] : [{ type: 'cut', parts }]
}

function behindTunnel(world: World, inner: Ip, action: Tunnel): Result {
  const ttl = action.ttlModel === 'uniform' ? inner.ttl : 255
  const trafficClass = action.trafficClassModel === 'uniform' ? inner.trafficClass >> 5 : 0
  const packet =
    action.encapsulation === 'vxlan'
      ? vxlanBefore(inner, action, world.state.vnis.find(({ vni }) => vni === action.vni)?.routerMac)
      : labelsBefore(inner.bytes, action, { bottomTtl: ttl, ttl, trafficClass, isBottom: true })
  return { type: 'sent', encapsulation: onTheWire(action.encapsulation), source: action.local, destination: action.remote, packet }
}

function deliver(world: World, ip: Ip, port: PortObject | undefined, from = port): Outcome[] {
  if (port === undefined) return dropped('no-next-hop')
  if (!world.state.devices.some((device) => device.port === port.id)) return dropped('port-down')
  const carries = port.allowedSources.length === 0 || port.allowedSources.some(({ family }) => family === ip.family)
  if (!carries) return dropped('family-unsupported')
  if (ip.ttl <= 1) return dropped('ttl-expired')
  return withinRate(world, ip, port, 'ingress', (next) => deliverWithinRate(next, ip, port, from))
}

function deliverWithinRate(world: World, ip: Ip, port: PortObject, from: PortObject | undefined): Outcome[] {
  const before = world.memory ?? new Memory()
  const { vrf } = port
  const shown = vrf === undefined || vrf === world.servedVrf ? { ip, memory: before } : serveReply(before, ip, vrf)
  const { reason, memory } = judgePacket(world.state, shown.memory, port, shown.ip, false)
  return remembering(world, memory, () => (reason === undefined ? deliverAllowed(world, shown.ip, port, from) : dropped(reason)))
}

function deliverAllowed(world: World, ip: Ip, port: PortObject, from: PortObject | undefined): Outcome[] {
  const isTooLarge = ip.bytes.length > port.mtu
  if (isTooLarge && !mayBeCut(world, ip, port.mtu)) return dropped('mtu-exceeded')
  const clamping = [port, from].filter((end) => end?.clampMss === true)
  const whole = withMssClamped(withTtl(ip, ip.ttl - 1), clamping.length === 0 ? [] : [port.mtu, ...clamping.map((end) => end?.mtu ?? 0)])
  const parts = isTooLarge ? cutIp(whole, port.mtu) : [whole]
  return partsOf(parts.map(({ bytes }) => ({ type: 'delivered', port: port.id, packet: bytes })))
}

/** Transit: the labels of the next hop take the place of the one that was popped. */
function swap(
  world: World,
  nextHop: number,
  rest: Uint8Array,
  { isBottom, ttl, trafficClass, outer }: LabelValues & { readonly isBottom: boolean },
): Outcome[] {
  const action = world.state.nextHops.find(({ id }) => id === nextHop)?.action
  if (action?.type === 'discard') return dropped(action.reason ?? 'discard')
  if (action?.type !== 'tunnel') return dropped('no-next-hop')
  if (!world.encapsulations.includes(action.encapsulation) || action.encapsulation === 'vxlan') return dropped('encapsulation-unsupported')
  if (isBottom && action.labels.length === 0) return dropped('label-stack')
  if (rest.length + overheadOf(action) > underlayMtu(world)) return dropped('mtu-exceeded')
  // A label stack cannot carry the mark of congestion.
  if (outer % 4 === 3 && action.ecn !== 'normal') return dropped('congestion')
  const exposed = rest.slice()
  if (action.labels.length === 0) exposed[3] = Math.min(exposed[3], ttl)
  const values = { bottomTtl: ttl, ttl: action.ttlModel === 'uniform' ? ttl : 255, trafficClass, isBottom }
  const packet = labelsBefore(exposed, action, values)
  return [{ type: 'sent', encapsulation: onTheWire(action.encapsulation), source: action.local, destination: action.remote, packet }]
}

function bestGroup({ state: { routes } }: World, destination: IpAddress, vrf: number | undefined): number | undefined {
  let group: number | undefined
  let longest = -1
  for (let row = 0; row < routes.count; row++) {
    const prefix = routes.prefixAt(row)
    if (routes.vrf[row] !== vrf || prefix.length <= longest || !prefix.contains(destination)) continue
    longest = prefix.length
    group = routes.group[row]
  }
  return group
}

function isSource({ state }: World, sources: number, source: IpAddress): boolean {
  return state.tunnelSources.find(({ id }) => id === sources)?.prefixes.some((prefix) => prefix.contains(source)) ?? false
}

function underlayMtu({ state, underlayMtu: adapters }: World): number {
  return Math.min(adapters, ...state.ports.filter(({ kind }) => kind === 'uplink').map(({ mtu }) => mtu))
}
