/** What a dataplane did otherwise than its contract says; its message tells what was expected and what came. */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError'
  readonly code = 'conformance.violation'
}

/** @throws ConformanceError unless `condition` holds */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new ConformanceError(message)
}

/** @throws ConformanceError unless both print as the same JSON */
export function checkEqual(found: unknown, expected: unknown, what: string): void {
  const [left, right] = [printed(found), printed(expected)]
  if (left !== right) throw new ConformanceError(`${what}: expected ${right}, found ${left}`)
}

/** Readable and comparable: typed arrays as hexadecimal, addresses as text. */
export function printed(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (inner instanceof Uint8Array ? hex(inner) : inner)) ?? 'undefined'
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join('')
}
