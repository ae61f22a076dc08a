import { attributeEnd, valueStart, wordAt } from '../attribute/canonical.js'
import { MARK, marksOf } from '../attribute/marks.js'
import { AS_SEGMENT, ATTRIBUTE } from '../iana.js'
import type { InvalidReason } from '../speaker/route.js'
import type { ImportRules } from './import-rules.js'

/**
 * What `importSet` says of attributes, told from their canonical octets: why they are not used, or `undefined` when they are, as they are.
 *
 * @param size octets of `canonical` that count
 * @returns `values` when that takes a look at values
 */
export function importOctets(canonical: Uint8Array, rules: ImportRules, size = canonical.length): InvalidReason | 'values' | undefined {
  const { self, peerType, allowAsIn = 0, asPathLimit = Infinity, attributeLimit = Infinity } = rules
  if (needsValues(rules)) return 'values'
  if (peerType === 'ebgp' && (marksOf(canonical, 0, size) & MARK.gracefulShutdown) !== 0) return 'values' // RFC 8326 §3
  let own = 0
  let count = 0
  let loop: InvalidReason | undefined
  for (let at = 0, end = 0; at < size; at = end) {
    end = attributeEnd(canonical, at)
    const from = valueStart(canonical, at)
    switch (canonical[at + 1]) {
      case ATTRIBUTE.asPath:
        for (let segment = from; segment < end;) {
          const next = segment + 2 + canonical[segment + 1] * 4
          if (canonical[segment] !== AS_SEGMENT.sequence && canonical[segment] !== AS_SEGMENT.set) return 'values'
          count += canonical[segment + 1]
          for (segment += 2; segment < next; segment += 4) if (wordAt(canonical, segment) === self.as) own++
        }
        break
      case ATTRIBUTE.originatorId:
        if (wordAt(canonical, from) === self.routerId) loop ??= 'originator-loop'
        break
      case ATTRIBUTE.clusterList:
        for (let cluster = from; cluster < end; cluster += 4) if (wordAt(canonical, cluster) === self.clusterId) loop ??= 'cluster-loop'
    }
  }
  if (count > asPathLimit) return 'as-path-length'
  if (size > attributeLimit) return 'attribute-size'
  return own > allowAsIn ? 'as-loop' : loop
}

function needsValues({ policy, role, member, enforceFirstAs, gracefulShutdown, self }: ImportRules): boolean {
  return (
    policy !== undefined ||
    role !== undefined ||
    member === true ||
    enforceFirstAs === true ||
    gracefulShutdown === true ||
    self.confederation !== undefined
  )
}
