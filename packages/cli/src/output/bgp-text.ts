import type { BgpExplainRow, BgpNeighborRow, BgpPolicyRow, BgpWatchRow } from '@heddle/agent'
import type { Json } from '@heddle/bgp'
import { brief } from './brief.js'
import { formatTable, printable, type Column } from './table.js'
import { duration } from './views.js'

const or = (value: string | number | null): string => (value === null ? '-' : String(value))
const list = (values: readonly string[]): string => (values.length === 0 ? '-' : values.join(' '))
const counts = (values: object): string =>
  Object.entries(values)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')

/** Lines of `name  value`. */
function fields(rows: readonly (readonly [string, string])[], indent = '  '): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${indent}${name.padEnd(width)}  ${printable(value)}\n`).join('')
}

/** A neighbor with all that is known of it. */
export function neighborText(row: BgpNeighborRow): string {
  const { capabilities: agreed, messages, timers, lastNotification: last } = row
  const { address: _address, as: _as, description: _description, ...rest } = row.config as { readonly [key: string]: Json }
  const since = row.uptime === null ? '' : `, for ${duration(row.uptime)}`
  return [
    `neighbor ${row.address}, AS ${row.as}${row.description === null ? '' : ` (${printable(row.description)})`}\n`,
    fields([
      ['state', `${row.state}${since}; established ${row.established} times`],
      ['router id', or(row.routerId)],
      ['local address', or(row.localAddress)],
      ['remote address', or(row.remoteAddress)],
      ...(row.bfd === null ? [] : [['bfd', row.bfd] as const]),
      ['families', list(row.families)],
      ...(agreed === null ? [] : capabilityFields(agreed)),
      ['timers', `hold ${timers.hold}s, keepalive ${timers.keepalive === null ? '-' : `${timers.keepalive}s`}`],
      ['sent', counts(messages.sent)],
      ['received', counts(messages.received)],
      ...row.routes.map(({ family, received, stale, sent }): [string, string] => [
        `routes ${family}`,
        `received ${received}${stale > 0 ? ` (${stale} stale)` : ''}, sent ${sent}`,
      ]),
      ...(last === null ? [] : [['notification', `${last.code}/${last.subcode} ${last.direction} ${last.shutdown ?? ''}`.trim()] as const]),
      ['last error', or(row.lastError)],
      ['configuration', brief(rest)],
    ]),
  ].join('')
}

function capabilityFields(agreed: NonNullable<BgpNeighborRow['capabilities']>): [string, string][] {
  const flags = Object.entries({
    'four-octet AS': agreed.asn4,
    'extended messages': agreed.extendedMessage,
    'route refresh': agreed.routeRefresh,
    'enhanced route refresh': agreed.enhancedRouteRefresh,
    'graceful restart': agreed.gracefulRestart !== null,
    'long-lived graceful restart': agreed.longLivedGracefulRestart !== null,
  })
  return [
    ['capabilities', flags.flatMap(([name, has]) => (has ? [name] : [])).join(', ') || '-'],
    ...(agreed.addPathSend.length > 0 ? [['add-path sent', list(agreed.addPathSend)] as [string, string]] : []),
    ...(agreed.addPathReceive.length > 0 ? [['add-path received', list(agreed.addPathReceive)] as [string, string]] : []),
    ...(agreed.extendedNextHop.length > 0 ? [['IPv6 next hops', list(agreed.extendedNextHop)] as [string, string]] : []),
    ...(agreed.role === null ? [] : [['role', agreed.role] as [string, string]]),
  ]
}

/** A policy in its text form, below whose it is. */
export function policyText({ neighbor, direction, name, text }: BgpPolicyRow): string {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('policy '))
  return `${direction} of ${neighbor}${name === null ? '' : `: ${printable(name)}`}\n${lines.map((line) => `  ${printable(line)}\n`).join('')}`
}

const PATHS: readonly Column<BgpExplainRow['paths'][number]>[] = [
  { title: '  PATH FROM', text: (row) => `  ${row.peer}${row.pathId === 0 ? '' : ` #${row.pathId}`}` },
  { title: 'VERDICT', text: (row) => `${row.verdict}${row.stale ? ' (stale)' : ''}` },
  { title: 'BECAUSE', text: (row) => row.because },
  { title: 'TERM', text: (row) => or(row.term) },
  { title: 'NEXT HOP', text: (row) => or(row.nextHop) },
  { title: 'LOCAL PREF', text: (row) => or(row.localPref), align: 'right' },
  { title: 'MED', text: (row) => or(row.med), align: 'right' },
  { title: 'AS PATH', text: (row) => row.asPath || '-' },
]
const TOLD: readonly Column<BgpExplainRow['advertised'][number]>[] = [
  { title: '  TOLD TO', text: (row) => `  ${row.neighbor}` },
  { title: 'HOLDS IT', text: (row) => (row.holds ? 'yes' : 'no') },
  { title: 'BECAUSE', text: (row) => or(row.because) },
  { title: 'TERM', text: (row) => or(row.term) },
  { title: 'NEXT HOP', text: (row) => or(row.nextHop) },
]

const IMPORTED: readonly Column<BgpExplainRow['imported'][number]>[] = [
  { title: '  IMPORTED BY', text: (row) => `  ${row.vrf}` },
  { title: 'IMPORTS IT', text: (row) => (row.because === null ? 'yes' : 'no') },
  { title: 'BECAUSE', text: (row) => row.because ?? row.targets.join(' ') },
]

/** Why a destination is what it is. */
export function explainText({ family, rd, destination, paths, advertised, imported }: BgpExplainRow, colors: boolean): string {
  const head = `${destination}${rd === null ? '' : ` of ${rd}`}, ${family}\n`
  const told = advertised.length === 0 ? '' : formatTable(TOLD, advertised, { colors })
  const taken = imported.length === 0 ? '' : formatTable(IMPORTED, imported, { colors })
  return `${printable(head.trim())}\n${formatTable(PATHS, paths, { colors })}${told}${taken}`
}

/** Values and what is in them, a line each. */
export function nestedText(value: { readonly [key: string]: Json }): string {
  return fields(flat(value, ''), '')
}

function flat(value: { readonly [key: string]: Json }, prefix: string): [string, string][] {
  return Object.entries(value).flatMap(([key, item]): [string, string][] => {
    const name = `${prefix}${key}`
    if (typeof item === 'number') return [[name, String(Math.round(item * 1000) / 1000)]]
    if (typeof item !== 'object' || item === null) return [[name, String(item)]]
    if (Array.isArray(item)) return item.map((one): [string, string] => [name, typeof one === 'object' ? listed(one) : String(one)])
    return flat(item as { readonly [key: string]: Json }, `${name}.`)
  })
}

/** `family rtc, destinations 1`. */
function listed(value: Json): string {
  return Object.entries(value ?? {})
    .map(([key, item]) => `${key} ${String(item)}`)
    .join(', ')
}

/** An event of a watch on one line. */
export function watchText(row: BgpWatchRow): string {
  const head = String(row.sequence).padStart(6)
  switch (row.event) {
    case 'route': {
      const { family, rd, destination, peer, nextHop, asPath } = row.route
      return `${head}  + ${printable(`${family} ${rd === null ? '' : `${rd} `}${destination} via ${or(nextHop)} from ${peer}${asPath === '' ? '' : ` [${asPath}]`}`)}\n`
    }
    case 'gone':
      return `${head}  - ${printable(`${row.family} ${row.rd === null ? '' : `${row.rd} `}${row.destination}`)}\n`
    case 'neighbor':
      return `${head}  neighbor ${row.neighbor} ${row.state}\n`
    default:
      return `${head}  ${row.event}\n`
  }
}
