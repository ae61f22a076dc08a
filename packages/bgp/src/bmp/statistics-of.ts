import { familyByName } from '../nlri/family.js'
import type { NeighborView } from '../speaker/peer/neighbor-view.js'
import { BMP_STATISTIC, type BmpStatistic } from './statistics.js'

/** What is counted of a neighbor, as a report has it (RFC 7854 §4.8, RFC 8671 §6.2). */
export function statisticsOf({ families }: NeighborView): BmpStatistic[] {
  const gauge = (type: number, value: number): BmpStatistic => ({ kind: 'number', type, size: 8, value: BigInt(value) })
  const sum = (count: 'received' | 'sent'): number => families.reduce((total, family) => total + family[count], 0)
  return [
    gauge(BMP_STATISTIC.adjRibInRoutes, sum('received')),
    gauge(BMP_STATISTIC.adjRibOutPostPolicyRoutes, sum('sent')),
    ...families.flatMap(({ family: name, received, sent }): BmpStatistic[] => {
      const family = familyByName(name)
      if (family === undefined) return []
      return [
        { kind: 'family', type: BMP_STATISTIC.adjRibInRoutesByFamily, family, value: BigInt(received) },
        { kind: 'family', type: BMP_STATISTIC.adjRibOutPostPolicyRoutesByFamily, family, value: BigInt(sent) },
      ]
    }),
  ]
}
