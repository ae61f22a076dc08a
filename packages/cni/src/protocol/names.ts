const IDENTIFIER = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

/** Longest name of an interface, octets (IFNAMSIZ without its end). */
const MAX_IFNAME = 15

/** Whether `text` can be a container ID or the name of a network: a letter or digit, then letters, digits, `_`, `.` and `-`. */
export function isIdentifier(text: string): boolean {
  return IDENTIFIER.test(text)
}

/** What forbids `text` as the name of an interface, `undefined` when nothing does. */
export function ifnameProblem(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (new TextEncoder().encode(text).length > MAX_IFNAME) return `is longer than ${MAX_IFNAME} octets`
  if (text === '.' || text === '..') return 'is a name of a folder'
  // The kernel refuses these; a NUL would cut the name short, and % makes it a pattern that the kernel fills in.
  // oxlint-disable-next-line no-control-regex
  return /[/:%\s\u0000]/u.test(text) ? 'has a blank, slash, colon, percent sign or NUL' : undefined
}
