/** A column of a table for people. */
export interface Column<Row> {
  readonly title: string
  readonly text: (row: Row) => string
  /** Numbers stand right. */
  readonly align?: 'left' | 'right'
}

export interface TableOptions {
  /** Whether escape sequences may be used: only on a terminal. */
  readonly colors: boolean
}

const BOLD = '\u001B[1m'
const RESET = '\u001B[0m'

/** `rows` as lines of text, a heading above them, columns two blanks apart; no line ends in blanks. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], { colors }: TableOptions): string {
  const widths = columnWidths(columns, rows)
  const titles = columns.map(({ title }) => title)
  const lines = rows.map((row) => columns.map(({ text }) => text(row)))
  return [tableLine(columns, titles, widths, { bold: colors }), ...lines.map((texts) => tableLine(columns, texts, widths))].join('')
}

/** How wide each column must be for `rows` and its title. */
export function columnWidths<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): number[] {
  return columns.map(({ title, text }) => rows.reduce((widest, row) => Math.max(widest, printable(text(row)).length), title.length))
}

/** One line of a table, with its end. */
export function tableLine<Row>(
  columns: readonly Column<Row>[],
  texts: readonly string[],
  widths: readonly number[],
  { bold = false }: { readonly bold?: boolean } = {},
): string {
  const line = texts
    .map(printable)
    .map((text, at) => (columns[at].align === 'right' ? text.padStart(widths[at]) : text.padEnd(widths[at])))
    .join('  ')
    .trimEnd()
  return `${bold ? `${BOLD}${line}${RESET}` : line}\n`
}

/** Names come from files and peers: what would move a terminal's cursor is shown as its code. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
