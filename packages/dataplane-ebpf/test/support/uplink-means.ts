import { ebpfFeatures, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { missing } from './requirements.js'
import type { TwoEbpfSites } from './two-sites.js'

/** How programs come to an uplink, and what a dataplane does without then. */
export interface UplinkMeans {
  readonly means: 'tcx' | 'clsact'
  readonly without: readonly EbpfFeatureName[]
}

const BY_FILTER: UplinkMeans = { means: 'clsact', without: ['tcx'] }

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
/** All that this kernel has: those before Linux 6.6 have filters of clsact alone. */
export const UPLINK_MEANS: readonly UplinkMeans[] = hasTcx ? [{ means: 'tcx', without: [] }, BY_FILTER] : [BY_FILTER]

/** How the program of site a has come to the uplink, as the kernel tells. */
export function uplinkMeans(sites: TwoEbpfSites): UplinkMeans['means'] {
  const filters = sites.in(sites.short('site', 'a'), ...'tc filter show dev up0 ingress'.split(' '))
  return filters.includes('heddle') ? 'clsact' : 'tcx'
}
