import { DataplaneError } from '@heddle/core'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'

/* A dataplane on the loopback of the process's network namespace, with pins where it is told, opened and closed; says what came of it. */

const [, , pinDirectory] = process.argv
try {
  const addresses = [IpAddress.parse('192.0.2.9')]
  const dataplane = await ebpfDataplane({ addresses, uplink: 'lo', pinDirectory, fibBlocks: 1024, routes: 1024, flows: 1024 })
  await dataplane.close()
  process.stdout.write('opened')
} catch (error) {
  process.stdout.write(error instanceof DataplaneError ? error.code : String(error))
}
