import { decodeMessage, type ExtendedCommunity } from '@heddle/bgp'
import { describe, expect, test } from 'vitest'
import { has, valuesOf } from './directory.js'
import { bytesOf, optionsOf, type Row } from './row.js'

type Tree = Readonly<Record<string, unknown>>

const CORPUS = 'bgp-messages.jsonl.gz'
const ANSWERS = 'bgp-messages.tshark.jsonl.gz'

describe.skipIf(!has(CORPUS) || !has(ANSWERS))('extended communities (skipped without HEDDLE_VECTORS)', () => {
  test('are of the kinds, and say what, tshark saw', () => {
    const rows = new Map(valuesOf<Row>(CORPUS).map((row) => [row.id, row]))
    const kinds = new Map<string, number>()
    for (const { id, bgp } of valuesOf<{ readonly id: string; readonly bgp: unknown }>(ANSWERS)) {
      const row = rows.get(id)
      if (row?.expectation !== 'valid' || row.oracles.tshark !== 'ok' || RESERVED_BITS.has(id)) continue
      const result = decodeMessage(bytesOf(row), optionsOf(row))
      if (!result.ok || result.message.type !== 'update') continue
      const theirs = communitiesIn(bgp).map(seenText)
      const ours = result.message.attributes.extendedCommunities ?? []
      // An attribute within an attribute (ATTR_SET) is one more there.
      if (theirs.length !== ours.length) continue
      ours.forEach((community, at) => {
        const line = theirs[at]
        if (line === undefined) return
        expect(ownText(community), `${id} ${row.source}`).toBe(line)
        kinds.set(community.kind, (kinds.get(community.kind) ?? 0) + 1)
      })
    }
    for (const kind of EXPECTED) expect(kinds.get(kind) ?? 0, kind).toBeGreaterThan(0)
    expect([...kinds.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20_000)
  })
})

/** Rows whose communities have reserved bits set, which tshark passes over: here they stay unknown, so that the bits survive. */
const RESERVED_BITS: ReadonlySet<string> = new Set(['s031010'])

/** Kinds that are among the 26,233 communities of the corpus. */
const EXPECTED: readonly ExtendedCommunity['kind'][] = [
  'route-target',
  'site-of-origin',
  'encapsulation',
  'traffic-rate-bytes',
  'traffic-action',
  'redirect',
  'traffic-marking',
  'layer2-info',
  'router-mac',
  'es-import',
  'link-bandwidth',
  'vrf-route-import',
  'source-as',
  'evpn-layer2-attributes',
]

function communitiesIn(tree: unknown): Tree[] {
  if (Array.isArray(tree)) return tree.flatMap(communitiesIn)
  if (typeof tree !== 'object' || tree === null) return []
  return [...('bgp.ext_com.type' in tree ? [tree as Tree] : []), ...Object.values(tree).flatMap(communitiesIn)]
}

const address = (word: number): string => [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.')

function pair(type: number, administrator: number, assigned: number): string {
  return type === 1 ? `${address(administrator)}:${assigned}` : `${administrator}:${assigned}`
}

/** The community as text; `undefined` for a kind of which tshark 4.0.17 says nothing. */
function ownText(community: ExtendedCommunity): string {
  switch (community.kind) {
    case 'route-target':
      return `02 ${pair(community.target.type, community.target.administrator, community.target.assigned)}`
    case 'site-of-origin':
      return `03 ${pair(community.type, community.administrator, community.assigned)}`
    case 'ospf-domain':
      return `05 ${pair(community.type, community.administrator, community.assigned)}`
    case 'source-as':
      return `09 ${community.as}:${community.assigned}`
    case 'vrf-route-import':
      return `0b ${community.address}:${community.assigned}`
    case 'redirect':
      return `redirect ${pair(community.type, community.administrator, community.assigned)}`
    case 'encapsulation':
      return `tunnel ${community.tunnelType}`
    case 'traffic-rate-bytes':
      return `rate ${community.as} ${Number(community.bytesPerSecond.toPrecision(6))}`
    case 'traffic-action':
      return `action ${community.sample} ${community.terminal}`
    case 'traffic-marking':
      return `dscp ${community.dscp}`
    case 'layer2-info':
      return `layer2 ${community.encapsulation} ${community.flags} ${community.mtu}`
    case 'router-mac':
    case 'es-import':
      return `${community.kind} ${community.mac}`
    case 'link-bandwidth':
      return `bandwidth ${community.as} ${community.transitive ? 'bits' : Number(community.bytesPerSecond.toPrecision(5))}`
    case 'evpn-layer2-attributes':
      return `evpn ${community.flags} ${community.mtu}`
    default:
      return community.kind
  }
}

function seenText(tree: Tree): string | undefined {
  const text = (name: string): string | undefined => {
    const value = tree[`bgp.ext_com${name}`]
    return typeof value === 'string' ? value : undefined
  }
  const type = Number(text('.type'))
  const subtype = text('.stype_tr_as2') ?? text('.stype_tr_IP4') ?? text('.stype_tr_as4')
  const value = `${text('.value_as2') ?? text('.value_IP4') ?? text('.value_as4')}:${text('.value_an4') ?? text('.value_an2')}`
  if (subtype !== undefined) {
    if (type === 0 && subtype === '0x04') return `bandwidth ${text('.value_as2')} bits`
    // Others with an administrator, e.g. of the router that a route comes from, are none of ours.
    return ['0x02', '0x03', '0x05', '0x09', '0x0b'].includes(subtype) ? `${subtype.slice(2)} ${value}` : 'unknown'
  }
  if (text('_flow.rate_limit') !== undefined) return `rate ${text('.value_as2')} ${Number(text('_flow.rate_limit'))}`
  if (text('_flow.sample') !== undefined) return `action ${text('_flow.sample') === '1'} ${text('_flow.traff_act') === '1'}`
  if (text('.value_fs_dscp') !== undefined) return `dscp ${Number(text('.value_fs_dscp'))}`
  if (text('_l2.encaps_type') !== undefined) return `layer2 ${text('_l2.encaps_type')} ${Number(text('_l2.c_flags'))} ${text('_l2.l2_mtu')}`
  if (text('.tunnel_type') !== undefined) return `tunnel ${text('.tunnel_type')}`
  if (text('_evpn.esi.router_mac') !== undefined) return `router-mac ${text('_evpn.esi.router_mac')}`
  if (text('_evpn.esi.rt') !== undefined) return `es-import ${text('_evpn.esi.rt')}`
  if (text('.value_link_bw') !== undefined) return `bandwidth ${text('.value_as2')} ${Number(text('.value_link_bw'))}`
  if (text('_evpn.l2attr.flags') !== undefined) return `evpn ${Number(text('_evpn.l2attr.flags'))} ${text('_evpn.l2attr.l2_mtu')}`
  const redirect = (text('.stype_tr_exp') ?? text('.stype_tr_exp_2') ?? text('.stype_tr_exp_3')) === '0x08'
  return redirect ? `redirect ${value}` : undefined
}
