import { WireError, type ByteReader } from '@heddle/wire'
import type { Family } from './family.js'
import { framingOf } from './framing.js'
import type { NlriMode } from './nlri-mode.js'
import type { RawNlri } from './raw.js'

/**
 * Entries of a family whose heads tell them from each other. What an entry holds may be malformed without costing the others: such a one
 * stays as octets, and `mode.malformed` gets the reason, which lets the caller withdraw it rather than end the session (RFC 7606 §5.4).
 *
 * @param decodeEntry reads one entry, head included, and nothing behind it
 * @throws WireError where nobody can tell where an entry ends
 */
export function decodeFramed<T extends object>(
  input: ByteReader,
  family: Family,
  mode: NlriMode,
  decodeEntry: (entry: ByteReader) => T,
): (T | RawNlri)[] {
  const framing = framingOf(family) ?? input.fail('bgp.nlri.family', 'RFC 4760 §5')
  const out: (T | RawNlri)[] = []
  while (input.remaining > 0) {
    const path = mode.addPath ? { pathId: input.u32() } : {}
    const entry = input.sub(framing(input), `nlri[${out.length}]`)
    try {
      const nlri = decodeEntry(entry)
      if (entry.remaining > 0) entry.fail('bgp.nlri.length', 'RFC 7606 §5.4')
      out.push({ ...nlri, ...path })
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      mode.malformed?.(error)
      out.push({ kind: 'raw', bytes: entry.bytes.slice(), ...path })
    }
  }
  return out
}
