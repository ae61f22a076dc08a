import type { DirectionIntent, HealthCheckIntent, NumberRange, PolicyRuleIntent, ServiceIntent, TrafficIntents } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import type {
  BfdSection,
  DirectionSection,
  HealthSection,
  MirrorSection,
  NatSection,
  RuleSection,
  ServiceSection,
  TrafficSections,
} from './traffic-document.js'

const PROTOCOLS = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const
const DEFAULT_NAT_PORTS = '1024-65535'
/** Seconds, and milliseconds; how often in a row. */
const DEFAULT_HEALTH = { interval: 5, timeout: 1000, rise: 2, fall: 3 }
const DEFAULT_BFD = { interval: 300, multiplier: 3 }

/** What the sections mean, with the defaults filled in. */
export function resolveTraffic({ policies = [], services = [], nat = [], mirrors = [], bfd }: TrafficSections): TrafficIntents {
  return {
    policies: policies.map(({ name, vrf, endpoints, ingress, egress }) => ({
      name,
      vrf,
      ...(endpoints !== undefined && { endpoints: endpoints.map((text) => IpPrefix.parse(text)) }),
      ...(ingress !== undefined && { ingress: resolveDirection(ingress) }),
      ...(egress !== undefined && { egress: resolveDirection(egress) }),
    })),
    services: services.map(resolveService),
    nat: nat.map(resolveNat),
    mirrors: mirrors.map(resolveMirror),
    ...resolveBfd(bfd),
  }
}

/** `80` or `8000-8080` as a range. */
export function rangeOf(text: number | string): NumberRange {
  const [first, last = first] = String(text).split('-').map(Number)
  return { first, last }
}

function resolveDirection({ default: defaultVerdict = 'deny', rules }: DirectionSection): DirectionIntent {
  return { defaultVerdict, rules: rules.map(resolveRule) }
}

function resolveRule({ action, peers, locals, protocol, ports, sourcePorts, icmpTypes, mirror }: RuleSection): PolicyRuleIntent {
  return {
    verdict: action,
    ...(peers !== undefined && { peers: peers.map((text) => IpPrefix.parse(text)) }),
    ...(locals !== undefined && { locals: locals.map((text) => IpPrefix.parse(text)) }),
    ...(protocol !== undefined && { protocol: typeof protocol === 'number' ? protocol : PROTOCOLS[protocol] }),
    ...(ports !== undefined && { ports: ports.map(rangeOf) }),
    ...(sourcePorts !== undefined && { sourcePorts: sourcePorts.map(rangeOf) }),
    ...(icmpTypes !== undefined && { icmpTypes }),
    ...(mirror !== undefined && { mirror }),
  }
}

function resolveService({ name, vrf, address, protocol, port, backends, affinity, nat, advertise, health }: ServiceSection): ServiceIntent {
  return {
    name,
    vrf,
    address: IpAddress.parse(address),
    protocol,
    port,
    backends: backends.map((backend) => ({
      address: IpAddress.parse(backend.address),
      port: backend.port ?? port,
      weight: backend.weight ?? 1,
      ...(backend.draining === true && { state: 'draining' as const }),
    })),
    ...(affinity !== undefined && { affinity: affinity * 1000 }),
    ...(nat !== undefined && { natSide: nat }),
    ...(advertise !== undefined && { advertise }),
    ...(health !== undefined && { health: resolveHealth(health) }),
  }
}

/** What is another text is another check (as for mirrors): the order of keys is the one here, and not that of the section. */
function resolveHealth({
  type,
  port,
  interval = DEFAULT_HEALTH.interval,
  timeout,
  rise,
  fall,
  path,
  status,
}: HealthSection): HealthCheckIntent {
  const every = Math.round(interval * 1000)
  return {
    type,
    ...(port !== undefined && { port }),
    interval: every,
    timeout: timeout === undefined ? Math.min(every, DEFAULT_HEALTH.timeout) : Math.round(timeout * 1000),
    rise: rise ?? DEFAULT_HEALTH.rise,
    fall: fall ?? DEFAULT_HEALTH.fall,
    ...(path !== undefined && { path }),
    ...(status !== undefined && { status: rangeOf(status) }),
  }
}

function resolveNat({
  vrf,
  outside,
  address,
  ports = DEFAULT_NAT_PORTS,
  destinations,
}: NatSection): NonNullable<TrafficIntents['nat']>[number] {
  return {
    vrf,
    outside,
    address: IpAddress.parse(address),
    ports: rangeOf(ports),
    ...(destinations !== undefined && { destinations: destinations.map((text) => IpPrefix.parse(text)) }),
  }
}

function resolveMirror(section: MirrorSection): NonNullable<TrafficIntents['mirrors']>[number] {
  const { name, vrf, endpoints, direction, collector, session, snapLength } = section
  return {
    name,
    ...(vrf !== undefined && { vrf }),
    ...(endpoints !== undefined && { endpoints: endpoints.map((text) => IpPrefix.parse(text)) }),
    ...(direction !== undefined && { direction }),
    collector: IpAddress.parse(collector),
    session,
    ...(snapLength !== undefined && { snapLength }),
  }
}

function resolveBfd(bfd: BfdSection | undefined): Pick<TrafficIntents, 'tunnelLiveness'> {
  if (bfd?.tunnels === undefined) return {}
  const { interval = DEFAULT_BFD.interval, multiplier = DEFAULT_BFD.multiplier } = bfd.tunnels
  return { tunnelLiveness: { desiredMinTx: interval * 1000, requiredMinRx: interval * 1000, multiplier } }
}
