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
  const cells = rows.map((row) => columns.map(({ text }) => printable(text(row))))
  const widths = columns.map(({ title }, at) => Math.max(title.length, ...cells.map((row) => row[at].length)))
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => (columns[at].align === 'right' ? text.padStart(widths[at]) : text.padEnd(widths[at])))
      .join('  ')
      .trimEnd()
  const heading = line(columns.map(({ title }) => title))
  return [colors ? `${BOLD}${heading}${RESET}` : heading, ...cells.map(line)].map((text) => `${text}\n`).join('')
}

/** Names come from files and peers: what would move a terminal's cursor is shown as its code. */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
