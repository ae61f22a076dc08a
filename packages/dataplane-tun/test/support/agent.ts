import { tunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { POD, siteTransaction } from './two-sites.js'

/* An agent in a process of its own, to be killed. */

const { addresses, underlayNetns, stateDir, prefix, script } = JSON.parse(process.argv[2]) as {
  addresses: string[]
  underlayNetns: string
  stateDir: string
  prefix: string
  script: string
}
const dataplane = await tunDataplane({
  addresses: addresses.map((address) => IpAddress.parse(address)),
  underlayNetns,
  stateDir,
  forwarder: { script },
})
await dataplane.apply(siteTransaction('a'))
const podAddresses = POD.a.map((address) => IpAddress.parse(address))
for (const [port, pod] of ['pod-a', 'blue-a'].entries()) {
  const netns = `/run/netns/${prefix}-${pod}`
  await dataplane.attachPort(port, { netns, ifname: 'eth0', addresses: podAddresses, mtu: 1400 })
}
process.stdout.write('ready\n')
