import { RouteBatch, type FibTransaction } from '@heddle/core'
import { tunDataplane, type TunDataplane } from '@heddle/dataplane-tun'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFileSync, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import {
  LABEL,
  NAMES,
  NODE,
  POD,
  configurePod,
  end,
  kernelWay,
  layOut,
  other,
  type Contender,
  type ContenderKind,
  type Site,
} from './contender.ts'
import { Namespaces } from './namespaces.ts'
import { compiled } from './native-tools.ts'

export interface StartOptions {
  /** Sites with a forwarder; both when left out. */
  readonly sites?: readonly Site[]
  /** Processor that forwarders are kept on. */
  readonly cpu?: number
  /** Threads that a forwarder of Heddle has; as many as it usually has when left out. */
  readonly workers?: number
  /** What each thread of the forwarder in C does, see `native/forwarder.c`; one a direction when left out. */
  readonly shape?: 'directions' | 'one' | 'flows'
  /** What else each site programs, behind `siteTransaction`. */
  readonly also?: ((dataplane: TunDataplane, site: Site) => Promise<void>) | undefined
}

const BOTH: readonly Site[] = ['a', 'b']

/** Sets a contender up, pod to pod. */
export async function start(kind: ContenderKind, options: StartOptions = {}): Promise<Contender> {
  const namespaces = new Namespaces()
  try {
    layOut(namespaces)
    const close = kind === 'heddle' ? await heddle(namespaces, options) : kind === 'c' ? await forwarderInC(namespaces, options) : undefined
    if (kind === 'vxlan' || kind === 'routing') kernelWay(namespaces, kind)
    if (options.sites === undefined) namespaces.run('pod-a', `ping -q -c 3 -i 0.1 -W 2 ${POD.b}`)
    return {
      name: NAMES[kind],
      namespaces,
      close: async () => {
        await close?.()
        namespaces.close()
      },
    }
  } catch (error) {
    namespaces.close()
    throw error
  }
}

async function forwarderInC(
  namespaces: Namespaces,
  { sites = BOTH, cpu, shape = 'directions' }: StartOptions,
): Promise<() => Promise<void>> {
  const program = compiled('forwarder')
  const children: ChildProcess[] = []
  for (const site of sites) {
    const far = other[site]
    // In a session of its own as Heddle's forwarder is: Linux shares processors among sessions first (autogroup), and traffic is in this one's.
    const command = ['setsid', program, shape, namespaces.path(`pod-${site}`), 'eth0']
    const argv = [...command, NODE[site], NODE[far], `${LABEL[far]}`, `${LABEL[site]}`, POD[far]]
    children.push(await namespaces.serve(`node-${site}`, argv, cpu))
    configurePod(namespaces, site)
  }
  return async () => {
    for (const child of children) await end(child)
  }
}

/** As `heddle node` does it: a forwarder process a node, which this process controls. */
async function heddle(namespaces: Namespaces, { sites = BOTH, cpu, workers, also }: StartOptions): Promise<() => Promise<void>> {
  const dataplanes: TunDataplane[] = []
  for (const site of sites) {
    const dataplane = await tunDataplane({
      addresses: [IpAddress.parse(NODE[site])],
      underlayNetns: namespaces.path(`node-${site}`),
      stateDir: join(namespaces.state, site),
      ...(workers !== undefined && { workers }),
    })
    dataplanes.push(dataplane)
    const report = await dataplane.apply(siteTransaction(site))
    if (report.status !== 'applied') throw new Error(JSON.stringify(report))
    await dataplane.attachPort(1, {
      netns: namespaces.path(`pod-${site}`),
      ifname: 'eth0',
      addresses: [IpAddress.parse(POD[site])],
      mtu: 1468,
    })
    await also?.(dataplane, site)
    if (cpu !== undefined) execFileSync('taskset', ['-a', '-c', '-p', `${cpu}`, `${pidOf(dataplane)}`])
  }
  return async () => {
    for (const dataplane of dataplanes) await dataplane.close()
  }
}

/** Of the forwarder process. */
export function pidOf(dataplane: TunDataplane): number {
  return (dataplane as unknown as { readonly greeting: { readonly pid: number } }).greeting.pid
}

/** One VRF with one endpoint, and a way to the other site. */
export function siteTransaction(site: Site): FibTransaction {
  const far = other[site]
  const none = { set: [], remove: [] }
  const routes = new RouteBatch()
  routes.push(1, IpPrefix.parse(`${POD[site]}/32`), 1)
  routes.push(1, IpPrefix.parse(`${POD[far]}/32`), 2)
  const tunnel = {
    type: 'tunnel',
    encapsulation: 'mpls-udp',
    local: IpAddress.parse(NODE[site]),
    remote: IpAddress.parse(NODE[far]),
    labels: [LABEL[far]],
    ttlModel: 'pipe',
    trafficClassModel: 'pipe',
  } as const
  return {
    generation: 1,
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: {
      set: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [IpPrefix.parse(`${POD[site]}/32`)], gateways: [], mtu: 1468 }],
      remove: [],
    },
    nextHops: {
      set: [
        { id: 1, action: { type: 'port', port: 1 } },
        { id: 2, action: tunnel },
      ],
      remove: [],
    },
    groups: { set: [1, 2].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 1 })), remove: [] },
    tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.parse(`${NODE[far]}/32`)] }], remove: [] },
    labels: { set: [{ label: LABEL[site], action: { type: 'pop-forward', port: 1 }, sources: 1 }], remove: [] },
    vnis: none,
    routes,
  }
}
