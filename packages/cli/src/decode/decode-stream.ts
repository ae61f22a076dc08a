import { decodeLine } from '@heddle/bgp'
import { linesOf } from '../control/lines.js'
import type { Output } from '../output/output.js'

/** Longest line that is decoded, in characters: a message of 65,535 octets as hex takes 131,070, and JSON around it little. */
const MAX_INPUT_LINE = 1 << 20

/** What is printed for a line that is not even read to its end. */
const TOO_LONG = {
  ok: false,
  error: { code: 'bgp.input.length', offset: 0, path: 'message', rfc: 'RFC 8654 §4', handling: 'session-reset' },
} as const

/** Characters that are collected before they are written. */
const BATCH = 1 << 16

/**
 * Reads one BGP message a line from `chunks` and writes one JSON a line, in the same order. Holds one batch of lines at most: a reader that is slow
 * slows the input down.
 */
export async function decodeStream(chunks: AsyncIterable<Uint8Array>, output: Output): Promise<void> {
  let batch = ''
  const flush = async (): Promise<void> => {
    const text = batch
    batch = ''
    if (text !== '' && !output.write(text)) await output.drained()
  }
  for await (const line of linesOf(chunks, MAX_INPUT_LINE)) {
    batch += `${JSON.stringify(line === null ? TOO_LONG : decodeLine(line))}\n`
    if (batch.length >= BATCH) await flush()
  }
  await flush()
}
