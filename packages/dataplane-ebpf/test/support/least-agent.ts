import { DataplaneError } from '@heddle/core'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { readFileSync } from 'node:fs'
import { emptyTransaction } from '../../../dataplane-tun/test/support/two-sites.js'
import { LOCAL } from './router.js'

/* A dataplane with few capabilities: `least-agent.ts PINS POD FOLDER`, the folder on no BPF file system. Says on a line what it could do. */
const [, , pinDirectory, pod, folder] = process.argv
const address = IpAddress.parse('10.1.0.1')
const whyNot = (error: unknown): unknown => (error instanceof DataplaneError ? [error.code, error.message] : error)
const options = { addresses: [LOCAL[4]], uplink: 'up0', fibBlocks: 1024, routes: 1024 }
const mounted = await ebpfDataplane({ ...options, pinDirectory: folder }).then(() => 'mounted', whyNot)
const dataplane = await ebpfDataplane({ ...options, pinDirectory })
const port = { id: 1, kind: 'endpoint' as const, vrf: 1, allowedSources: [IpPrefix.of(address)], gateways: [], mtu: 1400 }
const report = await dataplane.apply({
  ...emptyTransaction(1),
  vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
  ports: { set: [port], remove: [] },
})
const device = { ifname: 'eth0', addresses: [address], mtu: 1400 }
const own = await dataplane.attachPort(1, device)
await dataplane.detachPort(1)
const foreign = await dataplane.attachPort(1, { ...device, netns: pod }).then(() => 'attached', whyNot)
const [, capabilities] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
const said = {
  capabilities,
  status: report.status,
  mtu: own.mtu,
  uplink: dataplane.choice.uplink,
  foreign,
  mounted,
}
await dataplane.close()
process.stdout.write(`${JSON.stringify(said)}\n`)
