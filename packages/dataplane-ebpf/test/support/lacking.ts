import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'

/** What kernels that are as old as Linux 5.15 lack, and XDP and delivering past a queue: the suite is run without all of it at once. */
export const LACKING: readonly EbpfFeatureName[] = [
  'tcx',
  'netkit',
  'redirect-peer',
  'decap-l3',
  'kernel-packet',
  'xdp',
  'vxlan',
  'vxlan-gpe',
]
