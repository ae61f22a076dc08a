import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { once } from 'node:events'
import { emptyTransaction } from '../../../dataplane-tun/test/support/two-sites.js'
import { WATCHED } from './watched-path.js'

/* A dataplane in the process's network namespace, with pins and a keeper as it is told, that watches a path, and ends as if for a restart with its input. */

const [, , pinDirectory, script = ''] = process.argv
const dataplane = await ebpfDataplane({
  addresses: [WATCHED.local],
  uplink: 'up0',
  pinDirectory,
  keeper: { script, execArgv: [] },
  fibBlocks: 1024,
  routes: 1024,
})
await dataplane.apply({ ...emptyTransaction(1), liveness: { set: [WATCHED], remove: [] } })
await once(process.stdin.resume(), 'end')
await dataplane.close({ keep: true })
