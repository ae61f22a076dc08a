import type { ByteReader, ByteWriter } from '@heddle/wire'
import type { Capability } from './capability.js'

/** How one kind of capability stands on the wire. */
export interface CapabilityCodec<C extends Capability = Capability> {
  /** IANA capability code, 0–255. */
  readonly code: number
  readonly kind: C['kind']
  /** The sentence that gives the form. */
  readonly rfc: string
  /** @throws WireError `bgp.capability.*`, `wire.truncated`; octets left over count as malformed too */
  decode(input: ByteReader): C
  encode(value: C, out: ByteWriter): void
}

/** The capability of a kind. */
export type CapabilityOf<K extends Capability['kind']> = Extract<Capability, { kind: K }>
