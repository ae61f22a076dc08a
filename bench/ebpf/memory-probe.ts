// What a process with a dataplane takes itself, once it has programmed COUNT endpoints, or hosts side by side:
// `node --expose-gc memory-probe.ts nothing|endpoints|routes COUNT`; prints MiB as JSON.
import { RouteBatch, type FibTransaction } from '@heddle/core'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { node, SITE_ROUTES, withRoutes } from './kernel.ts'
import { AS_LEFT_OUT, endpoints } from './memory.ts'

// Ctrl-C goes to the bench and to this process alike. It ends by itself soon, and takes away what it has made.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)

const [kind, count] = [process.argv[2], Number(process.argv[3])]

function tables(): FibTransaction {
  if (kind === 'endpoints') return endpoints(count)
  const batch = new RouteBatch((kind === 'routes' ? count : 0) + SITE_ROUTES)
  if (kind === 'routes') for (let host = 0; host < count; host++) batch.pushWords(1, 4, 0x1400_0000 + host, 0, 0, 0, 32, 2)
  return withRoutes(1, batch)
}

/** A line of /proc/self/status, in MiB. */
function statusOf(name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  if (value === undefined) throw new Error(`the kernel does not tell ${name}`)
  return Number(value) / 1024
}

/** MiB of tables that this process maps: the kernel's memory, which is in that of the process as well. */
function mapped(): number {
  const areas = readFileSync('/proc/self/smaps', 'utf8').matchAll(/ anon_inode:bpf-map\n(?:.+\n)*?Rss:\s+(\d+) kB/g)
  return Array.from(areas, ([, kibibytes]) => Number(kibibytes)).reduce((sum, each) => sum + each, 0) / 1024
}

await using one = await node(kind === 'routes' ? { routes: Math.ceil(count * 1.1) } : { ports: Math.max(count, 1024), ...AS_LEFT_OUT })
const report = await one.dataplane.apply(tables())
if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report.failures.slice(0, 3)))
// What nobody has any more goes back to the kernel a while after it was collected.
for (let times = 0; times < 4; times++) {
  globalThis.gc?.()
  await sleep(250)
}
console.log(JSON.stringify({ resident: statusOf('VmRSS') - mapped(), most: statusOf('VmHWM') - mapped() }))
