import { ControlClient } from '../control/client.js'
import { findSocket, type NodeChoice } from '../control/find-socket.js'
import type { TraceRequest } from '../observe/observe-request.js'
import type { TraceRow } from '../observe/observe-stream.js'
import { summaryOf } from '../observe/packet-summary.js'
import type { Output } from '../output/output.js'
import { printable } from '../output/table.js'

export interface TraceOptions extends NodeChoice, TraceRequest {
  /** Packets after which it ends. */
  readonly count?: number
  readonly json?: boolean
}

/** `heddle trace`: live packets, each with what the dataplane does with it and why, until interrupted. */
export async function trace({ count, json = false, ...options }: TraceOptions, output: Output): Promise<void> {
  const { node: _node, socket: _socket, ...request } = options
  const client = await ControlClient.connect(await findSocket(options))
  let left = count ?? Number.POSITIVE_INFINITY
  try {
    for await (const rows of client.stream('trace', request)) {
      for (const row of rows as readonly TraceRow[]) {
        const text = json ? `${JSON.stringify({ ...row, time: new Date(row.time).toISOString() })}\n` : described(row)
        if (!output.write(text)) await output.drained()
        if (--left <= 0) return
      }
    }
  } finally {
    await client.close()
  }
}

function described({ time, lost, from, encapsulation, hex, length, steps, outcome, reason }: TraceRow): string {
  const width = Math.max(0, ...steps.map(({ step }) => step.length))
  const packet = Uint8Array.from(Buffer.from(hex, 'hex'))
  return [
    ...(lost > 0 ? [`(${lost} packets left out)`] : []),
    `${new Date(time).toISOString()} from ${printable(from)}${encapsulation === null ? '' : ` by ${encapsulation}`}: ${summaryOf(packet, encapsulation)}, ${length} octets`,
    ...steps.map(({ step, text }) => `  ${step.padEnd(width)}  ${printable(text)}`),
    `  ${VERDICTS[outcome]}${reason === null ? '' : `: ${reason}`}`,
    '',
  ]
    .map((line) => `${line}\n`)
    .join('')
}

const VERDICTS = { deliver: 'delivered', send: 'sent', cut: 'sent on in parts', drop: 'dropped' } as const
