import { ENDPOINT_LINKS, type EndpointLink } from '@heddle/core'
import type { PoolDefinition } from '../ipam/pool.js'
import { CniError } from '../protocol/cni-error.js'
import { CNI_CODES } from '../protocol/codes.js'
import type { CniConfiguration } from '../protocol/configuration.js'
import type { CniDns } from '../protocol/dns.js'
import { isObject } from '../protocol/json.js'
import { isIdentifier } from '../protocol/names.js'

/** A virtual network that containers can be attached to. */
export interface CniNetwork {
  /** A letter or digit, then letters, digits, `_`, `.` and `-`. */
  readonly name: string
  /** Its VRF on this node. */
  readonly vrf: string
  /** Kubernetes namespaces whose pods are in it, where no annotation names another network; none of them is another network's. */
  readonly namespaces?: readonly string[]
  /** Where its addresses come from, unless a configuration names a delegated plugin. */
  readonly pools: readonly PoolDefinition[]
  /** What its endpoints' devices carry, where a configuration has no key `link`; default `ip`. */
  readonly link?: EndpointLink
  /** For containers of which neither configuration nor address management say it. */
  readonly dns?: CniDns
  /** Whether its endpoints can be reached from the node itself, though other networks have their addresses too; default false. */
  readonly nodeAddress?: boolean
  /** What runtimes are told of as an endpoint's address; `node-address` needs `nodeAddress`. Default `address`. */
  readonly report?: 'address' | 'node-address'
}

/** What a network is chosen by. */
export interface NetworkQuery {
  /** Of the pod's annotation, or else of its Kubernetes namespace, or else the key `network` of the configuration. */
  readonly name: string | undefined
  readonly config: CniConfiguration
  /** `CNI_ARGS`; Kubernetes gives `K8S_POD_NAMESPACE` and `K8S_POD_NAME`. */
  readonly args: Readonly<Record<string, string>>
  /** Of the pod, where the configuration declares the capability `io.kubernetes.cri.pod-annotations`. */
  readonly annotations: Readonly<Record<string, string>>
}

/** The networks there are, or a function that knows one. */
export type NetworkSource = readonly CniNetwork[] | ((query: NetworkQuery) => CniNetwork | undefined | Promise<CniNetwork | undefined>)

const ANNOTATIONS = 'io.kubernetes.cri.pod-annotations'

/**
 * @param annotation key of the annotation that names a network; without it annotations choose nothing, since whoever makes a pod writes them
 * @throws CniError 7 when no network is named, or there is none of the name
 */
export async function chooseNetwork(
  source: NetworkSource,
  config: CniConfiguration,
  args: Readonly<Record<string, string>>,
  annotation?: string,
): Promise<CniNetwork> {
  const annotations = annotationsOf(config)
  const annotated = annotation === undefined ? undefined : annotations[annotation]
  const known = Array.isArray(source) ? (source as readonly CniNetwork[]) : undefined
  const namespace = args['K8S_POD_NAMESPACE']
  const ofNamespace = namespace === undefined ? undefined : known?.find(({ namespaces }) => namespaces?.includes(namespace) === true)
  const named = annotated ?? ofNamespace?.name ?? configured(config)
  const network =
    typeof source === 'function' ? await source({ name: named, config, args, annotations }) : known?.find(({ name }) => name === named)
  if (network !== undefined && isIdentifier(network.name)) return network
  const asked = annotated === undefined ? 'network' : `the annotation ${annotation}`
  const found = named === undefined ? 'network is missing' : `${asked} is ${JSON.stringify(named)}, and there is no such network`
  throw new CniError(
    CNI_CODES.invalidConfiguration,
    found,
    known === undefined ? '' : `allowed: ${known.map(({ name }) => name).join(', ')}`,
  )
}

/** What the device of an endpoint shall carry: as the key `link` of the configuration says, or else its network. @throws CniError 7 */
export function chooseLink({ raw }: CniConfiguration, { link = 'ip' }: CniNetwork): EndpointLink {
  const value = raw['link'] ?? link
  const known = ENDPOINT_LINKS.find((one) => one === value)
  if (known !== undefined) return known
  throw new CniError(CNI_CODES.invalidConfiguration, `link is ${JSON.stringify(value)}; allowed: ${ENDPOINT_LINKS.join(', ')}`)
}

function configured({ raw }: CniConfiguration): string | undefined {
  const value = raw['network']
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined
  throw new CniError(CNI_CODES.invalidConfiguration, `network is ${JSON.stringify(value)}; allowed: the name of a network`)
}

function annotationsOf({ runtimeConfig }: CniConfiguration): Readonly<Record<string, string>> {
  const value = runtimeConfig[ANNOTATIONS]
  if (!isObject(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}
