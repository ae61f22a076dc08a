import { IpAddress, IpPrefix } from '@heddle/wire'
import type { ConfigProblem } from './config-error.js'
import type { ConfigPath, ParsedFile } from './parse.js'
import { repeated, unknownName } from './problems.js'
import { rangeOf } from './resolve-traffic.js'
import type { DirectionSection, PolicySection, RuleSection, ServiceSection, TrafficSections } from './traffic-document.js'

/** What a schema cannot say of these sections. @param vrfs names of the VRFs */
export function trafficProblems(parsed: ParsedFile, sections: TrafficSections, vrfs: readonly string[]): ConfigProblem[] {
  const { policies = [], services = [], nat = [], mirrors = [] } = sections
  const known = (path: ConfigPath, vrf: string | undefined): ConfigProblem[] =>
    vrf === undefined || vrfs.includes(vrf) ? [] : [unknownName(parsed, path, vrf, vrfs, 'vrfs')]
  const mirrorNames = mirrors.map(({ name }) => name)
  return [
    ...repeated(parsed, ['policies'], 'name', policies, ({ name }) => name, 'a name that no other policy has'),
    ...policies.flatMap((policy, index) => [
      ...known(['policies', index, 'vrf'], policy.vrf),
      ...policyProblems(parsed, ['policies', index], policy, mirrorNames),
    ]),
    ...repeated(parsed, ['services'], 'name', services, ({ name }) => name, 'a name that no other service has'),
    ...services.flatMap(({ vrf, address, backends, ...service }, index) => [
      ...known(['services', index, 'vrf'], vrf),
      ...checkProblems(parsed, ['services', index, 'health'], service),
      ...backends.flatMap((backend, at) => sameFamily(parsed, ['services', index, 'backends', at, 'address'], backend.address, address)),
    ]),
    ...nat.flatMap(({ vrf, outside, address, ports, destinations = [] }, index) => [
      ...known(['nat', index, 'vrf'], vrf),
      ...known(['nat', index, 'outside'], outside),
      ...(vrf === outside ? [parsed.problem(['nat', index, 'outside'], JSON.stringify(outside), `another VRF than ${vrf}`)] : []),
      ...(ports === undefined ? [] : rangeProblem(parsed, ['nat', index, 'ports'], ports)),
      ...destinations.flatMap((text, at) => sameFamily(parsed, ['nat', index, 'destinations', at], text, address)),
    ]),
    ...repeated(parsed, ['mirrors'], 'name', mirrors, ({ name }) => name, 'a name that no other mirror has'),
    ...mirrors.flatMap(({ vrf }, index) => known(['mirrors', index, 'vrf'], vrf)),
  ]
}

function checkProblems(
  parsed: ParsedFile,
  at: ConfigPath,
  { protocol, health }: Pick<ServiceSection, 'protocol' | 'health'>,
): ConfigProblem[] {
  if (health === undefined) return []
  const { type, port, interval = 5, timeout = 0, path, status } = health
  const isHttp = type === 'http'
  const range = status === undefined ? undefined : rangeOf(status)
  const problem = (key: string, value: unknown, allowed: string): ConfigProblem[] => [
    parsed.problem([...at, key], JSON.stringify(value), allowed),
  ]
  return [
    ...(protocol === 'tcp' || port !== undefined
      ? []
      : problem('type', type, `one with a port that answers by TCP, as the service is one of ${protocol}`)),
    ...(timeout <= interval ? [] : problem('timeout', timeout, `at most the interval, ${interval} seconds`)),
    ...(isHttp || path === undefined ? [] : problem('path', path, 'nothing where the type is tcp')),
    ...(isHttp || status === undefined ? [] : problem('status', status, 'nothing where the type is tcp')),
    ...(range === undefined || range.first <= range.last ? [] : problem('status', status, 'a status or a range such as 200-399')),
  ]
}

function policyProblems(
  parsed: ParsedFile,
  at: ConfigPath,
  { ingress, egress }: PolicySection,
  mirrors: readonly string[],
): ConfigProblem[] {
  const of = (key: 'ingress' | 'egress', direction: DirectionSection | undefined): ConfigProblem[] =>
    (direction?.rules ?? []).flatMap((rule, index) => ruleProblems(parsed, [...at, key, 'rules', index], rule, mirrors))
  return [...of('ingress', ingress), ...of('egress', egress)]
}

function ruleProblems(
  parsed: ParsedFile,
  at: ConfigPath,
  { ports = [], sourcePorts = [], mirror }: RuleSection,
  mirrors: readonly string[],
): ConfigProblem[] {
  return [
    ...ports.flatMap((range, index) => rangeProblem(parsed, [...at, 'ports', index], range)),
    ...sourcePorts.flatMap((range, index) => rangeProblem(parsed, [...at, 'sourcePorts', index], range)),
    ...(mirror === undefined || mirrors.includes(mirror) ? [] : [unknownName(parsed, [...at, 'mirror'], mirror, mirrors, 'mirrors')]),
  ]
}

function rangeProblem(parsed: ParsedFile, path: ConfigPath, text: number | string): ConfigProblem[] {
  const { first, last } = rangeOf(text)
  return first <= last && last <= 65_535 ? [] : [parsed.problem(path, JSON.stringify(text), 'a port or a range of ports such as 8000-8080')]
}

function sameFamily(parsed: ParsedFile, path: ConfigPath, text: string, address: string): ConfigProblem[] {
  const { family } = IpPrefix.parse(text)
  return family === IpAddress.parse(address).family ? [] : [parsed.problem(path, JSON.stringify(text), `of the family of ${address}`)]
}
