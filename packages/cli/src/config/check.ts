import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import { bgpProblems } from './check-bgp.js'
import { ConfigError, type ConfigProblem } from './config-error.js'
import type { CniNetworkSection, DataplaneSection, EndpointSection, NodeDocument, SpeakerDocument, VrfSection } from './document.js'
import type { ConfigPath, ParsedFile } from './parse.js'
import { repeated, unknownName } from './problems.js'
import { trafficProblems } from './check-traffic.js'
import { show } from '../schema/complaints.js'
import { withSecrets } from './secrets.js'
import { inOrder } from './validate.js'

/**
 * What a schema cannot say: names that must be unique, references that must lead somewhere, values that exclude each other.
 *
 * @returns the document with keys in the place of where they are to be found
 * @throws ConfigError `config.invalid`, with every problem in the order of the file
 */
export function checkNode(parsed: ParsedFile, given: NodeDocument): NodeDocument {
  const problems: ConfigProblem[] = []
  const document = { ...given, bgp: withSecrets(parsed, given.bgp, problems) }
  const vrfs = document.vrfs ?? []
  finish(parsed, [
    ...problems,
    ...bgpProblems(parsed, document),
    ...dataplaneProblems(parsed, document),
    ...vrfProblems(parsed, vrfs),
    ...endpointProblems(parsed, document.endpoints ?? [], vrfs),
    ...trafficProblems(
      parsed,
      document,
      vrfs.map(({ name }) => name),
    ),
    ...cniProblems(parsed, document, vrfs),
  ])
  return document
}

/** As `checkNode`, for a speaker. */
export function checkSpeaker(parsed: ParsedFile, given: SpeakerDocument): SpeakerDocument {
  const problems: ConfigProblem[] = []
  const document = { ...given, bgp: withSecrets(parsed, given.bgp, problems) }
  finish(parsed, [...problems, ...bgpProblems(parsed, document)])
  return document
}

function finish(parsed: ParsedFile, problems: readonly ConfigProblem[]): void {
  if (problems.length > 0) throw new ConfigError('config.invalid', parsed.file, inOrder(problems))
}

/** Keys of the eBPF dataplane, and what others do instead. */
const OF_EBPF = {
  uplink: 'finds its way by the routes',
  xdp: 'has no programs in the kernel',
  devices: 'has devices of one kind',
  encapsulations: 'carries all that it knows',
  without: 'asks nothing of the kernel that it could do without',
  routes: 'always has room for as many',
  fibBlocks: 'takes memory as routes come',
  flows: 'always has room for as many',
  ports: 'always has room for as many',
  pinDirectory: 'pins nothing',
} as const satisfies Partial<Record<keyof DataplaneSection, string>>

function dataplaneProblems(parsed: ParsedFile, { dataplane }: NodeDocument): ConfigProblem[] {
  if (dataplane === undefined) return []
  const { kind, pinDirectory, inProcess = false } = dataplane
  if (kind === 'ebpf') {
    if (pinDirectory === undefined || !inProcess) return []
    return [
      parsed.problem(['dataplane', 'pinDirectory'], show(pinDirectory), 'nothing: with dataplane.inProcess nothing outlives the agent'),
    ]
  }
  return (Object.entries(OF_EBPF) as [keyof typeof OF_EBPF, string][]).flatMap(([key, instead]) =>
    dataplane[key] === undefined
      ? []
      : [parsed.problem(['dataplane', key], show(dataplane[key]), `nothing: a dataplane of the kind ${kind} ${instead}`)],
  )
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
    ...repeated(parsed, ['vrfs'], 'vni', vrfs, ({ vni }) => vni?.toString(), 'a VNI that no other VRF has'),
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
  for (const [index, { vrf, addresses, gateways = [] }] of endpoints.entries()) {
    for (const [at, text] of gateways.entries()) {
      const gateway = IpAddress.parse(text)
      const isOwn = addresses.some((own) => IpPrefix.parse(own).address.equals(gateway))
      const isSecond = gateways.findIndex((other) => IpAddress.parse(other).family === gateway.family) < at
      if (isOwn || isSecond)
        out.push(
          parsed.problem(['endpoints', index, 'gateways', at], JSON.stringify(text), 'one address a family, none of the endpoint’s own'),
        )
    }
    if (!names.includes(vrf)) {
      out.push(unknownName(parsed, ['endpoints', index, 'vrf'], vrf, names, 'vrfs'))
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
    ...sharedNamespaces(parsed, at, networks),
    ...networks.flatMap(({ name, vrf = name, pools = [] }, index): ConfigProblem[] => {
      const isThere = vrfs.some((one) => one.name === vrf)
      const allowed = `the name of a VRF: ${vrfs.map((one) => one.name).join(', ') || 'vrfs has none'}`
      return [
        ...(isThere ? [] : [parsed.problem([...at, index, 'vrf'], JSON.stringify(vrf), allowed)]),
        ...pools.flatMap(({ block }, place) =>
          block === undefined || block.indices !== undefined || cni?.blocks !== undefined
            ? []
            : [parsed.problem([...at, index, 'pools', place, 'block'], JSON.stringify(block), 'one with indices, or with cni.blocks')],
        ),
        ...repeated(parsed, [...at, index, 'pools'], 'prefix', pools, ({ prefix }) => String(IpPrefix.parse(prefix)), 'each prefix once'),
      ]
    }),
  ]
}

function sharedNamespaces(parsed: ParsedFile, at: ConfigPath, networks: readonly CniNetworkSection[]): ConfigProblem[] {
  const owners = new Map<string, string>()
  return networks.flatMap(({ name, namespaces = [] }, index) =>
    namespaces.flatMap((namespace, place) => {
      const owner = owners.get(namespace) ?? name
      owners.set(namespace, owner)
      const path = [...at, index, 'namespaces', place]
      return owner === name ? [] : [parsed.problem(path, JSON.stringify(namespace), `a namespace that is not also that of ${owner}`)]
    }),
  )
}
