import { ebpfDataplane, ebpfFeatures } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { readFileSync } from 'node:fs'

/* What a process with few capabilities finds of the kernel, on a line: `least-features.ts [UPLINK]`; and what a dataplane on the uplink chooses then. */
const [, , uplink] = process.argv
const [, capabilities] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
const features = ebpfFeatures().map(({ name, reason }) => [name, reason])
const said = { capabilities, user: process.geteuid?.(), features }
if (uplink === undefined) process.stdout.write(`${JSON.stringify(said)}\n`)
else {
  const options = { addresses: [IpAddress.parse('192.0.2.9')], uplink, fibBlocks: 1024, routes: 1024, flows: 1024 }
  await using dataplane = await ebpfDataplane(options)
  process.stdout.write(`${JSON.stringify({ ...said, choice: dataplane.choice })}\n`)
}
