// A virtual router in the kernel against the tunnels of Linux itself; npm run peers:kernel boots one that has all of them.
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { testKernelPeers } from '../../dataplane-tun/test/support/kernel-peer-cases.js'
import { UNDERLAY } from '../../dataplane-tun/test/support/two-sites.js'
import { missing } from './support/requirements.js'

testKernelPeers({
  missing: missing(),
  open: (sites) =>
    ebpfDataplane({
      addresses: UNDERLAY.a.map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: sites.path('site-a'),
      fibBlocks: 2048,
      routes: 4096,
    }),
  takesWholeSegments: true,
  // Its UDP checksums are zero, over IPv6 as well (RFC 6935 §5).
  takesZeroChecksums: true,
})
