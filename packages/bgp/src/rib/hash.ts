/** Mixes a word into a hash (the multiply-rotate steps that MurmurHash3 made common). */
export function mix(hash: number, word: number): number {
  let value = Math.imul(word, 0xcc9e2d51)
  value = (value << 15) | (value >>> 17)
  const mixed = hash ^ Math.imul(value, 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

/** Spreads the last entropy over all bits: a word with a sign, which costs no allocation wherever it goes. */
export function finish(hash: number): number {
  let value = hash ^ (hash >>> 16)
  value = Math.imul(value, 0x85ebca6b)
  value ^= value >>> 13
  value = Math.imul(value, 0xc2b2ae35)
  return value ^ (value >>> 16)
}

/** Of the octets `from` up to `to`, by words. */
export function hashOctets(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let hash = to - from
  let at = from
  for (; at + 4 <= to; at += 4) hash = mix(hash, bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24))
  let tail = 0
  for (; at < to; at++) tail = (tail << 8) | bytes[at]
  return finish(mix(hash, tail))
}
