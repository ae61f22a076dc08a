import { DataplaneError, PORT_COUNTERS } from '@heddle/core'
import { ebpfDataplane, ebpfFeatures } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { POD, UNDERLAY } from '../../../dataplane-tun/test/support/two-sites.js'
import { HEARD, HERE, OVERLAY, transactionOf } from './least-world.js'

/*
 * An agent of site a with few capabilities: `least-agent.ts PINS POD FOLDER KEEPER`, the folder on no BPF file system. It programs what it finds, nothing or
 * what the agent before has left, and says on a line what it could do, once the far end is heard. A line of its input ends it: `keep`, and what it has goes
 * on, or `end`, and nothing stays. Then it says how many packets each endpoint has sent.
 */
const [, , pinDirectory, pod, folder, keeper] = process.argv
const whyNot = (error: unknown): unknown => (error instanceof DataplaneError ? [error.code, error.message] : error)
const say = (what: unknown): void => void process.stdout.write(`${JSON.stringify(what)}\n`)
const options = { addresses: [IpAddress.parse(UNDERLAY.a[0])], uplink: 'up0', fibBlocks: 1024, routes: 1024 }
const order = once(createInterface(process.stdin), 'line')

const mounted = await ebpfDataplane({ ...options, pinDirectory: folder }).then(() => 'mounted', whyNot)
const dataplane = await ebpfDataplane({ ...options, pinDirectory, keeper: { script: keeper, execArgv: [] } })
const { generation, devices } = await dataplane.dump()
const report = await dataplane.apply(transactionOf(generation + 1))
for (const [port, { ifname, address }] of Object.entries(HERE)) {
  await dataplane.attachPort(Number(port), { ifname, addresses: [IpAddress.parse(address)], mtu: 1400, routes: [OVERLAY] })
}
const inPod = { ifname: 'eth0', addresses: [IpAddress.parse(POD.a[0])], mtu: 1400, netns: pod }
const foreign = await dataplane.attachPort(1, inPod).then(() => 'attached', whyNot)
while ((await dataplane.dump()).up?.includes(HEARD) !== true) await sleep(50)
const { parts } = await dataplane.inspectKernel()
const [, capabilities] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
say({
  capabilities,
  features: ebpfFeatures().map(({ name, reason }) => [name, reason]),
  choice: dataplane.choice,
  found: { generation, devices: devices.map(({ ifname }) => ifname) },
  report,
  foreign,
  mounted,
  programs: dataplane.inspect().programs.map(({ name }) => name),
  links: parts.filter(({ kind }) => kind === 'link').map(({ name }) => name),
  others: parts.filter(({ kind }) => kind === 'foreign').map(({ name, details }) => `${name}: ${details}`),
})

const [how] = (await order) as [string]
const { portIds, ports } = await dataplane.counters()
say(Object.keys(HERE).map((port) => ports[portIds.indexOf(Number(port)) * PORT_COUNTERS.length]))
await dataplane.close({ keep: how === 'keep' })
process.exit()
