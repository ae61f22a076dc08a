import type { RateLimits } from '@heddle/core'
import fc from 'fast-check'
import type { Tables } from '../tables.js'

/** So slow that only the burst counts. */
const slow = fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant(100_000)).map((burstOctets) => ({ bitsPerSecond: 1, burstOctets }))

const limits: fc.Arbitrary<RateLimits> = fc.record({ egress: slow, ingress: slow }, { requiredKeys: [] })

/** The same tables with limits at ports, which let pass a burst and nothing more. */
export function limited(tables: Tables): fc.Arbitrary<Tables> {
  const { ports } = tables
  return fc
    .array(limits, { minLength: ports.length, maxLength: ports.length })
    .map((drawn) => ({ ...tables, ports: ports.map((port, index) => ({ ...port, rateLimits: drawn[index] })) }))
}
