import type { BgpAttributesRow, BgpRouteRow, BgpStatisticsRow } from '@heddle/agent'
import { brief } from './brief.js'
import type { Column } from './table.js'

const or = (value: string | number | null): string => (value === null ? '-' : String(value))

/** `heddle show bgp routes`. */
export const ROUTE_COLUMNS: readonly Column<BgpRouteRow>[] = [
  { title: '', text: (row) => (row.invalid === null ? `${row.best ? '>' : row.multipath ? '=' : ' '}${row.stale ? 's' : ' '}` : 'x ') },
  { title: 'FAMILY', text: (row) => row.family },
  { title: 'RD', text: (row) => or(row.rd) },
  { title: 'DESTINATION', text: (row) => `${row.destination}${row.pathId === 0 ? '' : ` #${row.pathId}`}` },
  { title: 'PEER', text: (row) => row.peer },
  { title: 'NEXT HOP', text: (row) => or(row.nextHop) },
  { title: 'LABELS', text: (row) => row.labels.join('/') || '-', align: 'right' },
  { title: 'PREF', text: (row) => or(row.localPref), align: 'right' },
  { title: 'MED', text: (row) => or(row.med), align: 'right' },
  { title: 'AS PATH', text: (row) => `${row.asPath === '' ? '' : `${row.asPath} `}${row.origin === null ? '' : row.origin[0]}` },
  { title: 'TARGETS', text: (row) => row.routeTargets.join(' ') || '-' },
  { title: 'COMMUNITIES', text: (row) => row.communities.join(' ') || '-' },
  { title: 'NOT USED', text: (row) => or(row.invalid) },
]
/** What stands above them. */
export const ROUTE_LEGEND = '> best, = beside the best, s stale, x not used\n'

/** `heddle show bgp attributes`. */
export const ATTRIBUTE_COLUMNS: readonly Column<BgpAttributesRow>[] = [
  { title: 'ROUTES', text: (row) => String(row.routes), align: 'right' },
  { title: 'FAMILY', text: (row) => row.family },
  { title: 'NEXT HOP', text: (row) => or(row.nextHop) },
  { title: 'EXAMPLE', text: (row) => row.example },
  { title: 'ATTRIBUTES', text: (row) => brief(row.attributes) },
]

/** `heddle show bgp statistics`. */
export const STATISTICS_COLUMNS: readonly Column<BgpStatisticsRow>[] = [
  { title: 'NEIGHBOR', text: (row) => row.neighbor },
  { title: 'FAMILY', text: (row) => row.family },
  { title: 'RECEIVED', text: (row) => String(row.received), align: 'right' },
  { title: 'USED', text: (row) => String(row.used), align: 'right' },
  { title: 'BEST', text: (row) => String(row.best), align: 'right' },
  { title: 'STALE', text: (row) => String(row.stale), align: 'right' },
  { title: 'SENT', text: (row) => String(row.sent), align: 'right' },
  {
    title: 'REJECTED',
    text: (row) =>
      Object.entries(row.rejected)
        .map(([reason, count]) => `${reason} ${count}`)
        .join(', ') || '-',
  },
]
