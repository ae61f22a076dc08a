import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { silentLogger } from '@heddle/io'
import { IpAddress } from '@heddle/wire'

/* A dataplane on the loopback of the process's network namespace, with pins where it is told, which says what it promises of them and ends as if for a restart. */

const [, , pinDirectory] = process.argv
const warnings: unknown[] = []
const logger = { ...silentLogger, warn: (_: string, fields: unknown): void => void warnings.push(fields) }
const addresses = [IpAddress.parse('127.0.0.1')]
const dataplane = await ebpfDataplane({ addresses, uplink: 'lo', pinDirectory, fibBlocks: 1024, routes: 1024, flows: 1024, logger })
const { survivesClose } = dataplane.capabilities
const { choices } = await dataplane.inspectKernel()
const { chosen } = choices.find(({ what }) => what === 'forwarding behind the process') ?? {}
await dataplane.close({ keep: true })
process.stdout.write(JSON.stringify({ survivesClose, chosen, warnings }))
