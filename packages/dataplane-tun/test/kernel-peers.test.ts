// A virtual router over TUN against the tunnels of a Linux kernel; npm run peers:kernel boots one that has all of them.
import { tunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { testKernelPeers } from './support/kernel-peer-cases.js'
import { missing } from './support/requirements.js'
import { UNDERLAY } from './support/two-sites.js'

testKernelPeers({
  missing: missing(),
  open: (sites) =>
    tunDataplane({
      addresses: UNDERLAY.a.map((address) => IpAddress.parse(address)),
      inProcess: true,
      underlayNetns: sites.path('site-a'),
    }),
  takesWholeSegments: false,
  takesZeroChecksums: false,
})
