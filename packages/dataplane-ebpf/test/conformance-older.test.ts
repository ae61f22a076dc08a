import type { EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { describe } from 'vitest'
import { conform } from './support/conform.js'
import { missing, titled } from './support/requirements.js'

/* What takes the place of what older kernels lack, all of it at once. */
const LACKING: readonly EbpfFeatureName[] = ['tcx', 'redirect-peer', 'decap-l3', 'xdp']

describe.skipIf(missing() !== '')(titled('veth pairs in namespaces, as on older kernels'), () => {
  conform({ name: `ebpf without ${LACKING.join(', ')}`, devices: 'veth', without: LACKING, runs: 8 })
})
