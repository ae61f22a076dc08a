import type { PathAttributes } from '../attribute/path-attributes.js'
import type { InvalidReason } from '../speaker/route.js'

/** Who we are, as far as loops go. */
export interface LoopIdentity {
  readonly as: number
  /** BGP identifier as a word. */
  readonly routerId: number
  /** Cluster id as a word. */
  readonly clusterId: number
}

/**
 * Why a path with these attributes has come round to us, or `undefined`: our AS in AS_PATH (RFC 4271 §9.1.2), our identifier as ORIGINATOR_ID,
 * our cluster in CLUSTER_LIST (RFC 4456 §8).
 */
export function loopOf({ asPath, originatorId, clusterList }: PathAttributes, self: LoopIdentity): InvalidReason | undefined {
  if (asPath?.some(({ asns }) => asns.includes(self.as)) === true) return 'as-loop'
  if (originatorId?.w0 === self.routerId) return 'originator-loop'
  if (clusterList?.some(({ w0 }) => w0 === self.clusterId) === true) return 'cluster-loop'
  return undefined
}
