import type { IpPrefix } from '@heddle/wire'
import type { PathAttributes } from '../attribute/path-attributes.js'
import type { Nlri } from '../nlri/nlri.js'
import { prefixOf } from '../policy/compiled-policy.js'
import type { OriginValidation } from '../policy/policy.js'

/**
 * Tells whether an AS may originate a prefix (RFC 6811 §2). Injected: an RTR client, a file, a test. Import policies see the answer as
 * `validation`; nothing happens to a route by itself.
 */
export interface OriginValidator {
  /** @param origin the AS that originates it; `undefined` where the path ends with a set, which no authorization covers */
  validate(prefix: IpPrefix, origin: number | undefined): OriginValidation
}

/** The state of a route without a prefix is `not-found`. */
export function validateOrigin(validator: OriginValidator, nlri: Nlri, attributes: PathAttributes): OriginValidation {
  const prefix = prefixOf(nlri)
  return prefix === undefined ? 'not-found' : validator.validate(prefix, originAs(attributes))
}

/** The last AS of the path, unless the path ends with a set or has confederation segments only (RFC 6811 §2). */
function originAs({ asPath = [] }: PathAttributes): number | undefined {
  const last = asPath.at(-1)
  return last?.type === 'sequence' ? last.asns.at(-1) : undefined
}
