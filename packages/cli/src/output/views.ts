import type { ViewName, Views } from '@heddle/agent'
import { amountText } from '../amount.js'
import { formatTable, type Column, type TableOptions } from './table.js'

type Columns = { readonly [Name in ViewName]: readonly Column<Views[Name][number]>[] }

const list = (values: readonly string[]): string => (values.length === 0 ? '-' : values.join(' '))
const or = (value: string | number | null): string => (value === null ? '-' : String(value))
const yes = (value: boolean): string => (value ? 'yes' : 'no')

const COLUMNS: Columns = {
  neighbors: [
    { title: 'NEIGHBOR', text: (row) => row.address },
    { title: 'AS', text: (row) => String(row.as), align: 'right' },
    { title: 'STATE', text: (row) => row.state },
    { title: 'UP', text: (row) => (row.uptime === null ? '-' : duration(row.uptime)), align: 'right' },
    { title: 'ROUTES', text: (row) => `${row.received}${row.stale > 0 ? ` (${row.stale} stale)` : ''}`, align: 'right' },
    { title: 'SENT', text: (row) => String(row.sent), align: 'right' },
    { title: 'HOLD', text: (row) => `${row.holdTime}s`, align: 'right' },
    { title: 'GR', text: (row) => yes(row.gracefulRestart) },
    { title: 'FAMILIES', text: (row) => list(row.families) },
    { title: 'LAST ERROR', text: (row) => or(row.lastError) },
  ],
  vrfs: [
    { title: 'VRF', text: (row) => row.name },
    { title: 'RD', text: (row) => row.rd },
    { title: 'IMPORT', text: (row) => list(row.import) },
    { title: 'EXPORT', text: (row) => list(row.export) },
    { title: 'VNI', text: (row) => or(row.vni), align: 'right' },
    { title: 'ROUTER MAC', text: (row) => or(row.routerMac) },
    { title: 'ENDPOINTS', text: (row) => String(row.endpoints), align: 'right' },
    { title: 'ROUTES', text: (row) => String(row.routes), align: 'right' },
  ],
  routes: [
    { title: '', text: (row) => `${row.best ? '*' : ' '}${row.installed ? '>' : ' '}${row.stale ? 's' : ' '}` },
    { title: 'VRF', text: (row) => row.vrf },
    { title: 'PREFIX', text: (row) => row.prefix },
    { title: 'RD', text: (row) => row.rd },
    { title: 'TARGETS', text: (row) => list(row.routeTargets) },
    { title: 'LABEL', text: (row) => or(row.label), align: 'right' },
    { title: 'NEXT HOP', text: (row) => or(row.nextHop) },
    { title: 'ENCAPSULATION', text: (row) => or(row.encapsulation) },
    { title: 'PEER', text: (row) => row.peer },
  ],
  labels: [
    { title: 'LABEL', text: (row) => String(row.label), align: 'right' },
    { title: 'ACTION', text: (row) => row.action },
    { title: 'VRF', text: (row) => or(row.vrf) },
    { title: 'ENDPOINT', text: (row) => or(row.endpoint) },
    { title: 'ACCEPTED FROM', text: (row) => list(row.sources) },
  ],
  tunnels: [
    { title: 'LOCAL', text: (row) => row.local },
    { title: 'REMOTE', text: (row) => row.remote },
    { title: 'ENCAPSULATION', text: (row) => row.encapsulation },
    { title: 'NEXT HOPS', text: (row) => String(row.nextHops), align: 'right' },
    { title: 'ROUTES', text: (row) => String(row.routes), align: 'right' },
    { title: 'PATH MTU', text: (row) => or(row.pathMtu), align: 'right' },
    { title: 'HOST SENDS BY', text: (row) => or(row.hostLink) },
  ],
  drops: [
    { title: 'REASON', text: (row) => row.reason },
    { title: 'PACKETS', text: (row) => String(row.packets), align: 'right' },
  ],
  endpoints: [
    { title: 'VRF', text: (row) => row.vrf },
    { title: 'NAMESPACE', text: (row) => row.netns },
    { title: 'DEVICE', text: (row) => row.ifname },
    { title: 'ADDRESSES', text: (row) => list(row.addresses) },
    { title: 'LINK', text: (row) => row.link },
    { title: 'RATE OUT/IN', text: ratesText, align: 'right' },
    { title: 'LABEL', text: (row) => String(row.label), align: 'right' },
    { title: 'MTU', text: (row) => String(row.mtu), align: 'right' },
    { title: 'STATE', text: (row) => (row.error === null ? row.state : `${row.state}: ${row.error}`) },
  ],
  services: [
    { title: 'SERVICE', text: (row) => row.service },
    { title: 'VRF', text: (row) => row.vrf },
    { title: 'ADDRESS', text: (row) => `${row.address} ${row.protocol}/${row.port}` },
    { title: 'BACKEND', text: (row) => row.backend },
    { title: 'WEIGHT', text: (row) => String(row.weight), align: 'right' },
    { title: 'STATE', text: (row) => row.state },
    { title: 'CHECK', text: (row) => (row.check === null ? '-' : row.asked ? row.check : 'elsewhere') },
    { title: 'FOR', text: (row) => (row.since === null ? '-' : duration(row.since)), align: 'right' },
    { title: 'BECAUSE', text: (row) => or(row.reason) },
  ],
  bfd: [
    { title: 'REMOTE', text: (row) => row.remote },
    { title: 'LOCAL', text: (row) => row.local },
    { title: 'HOPS', text: (row) => row.hops },
    { title: 'STATE', text: (row) => row.state },
    { title: 'FOR', text: (row) => (row.since === null ? '-' : duration(row.since)), align: 'right' },
    { title: 'INTERVAL', text: (row) => `${row.interval}ms`, align: 'right' },
    { title: 'DETECTION', text: (row) => `${row.detection}ms`, align: 'right' },
    { title: 'WATCHED FOR', text: (row) => list(row.users) },
    { title: 'BECAUSE', text: (row) => or(row.reason) },
  ],
  dataplane: [
    { title: 'KIND', text: (row) => row.kind },
    { title: 'ENCAPSULATIONS', text: (row) => list(row.encapsulations) },
    { title: 'GENERATION', text: (row) => String(row.generation), align: 'right' },
    { title: 'VRFS', text: (row) => String(row.vrfs), align: 'right' },
    { title: 'PORTS', text: (row) => String(row.ports), align: 'right' },
    { title: 'NEXT HOPS', text: (row) => String(row.nextHops), align: 'right' },
    { title: 'GROUPS', text: (row) => String(row.groups), align: 'right' },
    { title: 'LABELS', text: (row) => String(row.labels), align: 'right' },
    { title: 'ROUTES', text: (row) => String(row.routes), align: 'right' },
    { title: 'DEVICES', text: (row) => String(row.devices), align: 'right' },
    { title: 'FAILURES', text: (row) => list(row.failures) },
  ],
  bpf: [
    { title: 'KIND', text: (row) => row.kind },
    { title: 'NAME', text: (row) => row.name },
    { title: 'ID', text: (row) => or(row.id), align: 'right' },
    { title: 'VERSION', text: (row) => or(row.version) },
    { title: 'OCTETS', text: (row) => or(row.octets), align: 'right' },
    { title: 'CAPACITY', text: (row) => or(row.capacity), align: 'right' },
    { title: 'PIN', text: (row) => or(row.pin) },
    { title: 'DETAILS', text: (row) => row.details },
  ],
}

