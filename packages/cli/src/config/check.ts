import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import { ConfigError, type ConfigProblem } from './config-error.js'
import { didYouMean } from './did-you-mean.js'
import type { BgpSection, EndpointSection, NodeDocument, SpeakerDocument, VrfSection } from './document.js'
import type { ConfigPath, ParsedFile } from './parse.js'
import { inOrder } from './validate.js'

/**
 * What a schema cannot say: names that must be unique, references that must lead somewhere, values that exclude each other.
 *
 * @throws ConfigError `config.invalid`, with every problem in the order of the file
 */
export function checkNode(parsed: ParsedFile, document: NodeDocument): void {
  const vrfs = document.vrfs ?? []
  finish(parsed, [
    ...bgpProblems(parsed, document),
    ...dataplaneProblems(parsed, document),
    ...vrfProblems(parsed, vrfs),
    ...endpointProblems(parsed, document.endpoints ?? [], vrfs),
    ...cniProblems(parsed, document, vrfs),
  ])
}

/** As `checkNode`, for a speaker. */
export function checkSpeaker(parsed: ParsedFile, document: SpeakerDocument): void {
  finish(parsed, bgpProblems(parsed, document))
}

function finish(parsed: ParsedFile, problems: readonly ConfigProblem[]): void {
  if (problems.length > 0) throw new ConfigError('config.invalid', parsed.file, inOrder(problems))
}

function bgpProblems(parsed: ParsedFile, { node, bgp }: SpeakerDocument): ConfigProblem[] {
  const neighbors = bgp.neighbors ?? []
  return [
    ...addressProblem(parsed, ['node', 'address'], node.address),
    ...routerIdProblem(parsed, node.address, bgp),
    ...repeated(parsed, ['bgp', 'neighbors'], 'address', neighbors, ({ address }) => canonical(address), 'each neighbour once'),
    ...repeated(parsed, ['bgp', 'listen'], 'port', bgp.listen ?? [], listenKey, 'each address and port once'),
    ...repeated(
      parsed,
      ['bgp', 'networks'],
      'prefix',
      bgp.networks ?? [],
      (n) => `${RouteDistinguisher.parse(n.rd)} ${n.prefix}`,
      'each route once',
    ),
    ...neighbors.flatMap((neighbor, index): ConfigProblem[] => {
      const at = ['bgp', 'neighbors', index]
      const out = addressProblem(parsed, [...at, 'address'], neighbor.address)
      if (neighbor.passive === true && (bgp.listen ?? []).length === 0) {
        out.push(
          parsed.problem([...at, 'passive'], 'true, and no bgp.listen to accept its connection on', 'false, or an address in bgp.listen'),
        )
      }
      if (neighbor.routeReflectorClient === true && neighbor.as !== bgp.as) {
        const allowed = `false, or a neighbour of AS ${bgp.as}: only internal neighbours are clients (RFC 4456 §6)`
        out.push(parsed.problem([...at, 'routeReflectorClient'], 'true', allowed))
      }
      const { localAddress } = neighbor
      if (localAddress !== undefined && IpAddress.parse(localAddress).family !== IpAddress.parse(neighbor.address).family) {
        out.push(
          parsed.problem(
            [...at, 'localAddress'],
            JSON.stringify(localAddress),
            'an address of the same family as the address of the neighbour',
          ),
        )
      }
      return out
    }),
  ]
}

function dataplaneProblems(parsed: ParsedFile, { dataplane }: NodeDocument): ConfigProblem[] {
  if (dataplane?.uplink === undefined || dataplane.kind === 'ebpf') return []
  return [
    parsed.problem(
      ['dataplane', 'uplink'],
      JSON.stringify(dataplane.uplink),
      `nothing: a dataplane of the kind ${dataplane.kind} finds its way by the routes`,
    ),
  ]
}

function routerIdProblem(parsed: ParsedFile, address: string, bgp: BgpSection): ConfigProblem[] {
  if (bgp.routerId !== undefined || IpAddress.parse(address).family === 4) return []
  return [
    parsed.problem(
      ['bgp', 'routerId'],
      'nothing',
      'an IPv4 address that is not 0.0.0.0 (the key "routerId" is required where node.address is IPv6)',
    ),
  ]
}

/** Tunnel ends and neighbours are single hosts. */
function addressProblem(parsed: ParsedFile, path: ConfigPath, text: string): ConfigProblem[] {
  const address = IpAddress.parse(text)
  return address.isUnspecified || address.isMulticast ? [parsed.problem(path, JSON.stringify(text), 'the address of one host')] : []
}

