import { IpAddress, IpPrefix } from '@heddle/wire'
import { vpnRoute } from './row.js'

type Tree = { readonly [key: string]: unknown }

/** VPNv4 routes that tshark saw, in the form of `vpnRoutes`; it has a bug with VPNv6, whose prefixes it does not print. */
export function tsharkVpnv4Routes(dissection: unknown): string[] {
  return trees(dissection)
    .flatMap((tree) => {
      const announced = tree['bgp.mp_reach_nlri_ipv4_prefix']
      const address = announced ?? tree['bgp.mp_unreach_nlri_ipv4_prefix']
      const rd = tree['bgp.rd']
      if (typeof address !== 'string' || typeof rd !== 'string') return []
      const labels = String(tree['bgp.label_stack'])
        .replace(/ \(.*\)/, '')
        .split(',')
        .map(Number)
      const length = Number(tree['bgp.prefix_length']) - 64 - 24 * labels.length
      return [vpnRoute(announced === undefined ? '-' : '+', undefined, rd, prefixText(`${address}/${length}`), labels)]
    })
    .sort()
}

/** Route targets that tshark saw, in their order. */
export function tsharkRouteTargets(dissection: unknown): string[] {
  return trees(dissection).flatMap((tree) => {
    const value = (name: string): string => String(tree[`bgp.ext_com.value_${name}`])
    if (tree['bgp.ext_com.stype_tr_as2'] === '0x02') return [`${value('as2')}:${value('an4')}`]
    if (tree['bgp.ext_com.stype_tr_as4'] === '0x02') return [`${value('as4')}:${value('an2')}`]
    if (tree['bgp.ext_com.stype_tr_IP4'] === '0x02') return [`${value('IP4')}:${value('an2')}`]
    return []
  })
}

/** Route target memberships of full length that tshark saw. */
export function tsharkMemberships(dissection: unknown): string[] {
  return trees(dissection)
    .flatMap((tree) => {
      const target = tree['bgp.community_prefix']
      return typeof target === 'string' && tree['bgp.prefix_length'] === '96' ? [`${String(tree['bgp.originating_as'])} ${target}`] : []
    })
    .sort()
}

/** Attributes of one value or a plain list that tshark saw, in the form of `attributes`; without AS_PATH, which it does not merge with AS4_PATH. */
export function tsharkAttributes(dissection: unknown): string[] {
  const lines: string[] = []
  for (const tree of trees(dissection)) {
    const values = (name: string): string[] => [tree[name] ?? []].flat().map(String)
    for (const [field, name] of SIMPLE) for (const value of values(field)) lines.push(`${name} ${value}`)
    const numbers = values('bgp.update.path_attribute.community_value')
    values('bgp.update.path_attribute.community_as').forEach((as, at) => lines.push(`community ${as}:${numbers[at]}`))
    const [first, second] = [values('bgp.large_communities.ldp1'), values('bgp.large_communities.ldp2')]
    values('bgp.large_communities.ga').forEach((global, at) => lines.push(`large-community ${global}:${first[at]}:${second[at]}`))
  }
  return lines.sort()
}

const SIMPLE = [
  ['bgp.update.path_attribute.origin', 'origin'],
  ['bgp.update.path_attribute.multi_exit_disc', 'med'],
  ['bgp.update.path_attribute.local_pref', 'local-pref'],
  ['bgp.update.path_attribute.originator_id', 'originator'],
  ['bgp.path_attribute.cluster_id', 'cluster'],
  ['bgp.update.path_attribute.next_hop', 'next-hop'],
  ['bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv4', 'mp-next-hop'],
  ['bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6', 'mp-next-hop'],
  ['bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6.link_local', 'mp-next-hop'],
] as const

interface ExabgpRoute {
  readonly nlri: string
  readonly label: readonly (readonly number[])[]
  readonly rd?: string
  readonly 'path-information'?: string
}

/** VPN routes of an UPDATE that ExaBGP saw, in the form of `vpnRoutes`. */
export function exabgpVpnRoutes(message: unknown): string[] {
  const update = (message as { update?: { announce?: Tree; withdraw?: Tree } }).update ?? {}
  const families = (group: Tree = {}): unknown[] => [group['ipv4 mpls-vpn'], group['ipv6 mpls-vpn']].filter((part) => part !== undefined)
  const announced = families(update.announce).flatMap((byNextHop) => Object.values(byNextHop as Tree).flat() as ExabgpRoute[])
  const withdrawn = families(update.withdraw).flat() as ExabgpRoute[]
  return [...announced.map((route) => exabgpRoute('+', route)), ...withdrawn.map((route) => exabgpRoute('-', route))].sort()
}

function exabgpRoute(sign: string, { nlri, label, rd = '0:0', 'path-information': path }: ExabgpRoute): string {
  const pathId = path?.split('.').reduce((word, octet) => word * 256 + Number(octet), 0)
  return vpnRoute(sign, pathId, rd, prefixText(nlri), label.flat())
}

/** As our prefixes print: bits behind the length cleared, which neither tool does. */
function prefixText(text: string): string {
  const [address = '', length] = text.split('/')
  return IpPrefix.of(IpAddress.parse(address), Number(length)).toString()
}

/** Every object in the tree, outside first. */
function trees(value: unknown): Tree[] {
  if (Array.isArray(value)) return value.flatMap(trees)
  if (typeof value !== 'object' || value === null) return []
  return [value as Tree, ...Object.values(value).flatMap(trees)]
}
