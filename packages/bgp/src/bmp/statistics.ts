import type { ByteReader, ByteWriter } from '@heddle/wire'
import { familyOf, type Family } from '../nlri/family.js'

/** A counter or gauge of a statistics report (RFC 7854 §4.8, RFC 8671 §6.2). */
export type BmpStatistic =
  /** `size` is the octets of the value: 4 for counters, 8 for gauges. */
  | { readonly kind: 'number'; readonly type: number; readonly size: 4 | 8; readonly value: bigint }
  | { readonly kind: 'family'; readonly type: number; readonly family: Family; readonly value: bigint }
  /** Of a length that no statistic has. */
  | { readonly kind: 'unknown'; readonly type: number; readonly value: Uint8Array }

/** Statistics by type (IANA bmp-statistics-types). */
export const BMP_STATISTIC = {
  rejectedByPolicy: 0,
  duplicatePrefixes: 1,
  duplicateWithdrawals: 2,
  clusterListLoops: 3,
  asPathLoops: 4,
  originatorLoops: 5,
  confederationLoops: 6,
  adjRibInRoutes: 7,
  locRibRoutes: 8,
  adjRibInRoutesByFamily: 9,
  locRibRoutesByFamily: 10,
  updatesTreatedAsWithdraw: 11,
  prefixesTreatedAsWithdraw: 12,
  duplicateUpdates: 13,
  adjRibOutPrePolicyRoutes: 14,
  adjRibOutPostPolicyRoutes: 15,
  adjRibOutPrePolicyRoutesByFamily: 16,
  adjRibOutPostPolicyRoutesByFamily: 17,
} as const

/** AFI, SAFI and gauge. */
const FAMILY_SIZE = 11

/**
 * Count, then TLVs (RFC 7854 §4.8).
 *
 *     +-----------+----------+------------+------------------------------------------+
 *     | count (4) | type (2) | length (2) | counter (4), gauge (8), or family + gauge |
 *     +-----------+----------+------------+------------------------------------------+
 *
 * @throws WireError `bmp.statistics.count` when there are more or less than the count says, `wire.truncated`
 */
export function decodeStatistics(input: ByteReader): BmpStatistic[] {
  const count = input.u32()
  const out: BmpStatistic[] = []
  while (input.remaining > 0) {
    const type = input.u16()
    const value = input.sub(input.u16(), `statistic-${type}`)
    const size = value.remaining
    if (size === 4) out.push({ kind: 'number', type, size, value: BigInt(value.u32()) })
    else if (size === 8) out.push({ kind: 'number', type, size, value: value.u64() })
    else if (size === FAMILY_SIZE) out.push({ kind: 'family', type, family: familyOf(value.u16(), value.u8()), value: value.u64() })
    else out.push({ kind: 'unknown', type, value: value.rest().slice() })
  }
  return count === out.length ? out : input.fail('bmp.statistics.count', 'RFC 7854 §4.8')
}

/** Writes count and TLVs. */
export function encodeStatistics(statistics: readonly BmpStatistic[], out: ByteWriter): void {
  out.u32(statistics.length)
  for (const statistic of statistics) {
    out.u16(statistic.type)
    const close = out.reserveU16()
    if (statistic.kind === 'unknown') out.octets(statistic.value)
    else if (statistic.kind === 'family') out.u16(statistic.family.afi).u8(statistic.family.safi).u64(statistic.value)
    else if (statistic.size === 4) out.u32(Number(statistic.value))
    else out.u64(statistic.value)
    close()
  }
}
