/**
 * The lines of a byte stream, without their ends. Memory is bounded by the longest line that is kept: a longer one comes as `null`, and what
 * follows it is read on.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, maximum: number): AsyncGenerator<string | null> {
  const decoder = new TextDecoder()
  let parts: Uint8Array[] = []
  let length = 0
  let isTooLong = false
  const take = (rest?: Uint8Array): string | null => {
    const whole = rest === undefined ? parts : [...parts, rest]
    const line = isTooLong || length + (rest?.length ?? 0) > maximum ? null : decoder.decode(whole.length === 1 ? whole[0] : concat(whole))
    parts = []
    length = 0
    isTooLong = false
    return line?.endsWith('\r') === true ? line.slice(0, -1) : line
  }
  for await (const chunk of chunks) {
    let start = 0
    for (;;) {
      const end = chunk.indexOf(0x0a, start)
      if (end < 0) break
      yield take(chunk.subarray(start, end))
      start = end + 1
    }
    const rest = chunk.subarray(start)
    if (rest.length === 0) continue
    length += rest.length
    if (length > maximum) {
      isTooLong = true
      parts = []
    } else parts.push(rest)
  }
  if (length > 0) yield take()
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
