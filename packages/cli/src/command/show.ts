import type { ViewName, Views } from '@heddle/agent'
import type { NodeChoice } from '../control/find-socket.js'
import type { Output } from '../output/output.js'
import { formatView } from '../output/views.js'
import { ask } from './ask.js'

export interface ShowOptions extends NodeChoice {
  readonly json?: boolean
}

/** `heddle show WHAT`: a table for people, or with `json` an array for programs. */
export async function show(what: ViewName, options: ShowOptions, output: Output): Promise<void> {
  const rows = (await ask(options, 'show', { what })) as Views[typeof what]
  output.write(options.json === true ? `${JSON.stringify(rows, null, 2)}\n` : formatView(what, rows, { colors: output.isTerminal }))
}
