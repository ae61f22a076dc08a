import type { IpPrefix } from '@heddle/wire'

/** A prefix with its label stack (RFC 8277 §2). */
export interface LabeledUnicastNlri {
  readonly kind: 'labeled-unicast'
  /** Top first, 0–1,048,575 each; empty on a withdrawal that names no label. */
  readonly labels: readonly number[]
  readonly prefix: IpPrefix
  /** Path identifier, where ADD-PATH is in use (RFC 7911 §3). */
  readonly pathId?: number
}
