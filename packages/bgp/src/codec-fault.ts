import { WireError } from '@heddle/wire'

/** Why octets are not what they claim to be: what, where, against which sentence. Plain data, never thrown. */
export interface CodecFault {
  /** Stable and machine-readable, e.g. `bmp.truncated`. */
  readonly code: string
  /** Octets from the start of the outermost message or record. */
  readonly offset: number
  /** Containers from the outside in. */
  readonly path: string
  readonly rfc: string
}

/** The value of `decode`, or the fault of the bounded reader that it ran into. `truncated` names a container that ended too early. */
export function faultOf<T>(
  truncated: Pick<CodecFault, 'code' | 'rfc'>,
  decode: () => T,
): { readonly value: T } | { readonly fault: CodecFault } {
  try {
    return { value: decode() }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const { offset, path } = error
    const { code, rfc } = error.code === 'wire.truncated' ? truncated : error
    return { fault: { code, offset, path, rfc } }
  }
}
