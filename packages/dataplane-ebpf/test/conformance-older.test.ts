import { describe } from 'vitest'
import { conform } from './support/conform.js'
import { LACKING } from './support/lacking.js'
import { missing, titled } from './support/requirements.js'

/* What takes the place of what older kernels lack. */
describe.skipIf(missing() !== '')(titled('veth pairs in namespaces, as on older kernels'), () => {
  conform({ name: `ebpf without ${LACKING.join(', ')}`, devices: 'veth', without: LACKING, runs: 8 })
})
