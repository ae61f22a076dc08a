import { describe } from 'vitest'
import { conform } from './support/conform.js'
import { hasXdp } from './support/ebpf-harness.js'
import { missing, titled } from './support/requirements.js'

describe.skipIf(missing() !== '')(titled('veth pairs in namespaces'), () => {
  conform({ name: `ebpf${hasXdp ? '' : ' (without XDP: needs ethtool)'}`, devices: 'veth' })
})
