import { RouteBatch, type FibTransaction } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../harness/machine.ts'
import type { Measure } from '../harness/result.ts'
import type { Part } from '../harness/run.ts'
import { POD } from '../tun/contender.ts'
import { siteTransaction } from '../tun/start.ts'
import { NAMES, softwareOf } from './contender.ts'
import { node, SITE_ROUTES, type Runner } from './kernel.ts'
import { words } from './objects.ts'

const run = promisify(execFile)
const PROBE = join(root, 'bench', 'ebpf', 'memory-probe.ts')
const MEBIBYTE = 1 << 20
/** Endpoints have addresses, and labels, from here on: these behind all joint labels. */
const [ADDRESSES, LABELS] = [0x0a02_0000, 100_000]
/** Index of the device of the first endpoint whose rows are copies: far behind all that are there. */
const DEVICES = 1_000_000

/** What a dataplane has when its options are left out. */
export const AS_LEFT_OUT = { fibBlocks: 65_536, routes: 262_144 } as const

/** Mebibytes that all of it may take, so that what an element has grown by shows here times a hundred thousand, or a million. */
const MOST = 2048

/** Maps of what is remembered about flows. */
type FlowMap = 'flows' | 'nat_flows' | 'affinities'

/** The tables of site a with that many endpoints, the one that it has among them: each with what an agent makes of it. */
export function endpoints(count: number): FibTransaction {
  const { ports, nextHops, groups, labels, ...rest } = siteTransaction('a')
  const ids = Array.from({ length: count - 1 }, (_, index) => index + 3) // Next hop and group 2 are the tunnel.
  const routes = new RouteBatch(count + SITE_ROUTES)
  for (let row = 0; row < rest.routes.count; row++) {
    const { vrf, address, length, group } = rest.routes
    routes.pushWords(vrf[row], 4, address[row * 4], 0, 0, 0, length[row], group[row])
  }
  for (const id of ids) routes.pushWords(1, 4, ADDRESSES + id, 0, 0, 0, 32, id)
  const set = <T>(before: readonly T[], one: (id: number) => T): { set: readonly T[]; remove: readonly never[] } => ({
    set: [...before, ...ids.map(one)],
    remove: [],
  })
  return {
    ...rest,
    ports: set(ports.set, (id) => ({
      id,
      kind: 'endpoint',
      vrf: 1,
      allowedSources: [IpPrefix.of(IpAddress.v4(ADDRESSES + id), 32)],
      gateways: [],
      mtu: 1468,
    })),
    nextHops: set(nextHops.set, (id) => ({ id, action: { type: 'port', port: id } })),
    groups: set(groups.set, (id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })),
    labels: set(labels.set, (id) => ({ label: LABELS + id, action: { type: 'pop-forward', port: id }, sources: 1 })),
    routes,
  }
}

/** MiB of memory of a process of its own that has programmed so many of a kind, once it has nothing to do, and at its most before. */
async function ofProcess(
  kind: 'nothing' | 'endpoints' | 'routes',
  count: number,
): Promise<{ readonly resident: number; readonly most: number }> {
  const { stdout } = await run(process.execPath, ['--expose-gc', PROBE, kind, `${count}`])
  return JSON.parse(stdout) as Awaited<ReturnType<typeof ofProcess>>
}

/** Octets that the kernel says it holds, of the maps of flows and of all others. */
function held(dataplane: Runner): { readonly flows: Readonly<Record<FlowMap, number>>; readonly tables: number } {
  const flows: Record<FlowMap, number> = { flows: 0, nat_flows: 0, affinities: 0 }
  let tables = 0
  for (const { name, octets } of dataplane.inspect().maps) {
    if (name in flows) flows[name as FlowMap] += octets
    else tables += octets
  }
  return { flows, tables }
}

/** The rows that an attached endpoint has besides, from those of the one that is attached. */
function attachAll(dataplane: Runner, { ports }: FibTransaction): void {
  const { maps } = dataplane.parts
  const rows = (['links', 'requests'] as const).map((map) => [map, maps.get(map, 1)] as const)
  for (const { id } of ports.set) {
    if (id === 1) continue
    for (const [map, value] of rows) {
      if (value === undefined) throw new Error(`an attached endpoint has no row in ${map}`)
      maps.set(map, id, value)
    }
    maps.set('devices', DEVICES + id, words(id))
  }
}

