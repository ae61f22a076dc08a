import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'

/** What older kernels lack: the suite is run without all of it at once. */
export const LACKING: readonly EbpfFeatureName[] = ['tcx', 'redirect-peer', 'decap-l3', 'xdp']
