/** Why a byte string is not what it claims to be. The only thing a decoder throws. */
export class WireError extends Error {
  override readonly name = 'WireError'

  constructor(
    /** Stable and machine-readable, e.g. `mpls.label-stack.truncated`. */
    readonly code: string,
    /** Octets from the start of the outermost message. */
    readonly offset: number,
    /** Containers from the outside in, e.g. `update/attributes/mp-reach/nlri[3]`. */
    readonly path: string,
    /** The sentence that was broken, e.g. `RFC 3032 §2.1`. */
    readonly rfc: string,
  ) {
    super(`${code} at octet ${offset} of ${path} (${rfc})`)
  }
}
