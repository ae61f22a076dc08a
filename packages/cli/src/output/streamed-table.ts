import type { Output } from './output.js'
import { columnWidths, tableLine, type Column } from './table.js'

/** Rows whose texts say how wide the columns are; what comes behind them may be wider. */
const MEASURED = 512

/** A table whose rows come in pieces: it holds those that it measures, and no more. */
export class StreamedTable<Row> {
  readonly #columns: readonly Column<Row>[]
  readonly #output: Output
  #held: Row[] = []
  #widths: readonly number[] | undefined

  constructor(columns: readonly Column<Row>[], output: Output) {
    this.#columns = columns
    this.#output = output
  }

  /** Writes rows, once there are enough to know how wide the columns are. */
  async rows(rows: readonly Row[]): Promise<void> {
    if (this.#widths !== undefined) return this.#write(rows)
    this.#held.push(...rows)
    if (this.#held.length >= MEASURED) await this.#begin()
  }

  /** Writes what is held; the heading even when there is nothing below it. */
  async end(): Promise<void> {
    if (this.#widths === undefined) await this.#begin()
  }

  async #begin(): Promise<void> {
    const rows = this.#held
    this.#held = []
    this.#widths = columnWidths(this.#columns, rows)
    const heading = tableLine(
      this.#columns,
      this.#columns.map(({ title }) => title),
      this.#widths,
      { bold: this.#output.isTerminal },
    )
    this.#output.write(heading)
    await this.#write(rows)
  }

  async #write(rows: readonly Row[]): Promise<void> {
    const widths = this.#widths ?? []
    const text = rows
      .map((row) =>
        tableLine(
          this.#columns,
          this.#columns.map((column) => column.text(row)),
          widths,
        ),
      )
      .join('')
    if (text !== '' && !this.#output.write(text)) await this.#output.drained()
  }
}