export const memory: Part = {
  id: 'memory',
  title: 'The memory of a large node',
  about: `All maps of a dataplane with \`ports: 100_000\` and \`flows: 1_048_576\`, all else as it is when left out: the sum of \`inspect().maps\`, which is what the kernel says
that each of them holds (\`memlock\` of its descriptor). 100,000 endpoints are in it by the contract's \`apply\`, each with its port, next hop, group, label, host route
and their counters, without policies and limits of rates. One of them is attached; the rows that the attached one has besides, of its device and of what it was asked for, are written for all others as well: the
devices themselves, and what the kernel needs for one, are not made and not counted. Maps of flows are of a fixed number of entries that are there from the start, whose
quietest go when one is full: no node holds more. A flow of services or pools has two entries. What an allocator rounds up to is not in what the kernel says, nor are the
process's own tables.

"The process": a process of Node with nothing but the dataplane, that has programmed what is said in one transaction: what the kernel counts as resident (\`VmRSS\`), once what the making of
the transaction has left behind is collected, and the most that it ever was (\`VmHWM\`), the transaction included; both without the tables that it maps, which are in the rows above. \`heddle node\`
has its own routes and those of BGP besides.`,
  async run({ quick, progress, signal }) {
    const count = quick ? 10_000 : 100_000
    const capacity = quick ? 65_536 : 1_048_576
    await using one = await node({ ports: count, flows: capacity, ...AS_LEFT_OUT })
    const { dataplane, namespaces } = one
    const empty = held(dataplane)
    const tables = endpoints(count)
    const report = await dataplane.apply(tables)
    if (report.status !== 'applied' || report.failures.length > 0) throw new Error(JSON.stringify(report.failures.slice(0, 3)))
    await dataplane.attachPort(1, { netns: namespaces.path('pod-a'), ifname: 'eth0', addresses: [IpAddress.parse(POD.a)], mtu: 1468 })
    const filled = held(dataplane)
    attachAll(dataplane, tables)
    const attached = held(dataplane)
    const { ports, labels, nextHops, groups, routes } = await dataplane.dump()
    const found = [ports.length, labels.length, nextHops.length - 1, groups.length - 1, routes.count - 1]
    if (found.some((objects) => objects !== count)) throw new Error(`of ${count} endpoints the tables hold ${found.join(', ')}`)
    for (const map of dataplane.inspect().maps) {
      if (map.octets >= MEBIBYTE) progress(`${map.name}: ${map.octets} octets, ${map.capacity} entries at most`)
    }

    const hosts = quick ? 100_000 : 1_000_000
    const processes: Record<'nothing' | 'endpoints' | 'routes', Awaited<ReturnType<typeof ofProcess>>[]> = {
      nothing: [],
      endpoints: [],
      routes: [],
    }
    for (let round = 0; round < (quick ? 1 : 3); round++) {
      for (const [kind, objects] of [
        ['nothing', 0],
        ['endpoints', count],
        ['routes', hosts],
      ] as const) {
        signal.throwIfAborted()
        const figures = await ofProcess(kind, objects)
        processes[kind].push(figures)
        progress(
          `process with ${kind === 'nothing' ? kind : `${objects} ${kind}`}: ${Math.round(figures.resident)} MiB, ${Math.round(figures.most)} at most`,
        )
      }
    }

    const { flows, nat_flows, affinities } = attached.flows
    const remembered = flows + nat_flows + affinities
    const row = (id: string, title: string, figure: number, unit = 'MiB', most?: number): Measure => ({
      id,
      title: `Memory, ${title}`,
      unit,
      better: 'lower',
      series: [{ name: NAMES.heddle, rounds: [unit === 'MiB' ? figure / MEBIBYTE : figure] }],
      ...(most !== undefined && { goals: [{ kind: 'at-most', limit: most }] }),
    })
    const rowOf = (kind: keyof typeof processes, which: 'resident' | 'most', title: string): Measure => ({
      id: `process-${kind}-${which}`,
      title: `The process, ${title}`,
      unit: 'MiB',
      better: 'lower',
      series: [{ name: NAMES.heddle, rounds: processes[kind].map((figures) => figures[which]) }],
    })
    return {
      software: softwareOf(['heddle'], {}),
      measures: [
        row('empty', 'room for 100,000 endpoints', empty.tables),
        row('endpoints', '100,000 endpoints', filled.tables),
        row('attached', '100,000 endpoints and their devices', attached.tables),
        row('flow', 'a flow of policies', flows / capacity, 'octets a flow'),
        row('flows-policies', 'a million flows of policies', flows),
        row('flows-nat', 'a million flows of services and pools', nat_flows),
        row('affinities', 'a million clients that keep their backend', affinities),
        row('flows', 'a million of all three', remembered),
        row('all', '100,000 endpoints and their devices, and a million of all three', attached.tables + remembered, 'MiB', MOST),
        rowOf('nothing', 'resident', 'nothing programmed'),
        rowOf('endpoints', 'resident', '100,000 endpoints'),
        rowOf('endpoints', 'most', 'while 100,000 endpoints are programmed'),
        rowOf('routes', 'resident', 'a million IPv4 hosts side by side'),
        rowOf('routes', 'most', 'while a million IPv4 hosts are programmed'),
      ],
    }
  },
}
