import type { BgpExplainRow, BgpNeighborRow, BgpPolicyRow, BgpWatchRow } from '@heddle/agent'
import type { Json } from '@heddle/bgp'
import type { BgpRequest } from '../bgp/bgp-request.js'
import { ControlClient } from '../control/client.js'
import { findSocket, type NodeChoice } from '../control/find-socket.js'
import { ATTRIBUTE_COLUMNS, ROUTE_COLUMNS, ROUTE_LEGEND, STATISTICS_COLUMNS } from '../output/bgp-columns.js'
import { explainText, neighborText, nestedText, policyText, watchText } from '../output/bgp-text.js'
import type { Output } from '../output/output.js'
import { StreamedTable } from '../output/streamed-table.js'
import type { Column } from '../output/table.js'

export interface ShowBgpOptions extends NodeChoice {
  readonly json?: boolean
}

/** Takes rows as they come, and writes them. */
interface Printer {
  rows(rows: readonly unknown[]): Promise<void>
  end(): Promise<void>
}

/**
 * `heddle show bgp …`: rows are printed as they come, so that a table may be larger than what this process could hold. With `json` an array; a watch
 * prints one object a line.
 */
export async function showBgp(request: BgpRequest, { json = false, ...choice }: ShowBgpOptions, output: Output): Promise<void> {
  const client = await ControlClient.connect(await findSocket(choice))
  try {
    const printer = json ? jsonPrinter(request.what === 'watch', output) : textPrinter(request, output)
    for await (const rows of client.stream('bgp', request)) await printer.rows(rows)
    await printer.end()
  } finally {
    await client.close()
  }
}

async function write(output: Output, text: string): Promise<void> {
  if (text !== '' && !output.write(text)) await output.drained()
}

function jsonPrinter(lines: boolean, output: Output): Printer {
  let isFirst = true
  return {
    async rows(rows) {
      if (lines) return write(output, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      const text = rows.map((row) => JSON.stringify(row)).join(',\n')
      await write(output, `${isFirst ? '[\n' : ',\n'}${text}`)
      isFirst = false
    },
    async end() {
      if (!lines) await write(output, isFirst ? '[]\n' : '\n]\n')
    },
  }
}

function textPrinter({ what }: BgpRequest, output: Output): Printer {
  switch (what) {
    case 'routes':
      output.write(ROUTE_LEGEND)
      return table(ROUTE_COLUMNS, output)
    case 'attributes':
      return table(ATTRIBUTE_COLUMNS, output)
    case 'statistics':
      return table(STATISTICS_COLUMNS, output)
    case 'explain':
      return blocks((row) => explainText(row as BgpExplainRow, output.isTerminal), output, 'nothing is known of it\n')
    case 'neighbors':
      return blocks((row) => neighborText(row as BgpNeighborRow), output, 'no neighbors\n')
    case 'policies':
      return blocks((row) => policyText(row as BgpPolicyRow), output, 'no policies\n')
    case 'metrics':
      return blocks((row) => nestedText(row as { readonly [key: string]: Json }), output, '')
    default:
      return blocks((row) => watchText(row as BgpWatchRow), output, '')
  }
}

function table<Row>(columns: readonly Column<Row>[], output: Output): Printer {
  const streamed = new StreamedTable(columns, output)
  return { rows: async (rows) => streamed.rows(rows as readonly Row[]), end: async () => streamed.end() }
}

function blocks(text: (row: unknown) => string, output: Output, nothing: string): Printer {
  let isEmpty = true
  return {
    async rows(rows) {
      isEmpty &&= rows.length === 0
      await write(output, rows.map(text).join(''))
    },
    async end() {
      if (isEmpty) await write(output, nothing)
    },
  }
}
