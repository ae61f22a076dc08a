import type { NodeChoice } from '../control/find-socket.js'
import type { Output } from '../output/output.js'
import { printable } from '../output/table.js'
import type { ExplainAnswer, ExplainRequest } from '../node/explain.js'
import { ask } from './ask.js'

export type ExplainOptions = NodeChoice & ExplainRequest & { readonly json?: boolean }

/** `heddle explain`: each step that a packet would take, and why. */
export async function explain(options: ExplainOptions, output: Output): Promise<void> {
  const { node: _node, socket: _socket, json, ...request } = options
  const answer = (await ask(options, 'explain', request)) as ExplainAnswer
  if (json === true) {
    output.write(`${JSON.stringify(answer, null, 2)}\n`)
    return
  }
  const width = Math.max(...answer.steps.map(({ step }) => step.length))
  output.write(answer.steps.map(({ step, text }) => `${step.padEnd(width)}  ${printable(text)}\n`).join(''))
  output.write(`${printable(answer.verdict)}\n`)
}
