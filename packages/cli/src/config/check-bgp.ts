import { SpeakerError, addressOf, checkSpeakerConfig } from '@heddle/bgp'
import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import type { BgpSection, NeighborGroupSection, NetworkSection } from './bgp-document.js'
import type { ConfigProblem } from './config-error.js'
import type { SpeakerDocument } from './document.js'
import type { ConfigPath, ParsedFile } from './parse.js'
import { namesOf, readPolicies, type PolicyFault } from './policy-use.js'
import { addressProblem, repeated, unknownName } from './problems.js'
import { networkAttributes, resolveBgp, withGroup } from './resolve-bgp.js'

/** What the schema cannot say of the section `bgp`. The speaker itself is asked last, once everything it reads can be read. */
export function bgpProblems(parsed: ParsedFile, document: SpeakerDocument): ConfigProblem[] {
  const { node, bgp } = document
  const own = [
    ...addressProblem(parsed, ['node', 'address'], node.address),
    ...routerIdProblem(parsed, node.address, bgp),
    ...repeated(parsed, ['bgp', 'listen'], 'port', bgp.listen ?? [], listenKey, 'each address and port once'),
    ...policyProblems(parsed, bgp),
    ...neighborProblems(parsed, bgp),
    ...networkProblems(parsed, bgp.networks ?? []),
    ...repeated(
      parsed,
      ['bgp', 'rtr'],
      'address',
      bgp.rtr ?? [],
      ({ address, port = 323 }) => `${address} port ${port}`,
      'each cache once',
    ),
    ...repeated(parsed, ['bgp', 'bmp'], 'address', bgp.bmp ?? [], ({ address, port }) => `${address} port ${port}`, 'each station once'),
  ]
  return own.length > 0 ? own : speakerProblems(parsed, document)
}

function routerIdProblem(parsed: ParsedFile, address: string, bgp: BgpSection): ConfigProblem[] {
  if (bgp.routerId !== undefined || IpAddress.parse(address).family === 4) return []
  const allowed = 'an IPv4 address that is not 0.0.0.0 (the key "routerId" is required where node.address is IPv6)'
  return [parsed.problem(['bgp', 'routerId'], 'nothing', allowed)]
}

function policyProblems(parsed: ParsedFile, bgp: BgpSection): ConfigProblem[] {
  const { faults } = readPolicies(bgp)
  const known = Object.keys(bgp.policies ?? {})
  const uses: [ConfigPath, NeighborGroupSection][] = [
    ...Object.entries(bgp.groups ?? {}).map(([name, group]): [ConfigPath, NeighborGroupSection] => [['bgp', 'groups', name], group]),
    ...(bgp.neighbors ?? []).map((one, at): [ConfigPath, NeighborGroupSection] => [['bgp', 'neighbors', at], one]),
    ...(bgp.dynamicNeighbors ?? []).map((one, at): [ConfigPath, NeighborGroupSection] => [['bgp', 'dynamicNeighbors', at], one]),
  ]
  return [
    ...faults.map((fault) => faultProblem(parsed, bgp, fault)),
    ...uses.flatMap(([at, section]) =>
      (['importPolicy', 'exportPolicy'] as const).flatMap((key) =>
        namesOf(section[key] ?? [])
          .filter(({ name }) => !known.includes(name))
          .map(({ path, name }) => unknownName(parsed, [...at, key, ...path], name, known, 'bgp.policies')),
      ),
    ),
  ]
}

/** A fault in text is at its line; one in data at its key. */
function faultProblem(parsed: ParsedFile, bgp: BgpSection, { name, error }: PolicyFault): ConfigProblem {
  const at = ['bgp', 'policies', name]
  const source = bgp.policies?.[name]
  const allowed = error.message.slice(error.subject.length + 2)
  if (typeof source !== 'string') return parsed.problem([...at, ...pathOf(error.subject)], 'a value that cannot be used', allowed)
  const line = lineOf(source, error.subject)
  return parsed.problemInText(at, line, JSON.stringify(source.split('\n')[line - 1]?.trim() ?? ''), allowed)
}

/** `terms[2].match.prefix[0]` as keys. */
function pathOf(subject: string): (string | number)[] {
  return [...subject.matchAll(/\[(\d+)\]|([^.[\]]+)/g)].map(([, index, key]) => (index === undefined ? key : Number(index)))
}

/** The line that `line 7` or `terms[2].change.med` means, from 1. */
function lineOf(text: string, subject: string): number {
  const [, line] = /^line (\d+)$/.exec(subject) ?? []
  if (line !== undefined) return Number(line)
  const [, term] = /^terms\[(\d+)\]/.exec(subject) ?? []
  const heads = text.split('\n').flatMap((row, at) => (/^\s*term\b/.test(row) ? [at + 1] : []))
  return heads[Number(term ?? 0)] ?? 1
}

