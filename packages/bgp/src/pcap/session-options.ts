import { negotiate } from '../capability/negotiate.js'
import { decodeMessage } from '../decode.js'
import type { OpenMessage } from '../message/message.js'
import type { DecodeOptions } from '../message/options.js'
import type { DecodeResult } from '../message/result.js'

/** How messages may be read while nobody knows what the session agreed on, the likelier first. */
const GUESSES: readonly DecodeOptions[] = [
  { peerType: 'ibgp' },
  { peerType: 'ibgp', asn4: false },
  { peerType: 'ibgp', addPath: 'all' },
  { peerType: 'ibgp', asn4: false, addPath: 'all' },
]

/** What the OPENs of a session say about its messages; where they were not captured, what the messages themselves look like. */
export class SessionOptions {
  readonly #opens: (OpenMessage | undefined)[] = [undefined, undefined]
  readonly #agreed: (readonly DecodeOptions[])[] = [GUESSES, GUESSES]

  /** A message that one end sent, read. @param sender 0 or 1 */
  read(sender: 0 | 1, pdu: Uint8Array): DecodeResult {
    let best: DecodeResult | undefined
    for (const options of this.#agreed[sender]) {
      const result = decodeMessage(pdu, options)
      if (result.ok && result.message.type === 'open') this.#learn(sender, result.message)
      if (faults(result) === 0) return result
      if (best === undefined || faults(result) < faults(best)) best = result
    }
    return best ?? decodeMessage(pdu)
  }

  #learn(sender: 0 | 1, open: OpenMessage): void {
    this.#opens[sender] = open
    const [first, second] = this.#opens
    if (first === undefined || second === undefined) return
    const { asn4, peerType, addPath } = negotiate(first, second)
    this.#agreed[0] = [{ asn4, peerType, addPath: addPath.send }]
    this.#agreed[1] = [{ asn4, peerType, addPath: addPath.receive }]
  }
}

function faults(result: DecodeResult): number {
  return result.ok ? result.errors.filter(({ handling }) => handling !== 'ignore').length : Number.POSITIVE_INFINITY
}
