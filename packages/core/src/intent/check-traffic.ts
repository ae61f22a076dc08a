import type { IpAddress } from '@heddle/wire'
import { hasFeature, type DataplaneFeature } from '../dataplane/feature.js'
import type { DataplaneCapabilities } from '../dataplane/dataplane.js'
import { policyProblems } from '../dataplane/policy-problems.js'
import { serviceProblems } from '../dataplane/service-problems.js'
import { healthProblems } from './health-check.js'
import type { IntentProblem, VrfIntent } from './intents.js'
import type { DirectionIntent, MirrorIntent, NatIntent, PolicyIntent, TrafficIntents } from './traffic.js'

/** What traffic intents are judged against. */
export interface TrafficSurroundings {
  readonly vrfs: readonly VrfIntent[]
  readonly capabilities: Pick<DataplaneCapabilities, 'features' | 'encapsulations' | 'limits'>
  /** This node's tunnel ends. */
  readonly localAddresses: readonly IpAddress[]
}

/** What is wrong with traffic intents; empty when nothing is. A dataplane would refuse a whole transaction for any of it. */
export function checkTraffic(
  intents: TrafficIntents,
  { vrfs, capabilities, localAddresses }: TrafficSurroundings,
): readonly IntentProblem[] {
  const { policies = [], services = [], nat = [], mirrors = [], tunnelLiveness } = intents
  const problems: IntentProblem[] = []
  const names = new Set(vrfs.map(({ name }) => name))
  const problem = (code: string, subject: string, message: string): void => {
    problems.push({ code: `intent.${code}`, subject, message })
  }
  const needs = (feature: DataplaneFeature, subject: string): void => {
    if (!hasFeature(capabilities, feature)) problem('unsupported', subject, `the dataplane does not offer ${feature}`)
  }
  const known = (subject: string, vrf: string): void => {
    if (!names.has(vrf)) problem('vrf-unknown', subject, `there is no vrf ${vrf}`)
  }
  const unique = (kind: string, keys: readonly string[]): void => {
    const twice = new Set(keys.filter((key, index) => keys.indexOf(key) < index))
    for (const key of twice) problem(`${kind}.duplicate`, `${kind} ${key}`, 'it is there twice')
  }

  const within = (code: string, subject: string, what: string, found: number, most = Number.POSITIVE_INFINITY): void => {
    if (found > most) problem(`${code}.limit`, subject, `the dataplane takes ${most} ${what}`)
  }
  const { limits } = capabilities

  unique(
    'policy',
    policies.map(({ name }) => name),
  )
  unique(
    'service',
    services.map(({ name }) => name),
  )
  unique(
    'service',
    services.map(({ vrf, address, protocol, port }) => `at ${address} ${protocol} port ${port} of vrf ${vrf}`),
  )
  unique('nat', nat.map(natName))
  unique(
    'mirror',
    mirrors.map(({ name }) => name),
  )
  unique(
    'mirror',
    mirrors.map(({ collector, session }) => `to ${collector} session ${session}`),
  )
  within('service', `${services.length} services`, 'services', services.length, limits.services)
  within('nat', `${nat.length} nat`, 'NAT pools', nat.length, limits.natPools)
  within('mirror', `${mirrors.length} mirrors`, 'mirrors', mirrors.length, limits.mirrors)
  const mirrorNames = new Set(mirrors.map(({ name }) => name))
  for (const policy of policies) {
    const subject = `policy ${policy.name}`
    needs('policy', subject)
    known(subject, policy.vrf)
    for (const message of directionsOf(policy).flatMap(({ rules }) => policyProblems(rules))) problem('policy.rule', subject, message)
    for (const { rules } of directionsOf(policy)) within('policy', subject, 'rules a direction', rules.length, limits.policyRules)
    if (mirrorsOf(policy).length > 0) needs('mirror-rules', subject)
    for (const mirror of mirrorsOf(policy)) if (!mirrorNames.has(mirror)) problem('mirror-unknown', subject, `there is no mirror ${mirror}`)
  }
  for (const service of services) {
    const subject = `service ${service.name}`
    needs('service', subject)
    known(subject, service.vrf)
    for (const { message } of serviceProblems({ ...service, seed: 0 })) problem('service.value', subject, message)
    for (const message of healthProblems(service)) problem('service.health', subject, message)
    within('service', subject, 'backends a service', service.backends.length, limits.serviceBackends)
  }
  for (const one of nat) {
    const subject = `nat ${natName(one)}`
    needs('nat', subject)
    known(subject, one.vrf)
    known(subject, one.outside)
    const { first, last } = one.ports
    const isRange = Number.isInteger(first) && Number.isInteger(last) && first >= 1 && first <= last && last <= 65_535
    if (!isRange) problem('nat.ports', subject, `ports ${first}–${last} are no range within 1–65535`)
    if (one.vrf === one.outside) problem('nat.outside', subject, 'a VRF cannot be hidden in itself')
    const strays = one.destinations?.filter(({ family }) => family !== one.address.family) ?? []
    for (const prefix of strays) problem('nat.family', subject, `destination ${prefix} is not of the family of ${one.address}`)
  }
  for (const mirror of mirrors) {
    const subject = `mirror ${mirror.name}`
    needs('mirror', subject)
    if (mirror.vrf !== undefined) known(subject, mirror.vrf)
    for (const message of mirrorProblems(mirror, capabilities, localAddresses)) problem('mirror.collector', subject, message)
  }
  if (tunnelLiveness !== undefined) {
    const subject = 'tunnel liveness'
    needs('liveness', subject)
    const { desiredMinTx, requiredMinRx, multiplier } = tunnelLiveness
    const isInterval = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= 0xffffffff
    if (!isInterval(desiredMinTx) || !isInterval(requiredMinRx))
      problem('liveness.value', subject, 'intervals are 1–4294967295 microseconds')
    if (!Number.isInteger(multiplier) || multiplier < 1 || multiplier > 255) problem('liveness.value', subject, 'the multiplier is 1–255')
  }
  return problems
}

/** Names what hides a VRF. */
function natName({ vrf, outside, address }: NatIntent): string {
  return `of vrf ${vrf} in ${outside} for IPv${address.family}`
}

function directionsOf({ ingress, egress }: PolicyIntent): readonly DirectionIntent[] {
  return [ingress, egress].flatMap((direction) => direction ?? [])
}

function mirrorsOf(policy: PolicyIntent): readonly string[] {
  return directionsOf(policy).flatMap(({ rules }) => rules.flatMap(({ mirror }) => mirror ?? []))
}

function mirrorProblems(
  { collector, session, snapLength = 1 }: MirrorIntent,
  { encapsulations }: TrafficSurroundings['capabilities'],
  localAddresses: readonly IpAddress[],
): readonly string[] {
  const hasLocal = localAddresses.some(({ family }) => family === collector.family)
  const isSession = Number.isInteger(session) && session >= 0 && session <= 1023
  return [
    ...(isSession ? [] : [`session ${session} is not within 0–1023`]),
    ...(Number.isInteger(snapLength) && snapLength >= 1 ? [] : [`snap length ${snapLength} is no number of octets`]),
    ...(encapsulations.includes('mpls-gre') ? [] : ['a collector is sent to over GRE, which the dataplane does not carry']),
    ...(hasLocal ? [] : [`this node has no IPv${collector.family} address to send to ${collector} from`]),
  ]
}
