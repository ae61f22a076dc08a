// What transactions of COUNT routes take in a process of its own, the first of them behind the two routes of a site:
// `node --expose-gc routes-probe.ts hosts|scattered|hosts6|scattered6 COUNT`; prints nanoseconds a route as JSON.
import { NO_GROUP, RouteBatch } from '@heddle/core'
import { addresses, addresses6, NETWORK6, node, routesTo, SITE_ROUTES, withRoutes } from './kernel.ts'

/** Routes to that many hosts one beside the other, as endpoints of a cluster are. */
function hostsOf(hosts: number, group = 2): RouteBatch {
  const batch = new RouteBatch(hosts + SITE_ROUTES)
  for (let host = 0; host < hosts; host++) batch.pushWords(1, 4, 0x1400_0000 + host, 0, 0, 0, 32, group)
  return batch
}

function hostsOf6(hosts: number): RouteBatch {
  const batch = new RouteBatch(hosts + SITE_ROUTES)
  for (let host = 0; host < hosts; host++) batch.pushWords(1, 6, NETWORK6, 0, 0, host, 128, 2)
  return batch
}

function removalOf({ count: rows, address }: RouteBatch): RouteBatch {
  const batch = new RouteBatch(rows + SITE_ROUTES)
  for (let row = 0; row < rows; row++) batch.pushWords(1, 4, address[row * 4], 0, 0, 0, 32, NO_GROUP)
  return batch
}

// Ctrl-C goes to the bench and to this process alike. It ends by itself soon, and takes away what it has made.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)

const [kind, count] = [process.argv[2], Number(process.argv[3])]
/** Each finds what the one before it has left. */
const batches: Readonly<Record<string, Readonly<Record<string, () => RouteBatch>>>> = {
  hosts: {
    load: () => hostsOf(count),
    reload: () => hostsOf(count),
    move: () => hostsOf(count, 1),
    withdraw: () => removalOf(hostsOf(count)),
  },
  scattered: { 'load-scattered': () => routesTo(addresses(count)) },
  hosts6: { 'load-hosts6': () => hostsOf6(count) },
  scattered6: { 'load-scattered6': () => routesTo(addresses6(count), 6) },
}

await using one = await node({ routes: Math.ceil(count * 1.1) })
const { dataplane } = one
let generation = 1
await dataplane.apply(withRoutes(generation, new RouteBatch()))
const figures: Record<string, number> = {}
for (const [name, batch] of Object.entries(batches[kind])) {
  const transaction = withRoutes(++generation, batch())
  globalThis.gc?.() // what the making of the batch has left behind is none of its routes'
  const begin = performance.now()
  const report = await dataplane.apply(transaction)
  figures[name] = ((performance.now() - begin) * 1e6) / count
  if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report.failures.slice(0, 3)))
}
console.log(JSON.stringify(figures))
