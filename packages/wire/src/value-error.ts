/** Why a text or a number is not the value it was given for: an address, a prefix, a route target. Thrown by parsers of human input. */
export class ValueError extends Error {
  override readonly name = 'ValueError'

  constructor(
    /** Stable and machine-readable, e.g. `wire.ip-address.invalid`. */
    readonly code: string,
    /** What was found. */
    readonly found: string,
    /** What is allowed, for a person, e.g. `an IPv4 or IPv6 address`. */
    readonly expected: string,
  ) {
    super(`${JSON.stringify(found)} is not ${expected} (${code})`)
  }
}
