import type { ConfigChange } from '@heddle/agent'
import { formatTable, type Column, type TableOptions } from './table.js'

const COLUMNS: readonly Column<ConfigChange>[] = [
  { title: 'CHANGE', text: ({ kind }) => kind },
  { title: 'WHAT', text: ({ what }) => what },
  { title: 'NAME', text: ({ name }) => name },
  { title: 'SESSION', text: ({ what, impact }) => (what === 'neighbor' ? impact : '-') },
  { title: 'KEYS', text: ({ fields }) => fields.join(' ') || '-' },
]

/** What another configuration changes, as a table; a sentence where that is nothing. */
export function formatChanges(changes: readonly ConfigChange[], options: TableOptions): string {
  const rows = changes.filter(({ kind }) => kind !== 'keep')
  return rows.length === 0 ? 'nothing changes\n' : formatTable(COLUMNS, rows, options)
}

/** The same on one line, for the log. */
export function changeText({ kind, what, name, impact, fields }: ConfigChange): string {
  const session = what === 'neighbor' ? `: ${impact}${fields.length === 0 ? '' : ` (${fields.join(', ')})`}` : ''
  return `${kind} ${what} ${name}${session}`
}