function neighborProblems(parsed: ParsedFile, bgp: BgpSection): ConfigProblem[] {
  const { neighbors = [], dynamicNeighbors = [], groups = {}, listen = [] } = bgp
  const nowhere = listen.length === 0
  const groupProblem = (at: ConfigPath, group: string | undefined): ConfigProblem[] =>
    group === undefined || Object.hasOwn(groups, group)
      ? []
      : [unknownName(parsed, [...at, 'group'], group, Object.keys(groups), 'bgp.groups')]
  const common = (at: ConfigPath, section: NeighborGroupSection): ConfigProblem[] => {
    const out: ConfigProblem[] = []
    if (section.as === undefined)
      out.push(parsed.problem([...at, 'as'], 'nothing', 'an AS number (the key "as" is required, here or in the group)'))
    if (section.routeReflectorClient === true && section.as !== bgp.as) {
      const allowed = `false, or a neighbour of AS ${bgp.as}: only internal neighbours are clients (RFC 4456 §6)`
      out.push(parsed.problem([...at, 'routeReflectorClient'], 'true', allowed))
    }
    return out
  }
  return [
    ...repeated(parsed, ['bgp', 'neighbors'], 'address', neighbors, ({ address }) => canonical(address), 'each neighbour once'),
    ...neighbors.flatMap((section, index): ConfigProblem[] => {
      const at = ['bgp', 'neighbors', index]
      const { address, passive, localAddress, ...rest } = withGroup(section, groups)
      const peer = addressOf(address)
      const out = [
        ...(peer === undefined ? [] : addressProblem(parsed, [...at, 'address'], String(peer))),
        ...groupProblem(at, section.group),
        ...common(at, rest),
      ]
      if (passive === true && nowhere) {
        const allowed = 'false, or an address in bgp.listen'
        out.push(parsed.problem([...at, 'passive'], 'true, and no bgp.listen to accept its connection on', allowed))
      }
      if (localAddress !== undefined && familyOf(localAddress) !== (peer?.family ?? 6)) {
        const allowed = 'an address of the same family as the address of the neighbour'
        out.push(parsed.problem([...at, 'localAddress'], JSON.stringify(localAddress), allowed))
      }
      return out
    }),
    ...dynamicNeighbors.flatMap((section, index): ConfigProblem[] => {
      const at = ['bgp', 'dynamicNeighbors', index]
      const out = [...groupProblem(at, section.group), ...common(at, withGroup(section, groups))]
      if (nowhere)
        out.push(parsed.problem(at, 'a prefix, and no bgp.listen to accept connections on', 'nothing, or an address in bgp.listen'))
      return out
    }),
  ]
}

function networkProblems(parsed: ParsedFile, networks: readonly NetworkSection[]): ConfigProblem[] {
  const at = ['bgp', 'networks']
  const keyOf = ({ rd, label, prefix }: NetworkSection): string =>
    `${rd === undefined ? (label === undefined ? '' : 'labeled ') : `${RouteDistinguisher.parse(rd)} `}${IpPrefix.parse(prefix)}`
  return [
    ...repeated(parsed, at, 'prefix', networks, keyOf, 'each route once'),
    ...networks.flatMap((network, index): ConfigProblem[] => {
      const { rd, label, routeTargets } = network
      const here = [...at, index]
      const out: ConfigProblem[] = []
      if (rd !== undefined && label === undefined)
        out.push(parsed.problem([...here, 'label'], 'nothing', 'an MPLS label (the key "label" is required with rd)'))
      if (rd !== undefined && routeTargets === undefined)
        out.push(parsed.problem([...here, 'routeTargets'], 'nothing', 'a list (the key "routeTargets" is required with rd)'))
      if (rd === undefined && routeTargets !== undefined)
        out.push(parsed.problem([...here, 'routeTargets'], 'a list', 'nothing: only routes with rd have route targets'))
      const attributes = networkAttributes(network)
      if ('fault' in attributes) out.push(parsed.problem([...here, attributes.key], 'a community that cannot be read', attributes.fault))
      return out
    }),
  ]
}

/** What the speaker itself says of the values. */
function speakerProblems(parsed: ParsedFile, { node, bgp }: SpeakerDocument): ConfigProblem[] {
  try {
    checkSpeakerConfig(resolveBgp(bgp, IpAddress.parse(node.address)))
    return []
  } catch (error) {
    if (!(error instanceof SpeakerError)) throw error
    const path = ['bgp', ...pathOf(error.subject)]
    return [
      parsed.problem(
        path,
        'a value that the speaker cannot use',
        error.message.replace(`${error.subject}: `, '').replace(/ \([\w.-]+\)$/, ''),
      ),
    ]
  }
}

/** One text of a neighbor's name. */
function canonical(name: string): string {
  return `${addressOf(name) ?? ''}${name.includes('%') ? name.slice(name.indexOf('%')) : ''}`
}

function familyOf(address: string): 4 | 6 {
  return IpAddress.parse(address).family
}

function listenKey({ address, port }: { readonly address: string; readonly port?: number }): string {
  return `${IpAddress.parse(address)} port ${port === 0 ? `0 of ${address}` : (port ?? 179)}`
}