/** What stands above the rows where they use signs. */
const LEGEND: { readonly [Name in ViewName]?: string } = {
  routes: '* best, > installed, s stale',
}

/** The rows of a view as a table for people. */
export function formatView<Name extends ViewName>(name: Name, rows: Views[Name], options: TableOptions): string {
  const columns = COLUMNS[name] as readonly Column<Views[Name][number]>[]
  const legend = LEGEND[name]
  const shown = name === 'drops' ? seenDrops(rows as Views['drops']) : (rows as readonly Views[Name][number][])
  if (name === 'drops' && shown.length === 0) return 'nothing was dropped\n'
  const more = name === 'dataplane' ? (rows as Views['dataplane']).map((row) => dataplaneText(row, options)).join('') : ''
  return `${legend === undefined ? '' : `${legend}\n`}${formatTable(columns, shown, options)}${more}`
}

const FILLS: readonly Column<Views['dataplane'][number]['tables'][number]>[] = [
  { title: 'TABLE', text: (row) => row.name },
  { title: 'USED', text: (row) => String(row.used), align: 'right' },
  { title: 'CAPACITY', text: (row) => or(row.capacity), align: 'right' },
]
const CHOICES: readonly Column<Views['dataplane'][number]['choices'][number]>[] = [
  { title: 'CHOICE', text: (row) => row.what },
  { title: 'CHOSEN', text: (row) => row.chosen },
  { title: 'BECAUSE', text: (row) => row.because },
]

/** What has no place in one line of a table: features, how full the tables are, what was chosen and why. */
function dataplaneText({ features, tables, choices }: Views['dataplane'][number], options: TableOptions): string {
  const chosen = choices.length === 0 ? '' : `\n${formatTable(CHOICES, choices, options)}`
  return `\nfeatures: ${list(features)}\n\n${formatTable(FILLS, tables, options)}${chosen}`
}

/** Reasons that never came up would bury those that did. */
function seenDrops<Row extends Views['drops'][number]>(rows: readonly Row[]): readonly Row[] {
  return rows.filter(({ packets }) => packets > 0)
}

/** A running node of the version before tells nothing of limits. */
function ratesText({ rateLimits }: Partial<Pick<Views['endpoints'][number], 'rateLimits'>>): string {
  return `${rateText(rateLimits?.egress ?? null)}/${rateText(rateLimits?.ingress ?? null)}`
}

function rateText(limit: Views['endpoints'][number]['rateLimits']['egress']): string {
  return limit === null ? '-' : amountText(limit.bitsPerSecond)
}

/** `42s`, `3m07s`, `5h12m`, `2d03h`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds)
  const [days, hours, minutes, rest] = [Math.floor(whole / 86_400), Math.floor(whole / 3_600) % 24, Math.floor(whole / 60) % 60, whole % 60]
  const two = (value: number): string => String(value).padStart(2, '0')
  if (days > 0) return `${days}d${two(hours)}h`
  if (hours > 0) return `${hours}h${two(minutes)}m`
  return minutes > 0 ? `${minutes}m${two(rest)}s` : `${rest}s`
}
