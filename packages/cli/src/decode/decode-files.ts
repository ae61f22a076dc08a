import { formatTable } from '../output/table.js'
import type { Output } from '../output/output.js'
import { fileOctets, octets } from './input.js'
import { recordText } from './record-text.js'
import { recordReader, type DecodedRecord, type FileFormat } from './records.js'

/** How records are printed. */
export interface DecodeFilesOptions {
  /** Files, one after the other; standard input where there are none, or for `-`. */
  readonly files: readonly string[]
  /** A readable line a record instead of JSON. */
  readonly table?: boolean
  /** Only how many there are of each kind. */
  readonly summary?: boolean
}

/** Characters that are collected before they are written. */
const BATCH = 1 << 16

/**
 * `heddle decode mrt|bmp|pcap`: the records of files as lines, as they are read: memory does not grow with the files. What is malformed is a line with
 * an error.
 *
 * @throws what the system says of a file that cannot be read
 */
export async function decodeFiles(
  format: FileFormat,
  { files, table = false, summary = false }: DecodeFilesOptions,
  input: AsyncIterable<Uint8Array>,
  output: Output,
): Promise<void> {
  const counts = new Map<string, number>()
  const lines = new Lines(output)
  const take = async (records: readonly DecodedRecord[]): Promise<void> => {
    for (const record of records) {
      if (summary) counts.set(record.kind, (counts.get(record.kind) ?? 0) + 1)
      else await lines.add(table ? recordText(record) : `${JSON.stringify(record.json)}\n`)
    }
  }
  for (const file of files.length === 0 ? ['-'] : files) {
    const reader = recordReader(format)
    for await (const chunk of file === '-' ? octets(input) : fileOctets(file)) await take(reader.push(chunk))
    await take(reader.end())
  }
  if (summary) await lines.add(summaryText(counts, output.isTerminal))
  await lines.flush()
}

function summaryText(counts: ReadonlyMap<string, number>, colors: boolean): string {
  const rows = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([kind, count]) => ({ kind, count }))
  const columns = [
    { title: 'RECORDS', text: ({ count }: (typeof rows)[number]) => String(count), align: 'right' as const },
    { title: 'KIND', text: ({ kind }: (typeof rows)[number]) => kind },
  ]
  return formatTable(columns, rows, { colors })
}

/** Collects text, and writes it in pieces as fast as it is taken. */
class Lines {
  #text = ''

  constructor(private readonly output: Output) {}

  async add(text: string): Promise<void> {
    this.#text += text
    if (this.#text.length >= BATCH) await this.flush()
  }

  async flush(): Promise<void> {
    const text = this.#text
    this.#text = ''
    if (text !== '' && !this.output.write(text)) await this.output.drained()
  }
}
