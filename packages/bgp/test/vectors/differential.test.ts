import { ByteWriter } from '@heddle/wire'
import {
  decodeMessage,
  type DecodeResult,
  type EvpnNlri,
  type FlowspecComponent,
  type FlowspecNlri,
  type Nlri,
  type NumericMatch,
  type UpdateMessage,
  type VplsNlri,
} from '@heddle/bgp'
import { beforeAll, describe, expect, test } from 'vitest'
import { encodeNlri } from '../../src/nlri/registry.js'
import { has, valuesOf } from './directory.js'
import { bytesOf, optionsOf, type Row } from './row.js'

type Tree = Readonly<Record<string, unknown>>

/** One UPDATE as ExaBGP 4.2.21 read it: families, then next hops where they are announced, then routes. */
interface Seen {
  readonly id: string
  readonly message: { readonly update?: { readonly announce?: Tree; readonly withdraw?: Tree } }
}

/** Rows of which ExaBGP reads other routes. */
const EXABGP_DIFFERS: readonly { readonly why: string; readonly applies: (row: Row) => boolean }[] = [
  { why: 'it leaves path identifiers of EVPN and FlowSpec unread', applies: ({ addpath }) => (addpath ?? []).length > 0 },
  {
    why: 'an IP prefix whose bits behind its length are set: they are cleared when it is written again',
    applies: ({ id }) => id === 's031006',
  },
]

const CORPUS = 'bgp-messages.jsonl.gz'
const ANSWERS = 'bgp-messages.exabgp.jsonl.gz'

describe.skipIf(!has(CORPUS) || !has(ANSWERS))('routes are those that ExaBGP saw (skipped without HEDDLE_VECTORS)', () => {
  const pairs: { readonly row: Row; readonly result: DecodeResult; readonly seen: Seen }[] = []

  beforeAll(() => {
    const rows = new Map(valuesOf<Row>(CORPUS).map((row) => [row.id, row]))
    for (const seen of valuesOf<Seen>(ANSWERS)) {
      const row = rows.get(seen.id)
      if (row?.expectation !== 'valid' || EXABGP_DIFFERS.some(({ applies }) => applies(row))) continue
      pairs.push({ row, seen, result: decodeMessage(bytesOf(row), optionsOf(row)) })
    }
  })

  /** Compares routes of some families, as text; returns how many. */
  function compare(families: readonly string[], ours: (nlri: Nlri) => string[], theirs: (route: Tree) => string): number {
    let compared = 0
    for (const { row, result, seen } of pairs) {
      const routes = routesOf(seen, families)
      if (routes.length === 0 || !result.ok || result.message.type !== 'update' || result.errors.length > 0) continue
      const mine = nlriOf(result.message).flatMap(ours)
      expect(mine.sort(), `${row.id} ${row.source}`).toEqual(routes.map(theirs).sort())
      compared += routes.length
    }
    return compared
  }

  test('FlowSpec of IPv4, IPv6 and their VPNs, with prefixes and comparisons', () => {
    const flow = ['ipv4 flow', 'ipv6 flow', 'ipv4 flow-vpn', 'ipv6 flow-vpn']
    expect(compare(flow, (nlri) => (nlri.kind === 'flowspec' ? [ruleText(nlri)] : []), seenRule)).toBeGreaterThan(1500)
  })

  test('EVPN, octet for octet and with RD', () => {
    expect(compare(['l2vpn evpn'], (nlri) => (nlri.kind === 'evpn' ? [evpnText(nlri)] : []), seenEvpn)).toBeGreaterThan(1000)
  })

  test('VPLS', () => {
    expect(compare(['l2vpn vpls'], (nlri) => (nlri.kind === 'vpls' ? [vplsText(nlri)] : []), seenVpls)).toBeGreaterThan(200)
  })
})

function routesOf({ message }: Seen, families: readonly string[]): Tree[] {
  const { announce = {}, withdraw = {} } = message.update ?? {}
  return families.flatMap((family) => [
    ...Object.values((announce[family] ?? {}) as Tree).flat(),
    ...[withdraw[family] ?? []].flat(),
  ]) as Tree[]
}

function nlriOf({ announced, withdrawn }: UpdateMessage): Nlri[] {
  return [...announced, ...withdrawn].flatMap(({ nlri }) => nlri)
}

/** Components that both print as numbers; the others by name only, since ExaBGP has words for many values. */
const NUMERIC = ['port', 'destination-port', 'source-port', 'packet-length', 'flow-label'] as const
const SAME: Readonly<Record<string, string>> = { 'next-header': 'protocol', 'traffic-class': 'dscp' }

function ruleText({ rd, components }: FlowspecNlri): string {
  const rest = components.map((component) => {
    if ('prefix' in component) return `${component.type} ${component.prefix}`
    return (NUMERIC as readonly string[]).includes(component.type) ? `${component.type} ${matchesText(component)}` : component.type
  })
  return [rd === undefined ? '' : rd.toString().replace('L:', ':'), ...rest.sort()].join(', ')
}

const SIGNS: Readonly<Record<NumericMatch['operator'], string>> = {
  '==': '=',
  '!=': '!=',
  '<': '<',
  '<=': '<=',
  '>': '>',
  '>=': '>=',
  true: 'true',
  false: 'false',
}

function matchesText({ matches }: Exclude<FlowspecComponent, { prefix: unknown }>): string {
  return matches.map((match) => `${match.and ? '&' : ' '}${'operator' in match ? SIGNS[match.operator] : ''}${match.value}`).join('')
}

function seenRule(route: Tree): string {
  const rest = Object.entries(route).flatMap(([name, value]) => {
    if (name === 'rd' || name === 'string') return []
    const [, end] = /^(destination|source)-ipv[46]$/.exec(name) ?? []
    const list = value as readonly string[]
    if (end !== undefined) return [`${end}-prefix ${list[0].split('/').slice(0, 2).join('/')}`]
    const own = SAME[name] ?? name
    return [(NUMERIC as readonly string[]).includes(own) ? `${own} ${list.map((item) => ` ${item}`).join('')}` : own]
  })
  return [typeof route['rd'] === 'string' ? route['rd'] : '', ...rest.sort()].join(', ')
}

function evpnText(nlri: EvpnNlri): string {
  const out = new ByteWriter()
  const family = { afi: 25, safi: 70, name: 'l2vpn-evpn', key: (25 << 8) | 70 }
  encodeNlri(nlri, out, family, { addPath: false, withdraw: false })
  return Buffer.from(out.view()).toString('hex')
}

function seenEvpn(route: Tree): string {
  return String(route['raw']).toLowerCase()
}

function vplsText(nlri: VplsNlri): string {
  const rd = nlri.rd.toString().replace('L:', ':')
  return nlri.route === 'edge' ? `${rd} ${nlri.edgeId} ${nlri.labelBase >>> 4} ${nlri.blockOffset} ${nlri.blockSize}` : rd
}

function seenVpls(route: Tree): string {
  return ['rd', 'endpoint', 'base', 'offset', 'size'].map((name) => String(route[name])).join(' ')
}
