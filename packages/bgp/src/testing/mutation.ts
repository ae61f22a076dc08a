import fc, { type Arbitrary } from 'fast-check'
import { HEADER_SIZE } from '../iana.js'

/**
 * Octets with one thing wrong: a cut, an octet one more or less (as lengths go wrong), an octet of any value, a stretch repeated or left out.
 * The header's length is made to fit again, so that the damage reaches the decoder behind it.
 */
export function mutated(message: Uint8Array): Arbitrary<Uint8Array> {
  const body = message.subarray(HEADER_SIZE)
  if (body.length === 0) return fc.uint8Array({ maxLength: 8 }).map((tail) => reframed(message, tail))
  const at = fc.nat(body.length - 1)
  const stretch = fc.tuple(at, fc.nat(40)).map(([from, size]) => [from, Math.min(body.length, from + size)] as const)
  return fc
    .oneof(
      at.map((length) => body.slice(0, length)),
      fc.tuple(at, fc.constantFrom(-1, 1)).map(([index, step]) => body.with(index, (body[index] + step) & 0xff)),
      fc.tuple(at, fc.nat(255)).map(([index, value]) => body.with(index, value)),
      stretch.map(([from, to]) => joined(body.subarray(0, to), body.subarray(from))),
      stretch.map(([from, to]) => joined(body.subarray(0, from), body.subarray(to))),
    )
    .map((changed) => reframed(message, changed))
}

function joined(head: Uint8Array, tail: Uint8Array): Uint8Array {
  return Uint8Array.of(...head, ...tail)
}

function reframed(message: Uint8Array, body: Uint8Array): Uint8Array {
  const out = joined(message.subarray(0, HEADER_SIZE), body)
  out[16] = out.length >>> 8
  out[17] = out.length & 0xff
  return out
}
