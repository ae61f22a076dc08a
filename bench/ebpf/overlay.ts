import type { BfdRow, DropRow, RouteRow } from '@heddle/agent'
import { ControlClient } from '@heddle/cli'
import { execFileSync, type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { frr } from '../bgp/daemon/frr.ts'
import { executableOfHeddle } from '../bgp/daemon/heddle.ts'
import { AS, CONFIG_FILE } from '../bgp/daemon/reflector.ts'
import { VPNV4 } from '../bgp/workload/family.ts'
import { NODE, other, POD, type Site } from '../tun/contender.ts'
import { Namespaces } from '../tun/namespaces.ts'

/*
 *     pod-a ─ node-a ═ up0 ═╗ reflector: a bridge, and FRR's bgpd on it ╔═ up0 ═ node-b ─ pod-b
 *
 * Nodes are processes of `heddle node` as one would run them, the dataplane in the kernel. Only what tells who is who is configured.
 */

const REFLECTOR = '192.0.2.9'
const VRF = 'red'
const TARGET = `${AS}:1`
/** Of the nodes with each other, in milliseconds and packets: what they choose by themselves. */
const BFD = { interval: 300, multiplier: 3 }
/** Milliseconds until something that comes about without fail is given up. */
const PATIENCE = 60_000

/** What the reflector knows of a route. */
interface FrrTable {
  readonly routes?: {
    readonly routeDistinguishers?: Readonly<Record<string, Readonly<Record<string, readonly { readonly stale?: boolean }[]>>>>
  }
}

/** Routes that were withdrawn since one looks. */
export interface Withdrawals extends AsyncDisposable {
  readonly count: number
}

/** Two nodes that tell each other of their pods by a reflector with graceful restart. */
export class Overlay {
  readonly namespaces = new Namespaces()
  readonly #nodes = new Map<Site, ChildProcess>()

  /** Starts everything, and waits until pods reach each other. */
  static async start(): Promise<Overlay> {
    const overlay = new Overlay()
    try {
      overlay.#layOut()
      overlay.#reflect()
      for (const site of ['a', 'b'] as const) await overlay.startNode(site)
      await overlay.converged()
      overlay.namespaces.run('pod-a', `ping -q -c 3 -i 0.1 -W 5 ${POD.b}`)
      return overlay
    } catch (error) {
      await overlay.close()
      throw error
    }
  }

  /** Starts a node, and waits until it serves. @param object its programs; those that were built when left out */
  async startNode(site: Site, object?: string): Promise<void> {
    const config = join(this.namespaces.state, `${site}.yaml`)
    writeFileSync(config, JSON.stringify(this.#document(site)))
    const env = object === undefined ? [] : ['env', `HEDDLE_EBPF_OBJECT_PATH=${object}`]
    const argv = [...env, process.execPath, executableOfHeddle, 'node', '--config', config, '--log-level', 'error']
    this.#nodes.set(site, await this.namespaces.serve(`node-${site}`, argv))
  }

  /** Ends the process of a node, and waits for its end. */
  async endNode(site: Site, signal: NodeJS.Signals): Promise<void> {
    const node = this.#nodes.get(site)
    if (node === undefined || node.exitCode !== null || node.signalCode !== null) return
    const ended = new Promise((resolve) => node.once('exit', resolve))
    node.kill(signal)
    await ended
  }

  /** Waits until each node has the other's pod, installed, and hears the other by BFD, and the reflector has nothing that is only kept. */
  async converged(): Promise<void> {
    for (const site of ['a', 'b'] as const) {
      await until(`the reflector has the routes of node ${site}`, () => {
        const { routes, stale } = this.reflected(site)
        return routes > 0 && stale === 0
      })
      await until(`node ${site} has the route of the other`, async () =>
        ((await this.show(site, 'routes')) as RouteRow[]).some(
          ({ prefix, best, installed }) => prefix === `${POD[other[site]]}/32` && best && installed,
        ),
      )
      await until(`node ${site} hears the other by BFD`, async () =>
        ((await this.show(site, 'bfd')) as BfdRow[]).some(({ state }) => state === 'up'),
      )
    }
  }

  /** Rows of `heddle show` of a node. */
  async show(site: Site, what: string): Promise<readonly unknown[]> {
    await using client = await ControlClient.connect(this.socket(site))
    return (await client.request('show', { what })) as unknown[]
  }

  /** Packets that a node has dropped, by reason. */
  async drops(site: Site): Promise<ReadonlyMap<string, number>> {
    return new Map(((await this.show(site, 'drops')) as DropRow[]).map(({ reason, packets }) => [reason, packets]))
  }

  /** The kernel's tags of a node's programs. */
  async programs(site: Site): Promise<string> {
    const rows = (await this.show(site, 'bpf')) as { readonly kind: string; readonly name: string; readonly version: string }[]
    return rows.flatMap(({ kind, name, version }) => (kind === 'program' ? [`${name} ${version}`] : [])).join(', ')
  }

  /** Counts, from now on, the routes of the other node that a node's BGP no longer has. */
  async withdrawals(site: Site): Promise<Withdrawals> {
    const client = await ControlClient.connect(this.socket(site))
    let [count, begins] = [0, (): void => undefined]
    const begun = new Promise<void>((resolve) => (begins = resolve))
    const watched = (async () => {
      for await (const rows of client.stream('bgp', { what: 'watch' })) {
        for (const { event, rd } of rows as readonly { readonly event: string; readonly rd?: string }[]) {
          if (event === 'end-of-snapshot') begins()
          if (event === 'gone' && rd === rdOf(other[site])) count++
        }
      }
    })().then(
      () => 'it has ended',
      (error: unknown) => String(error),
    )
    let ended: string | undefined
    void watched.then((why) => (ended = why))
    /** Of what nobody watches any more, nothing is known. */
    const check = (): void => {
      if (ended !== undefined) throw new Error(`the BGP of node ${site} is not watched any more: ${ended}`)
    }
    await Promise.race([begun, watched])
    check()
    return {
      get count() {
        check()
        return count
      },
      [Symbol.asyncDispose]: async () => {
        await client.close()
        await watched
      },
    }
  }

  /** Routes of a node that the reflector has, and those among them that it has kept from a session that ended. */
  reflected(site: Site): { readonly routes: number; readonly stale: number } {
    const { state } = this.namespaces
    const said = execFileSync('vtysh', ['--vty_socket', state, '-c', 'show bgp ipv4 vpn json'], { encoding: 'utf8' })
    const paths = Object.values((JSON.parse(said) as FrrTable).routes?.routeDistinguishers?.[rdOf(site)] ?? {}).flat()
    return { routes: paths.length, stale: paths.filter(({ stale }) => stale === true).length }
  }

  socket(site: Site): string {
    return join(this.namespaces.state, `${site}.sock`)
  }

  async close(): Promise<void> {
    for (const site of this.#nodes.keys()) await this.endNode(site, 'SIGTERM')
    this.namespaces.close()
  }

  #layOut(): void {
    const { namespaces } = this
    mkdirSync(namespaces.state)
    namespaces.add('reflector', 'node-a', 'node-b', 'pod-a', 'pod-b')
    namespaces.run('reflector', 'ip link add br0 type bridge')
    namespaces.run('reflector', 'ip link set br0 up')
    namespaces.run('reflector', `ip address add ${REFLECTOR}/24 dev br0`)
    for (const site of ['a', 'b'] as const) {
      namespaces.run(`node-${site}`, `ip link add up0 type veth peer name to-${site} netns @reflector`)
      namespaces.run('reflector', `ip link set to-${site} master br0 up`)
      namespaces.run(`node-${site}`, 'ip link set up0 up')
      namespaces.run(`node-${site}`, `ip address add ${NODE[site]}/24 dev up0`)
    }
  }

  #reflect(): void {
    const { namespaces } = this
    const directory = namespaces.state
    const clients = Object.values(NODE)
    const { config, args } = frr.start({ address: REFLECTOR, port: 179, managementPort: 0, family: VPNV4, clients, directory })
    // By itself it helps those that restart.
    writeFileSync(join(directory, CONFIG_FILE), config)
    namespaces.start('reflector', [frr.executable!, ...args])
  }

  #document(site: Site): object {
    return {
      node: { name: `node-${site}`, address: NODE[site] },
      socket: this.socket(site),
      bgp: { as: AS, neighbors: [{ address: REFLECTOR, as: AS, families: ['vpnv4-unicast'] }] },
      vrfs: [{ name: VRF, rd: rdOf(site), import: [TARGET], export: [TARGET] }],
      endpoints: [{ vrf: VRF, netns: this.namespaces.path(`pod-${site}`), ifname: 'eth0', addresses: [POD[site]] }],
      bfd: { tunnels: BFD },
      dataplane: { kind: 'ebpf' },
    }
  }
}

export function rdOf(site: Site): string {
  return `${NODE[site]}:1`
}

/** Waits until something holds. @throws when it does not come about */
export async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE; !(await holds()); await sleep(50)) {
    if (performance.now() > end) throw new Error(`not within ${PATIENCE / 1000} s: ${what}`)
  }
}
