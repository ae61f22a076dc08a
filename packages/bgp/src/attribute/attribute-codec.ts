import type { ByteReader, ByteWriter } from '@heddle/wire'
import type { ErrorHandling } from '../validate/bgp-error.js'
import type { Aggregator, AsPathSegment, PathAttributes } from './path-attributes.js'

/** What the octets of an attribute depend on besides themselves. */
export interface AttributeContext {
  /** AS numbers have four octets (RFC 6793). */
  readonly asn4: boolean
  readonly peerType: 'ibgp' | 'ebgp'
  /** As in `DecodeOptions`. */
  readonly table?: boolean
  /** How an attribute that consists of attributes has them read and written; absent where there are enough of them in each other. */
  readonly nested?: NestedAttributes
}

/** Attributes within the value of an attribute. */
export interface NestedAttributes {
  /** Reads to the end of the container. @throws WireError for the first that is malformed, repeated or cut off */
  decode(input: ByteReader): PathAttributes
  encode(attributes: PathAttributes, out: ByteWriter): void
}

/** Which of the Optional and Transitive bits an attribute has (RFC 4271 §5). */
export type AttributeCategory = 'well-known' | 'optional-transitive' | 'optional-non-transitive'

/** Attributes while a message is being decoded: with the AS4 companions that are merged at the end. */
export type AttributeDraft = { -readonly [K in keyof PathAttributes]: PathAttributes[K] } & {
  as4Path?: readonly AsPathSegment[]
  as4Aggregator?: Aggregator
}

/** What is to be known of an attribute before its value is looked at. */
export interface AttributeRule {
  /** 0–255. */
  readonly type: number
  /** As in a path of an error, e.g. `as-path`. */
  readonly name: string
  readonly category: AttributeCategory
  /** What to do when the value is malformed, and the sentence that says so. */
  readonly malformed: ErrorHandling
  readonly rfc: string
  /** What to do when Optional, Transitive or Partial contradict the category; `treat-as-withdraw` unless the attribute's RFC says else (RFC 7606 §3 (c)). */
  readonly flagsConflict?: ErrorHandling
  /** The attribute has no business between autonomous systems: discarded there, whatever its value. */
  readonly internalOnly?: true
}

/** An attribute that becomes a value. */
export interface AttributeCodec<K extends keyof AttributeDraft = keyof AttributeDraft> extends AttributeRule {
  readonly property: K
  /** @throws WireError `bgp.attribute.*`, `wire.truncated`; octets left over count as malformed too */
  decode(input: ByteReader, context: AttributeContext): NonNullable<AttributeDraft[K]>
  encode(value: NonNullable<AttributeDraft[K]>, out: ByteWriter, context: AttributeContext): void
}

/** An attribute whose shape is checked and whose octets are kept. */
export interface AttributeShape extends AttributeRule {
  /** @throws WireError `bgp.attribute.*`, `wire.truncated` */
  check(input: ByteReader): void
}

/** A frozen codec, with `K` inferred from `property`. */
export function attributeCodec<K extends keyof AttributeDraft>(codec: AttributeCodec<K>): AttributeCodec<K> {
  return Object.freeze(codec)
}

/** Fails unless the container holds a whole number of items, and at least one. @throws WireError `bgp.attribute.length` */
export function requireItems(input: ByteReader, size: number, rfc: string): void {
  if (input.remaining === 0 || input.remaining % size !== 0) input.fail('bgp.attribute.length', rfc)
}

/** Fails unless the container holds `size` octets. @throws WireError `bgp.attribute.length` */
export function requireLength(input: ByteReader, size: number, rfc: string): void {
  if (input.remaining !== size) input.fail('bgp.attribute.length', rfc)
}

/** Calls `read` until the container is empty. */
export function readAll<T>(input: ByteReader, read: () => T): T[] {
  const out: T[] = []
  while (input.remaining > 0) out.push(read())
  return out
}
