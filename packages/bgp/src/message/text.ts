/** UTF-8 as text; `undefined` when the octets are not well-formed UTF-8. */
export function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** The characters of `text` that fit into `limit` octets of UTF-8. */
export function truncateText(text: string, limit: number): string {
  let size = 0
  let out = ''
  for (const character of text) {
    size += encodeText(character).length
    if (size > limit) break
    out += character
  }
  return out
}

/** Text as UTF-8. */
export function encodeText(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