function vrfProblems(parsed: ParsedFile, vrfs: readonly VrfSection[]): ConfigProblem[] {
  return [
    ...repeated(parsed, ['vrfs'], 'name', vrfs, ({ name }) => name, 'a name that no other VRF has'),
    ...repeated(
      parsed,
      ['vrfs'],
      'rd',
      vrfs,
      ({ rd }) => String(RouteDistinguisher.parse(rd)),
      'a route distinguisher that no other VRF has',
    ),
    ...vrfs.flatMap(({ staticRoutes = [] }, index): ConfigProblem[] => {
      const at = ['vrfs', index, 'staticRoutes']
      return [
        ...repeated(parsed, at, 'prefix', staticRoutes, ({ prefix }) => String(IpPrefix.parse(prefix)), 'each prefix once'),
        ...staticRoutes.flatMap(({ prefix, via }, route) => {
          if (via === 'discard' || IpAddress.parse(via).family === IpPrefix.parse(prefix).family) return []
          return [parsed.problem([...at, route, 'via'], JSON.stringify(via), 'discard, or an address of the same family as the prefix')]
        }),
      ]
    }),
  ]
}

function endpointProblems(parsed: ParsedFile, endpoints: readonly EndpointSection[], vrfs: readonly VrfSection[]): ConfigProblem[] {
  const names = vrfs.map(({ name }) => name)
  const owners = new Map<string, number>()
  const out = repeated(
    parsed,
    ['endpoints'],
    'ifname',
    endpoints,
    ({ netns, ifname }) => `${ifname} in ${netns}`,
    'each device of a namespace once',
  )
  for (const [index, { vrf, addresses }] of endpoints.entries()) {
    if (!names.includes(vrf)) {
      const near = didYouMean(vrf, names)
      const list =
        names.length === 0
          ? 'the name of a VRF, and vrfs has none'
          : `${names.join(', ')}${near === undefined ? '' : ` (did you mean "${near}"?)`}`
      out.push(parsed.problem(['endpoints', index, 'vrf'], JSON.stringify(vrf), list))
    }
    for (const [at, text] of addresses.entries()) {
      const path = ['endpoints', index, 'addresses', at]
      const { address } = IpPrefix.parse(text)
      if (address.isUnspecified || address.isMulticast || address.isLoopback) {
        out.push(parsed.problem(path, JSON.stringify(text), 'the address of one host, and no loopback address'))
      }
      const key = `${vrf} ${address}`
      const owner = owners.get(key)
      if (owner !== undefined)
        out.push(parsed.problem(path, JSON.stringify(text), `an address that endpoints[${owner}] does not have in the same VRF`))
      else owners.set(key, index)
    }
  }
  return out
}

function cniProblems(parsed: ParsedFile, { cni }: NodeDocument, vrfs: readonly VrfSection[]): ConfigProblem[] {
  const at = ['cni', 'networks']
  const networks = cni?.networks ?? []
  return [
    ...repeated(parsed, at, 'name', networks, ({ name }) => name, 'a name that no other network has'),
    ...networks.flatMap(({ name, vrf = name, pools = [] }, index): ConfigProblem[] => {
      const isThere = vrfs.some((one) => one.name === vrf)
      const allowed = `the name of a VRF: ${vrfs.map((one) => one.name).join(', ') || 'vrfs has none'}`
      return [
        ...(isThere ? [] : [parsed.problem([...at, index, 'vrf'], JSON.stringify(vrf), allowed)]),
        ...repeated(parsed, [...at, index, 'pools'], 'prefix', pools, ({ prefix }) => String(IpPrefix.parse(prefix)), 'each prefix once'),
      ]
    }),
  ]
}

/** Later entries whose `keyOf` an earlier one has. */
function repeated<T extends object>(
  parsed: ParsedFile,
  at: ConfigPath,
  field: keyof T & string,
  entries: readonly T[],
  keyOf: (entry: T) => string,
  allowed: string,
): ConfigProblem[] {
  const first = new Map<string, number>()
  return entries.flatMap((entry, index) => {
    const key = keyOf(entry)
    const earlier = first.get(key)
    if (earlier === undefined) {
      first.set(key, index)
      return []
    }
    return [parsed.problem([...at, index, field], `${JSON.stringify(key)}, as in entry ${earlier}`, allowed)]
  })
}

function canonical(address: string): string {
  return String(IpAddress.parse(address))
}

function listenKey({ address, port }: { readonly address: string; readonly port?: number }): string {
  return `${canonical(address)} port ${port === 0 ? `0 of ${address}` : (port ?? 179)}`
}
