import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from '../errors.js'
import type { PeerView } from '../lab.js'
import type { LabTopology } from '../topology.js'
import { labRd } from '../topology.js'
import { attempt, command } from './command.js'
import { LabProcess } from './process.js'

const BGPD = '/usr/lib/frr/bgpd'

/** The data centre's router: FRR's bgpd as route reflector of the nodes. BGP only: it forwards nothing. */
export class FrrGateway {
  #process: LabProcess | undefined

  constructor(
    readonly topology: LabTopology,
    /** Folder of its own for configuration, log and sockets. */
    readonly dir: string,
    readonly options: { readonly gracefulRestart: boolean },
  ) {
    mkdirSync(dir, { recursive: true })
    writeFileSync(join(dir, 'bgpd.conf'), frrConfig(topology, options))
  }

  async start(): Promise<void> {
    const { dir, topology } = this
    this.#process = LabProcess.start(
      'bgpd',
      topology.gateway.name,
      BGPD,
      [
        '-f',
        join(dir, 'bgpd.conf'),
        '-i',
        join(dir, 'bgpd.pid'),
        '--vty_socket',
        dir,
        '-Z',
        '-n',
        '-S',
        '-l',
        topology.gateway.address,
        '-P',
        '0',
        '--log',
        `file:${join(dir, 'bgpd.log')}`,
      ],
      { log: join(dir, 'bgpd.out') },
    )
    for (let tries = 0; tries < 600; tries++) {
      if (!this.#process.running) break
      const { status } = await attempt('vtysh', ['--vty_socket', dir, '-c', 'show bgp summary json'])
      if (status === 0) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new LabError('lab.frr', `bgpd did not come up, see ${join(dir, 'bgpd.out')}`)
  }

  /** Ends it without warning: the kernel closes its sockets. */
  async kill(): Promise<void> {
    await this.#process?.stop('SIGKILL')
  }

  async stop(): Promise<void> {
    await this.#process?.stop()
  }

  async show(what: string): Promise<string> {
    return command('vtysh', ['--vty_socket', this.dir, '-c', what])
  }

  async view(): Promise<PeerView> {
    const version = /FRRouting ([\d.]+)/.exec(await this.show('show version'))?.[1] ?? ''
    const routes = [...(await this.#routes('ipv4')), ...(await this.#routes('ipv6'))]
    const text = `${await this.show('show bgp ipv4 vpn')}\n${await this.show('show bgp ipv6 vpn')}`
    return { software: `FRR ${version}`, routes, text }
  }

  /** FRR 8.4 tells label and route targets only for one route at a time. */
  async #routes(afi: 'ipv4' | 'ipv6'): Promise<PeerView['routes']> {
    const list = JSON.parse(await this.show(`show bgp ${afi} vpn json`)) as FrrTable
    const names = Object.entries(list.routes?.routeDistinguishers ?? {}).flatMap(([rd, prefixes]) =>
      Object.keys(prefixes).map((prefix) => `rd ${rd} ${prefix}`),
    )
    if (names.length === 0) return []
    const shown = await command('vtysh', ['--vty_socket', this.dir, ...names.flatMap((name) => ['-c', `show bgp ${afi} vpn ${name} json`])])
    return documentsOf(shown).flatMap(parseVpnRoute)
  }
}

/** bgpd's configuration. The route maps come first: a `network` whose map is not there yet is dropped for seconds. */
export function frrConfig(topology: LabTopology, { gracefulRestart }: { readonly gracefulRestart: boolean }): string {
  const { gateway, as, vrfs, external, holdTime } = topology
  const family = (afi: 'ipv4' | 'ipv6'): string[] => [
    ` address-family ${afi} vpn`,
    ...external
      .filter(({ prefix }) => prefix.includes(':') === (afi === 'ipv6'))
      .map(({ vrf, prefix, label }) => {
        const config = vrfs.find(({ name }) => name === vrf)
        if (config === undefined) throw new LabError('lab.topology', `route ${prefix} names a VRF that is not there`)
        return `  network ${prefix} rd ${labRd(gateway, config)} label ${label} route-map ${vrf}`
      }),
    '  neighbor nodes activate',
    '  neighbor nodes route-reflector-client',
    ' exit-address-family',
  ]
  return [
    `hostname ${gateway.name}`,
    ...vrfs.flatMap(({ name, routeTarget }) => [
      `route-map ${name} permit 10`,
      ` set extcommunity rt ${routeTarget}`,
      // A VPNv6 route of its own without one makes FRR 8.4 tell that neighbor all routes behind it with its own address (docs/INTEROP.md).
      ` set ipv6 vpn next-hop ::ffff:${gateway.address}`,
      'exit',
    ]),
    `router bgp ${as}`,
    ` bgp router-id ${gateway.address}`,
    ` bgp cluster-id ${gateway.address}`,
    ' no bgp default ipv4-unicast',
    ...(gracefulRestart
      ? [
          ' bgp graceful-restart',
          ' bgp graceful-restart preserve-fw-state',
          // The deferral of path selection never ends for VPN routes in FRR 8.4; a read-only phase at the start does the same.
          ' bgp graceful-restart select-defer-time 0',
          ' update-delay 10 2',
        ]
      : []),
    ' neighbor nodes peer-group',
    ` neighbor nodes remote-as ${as}`,
    ` neighbor nodes timers ${Math.floor(holdTime / 3)} ${holdTime}`,
    ' neighbor nodes passive',
    ' bgp listen range 10.255.0.0/16 peer-group nodes',
    ...family('ipv4'),
    ...family('ipv6'),
    'exit',
    '',
  ].join('\n')
}

interface FrrTable {
  readonly routes?: { readonly routeDistinguishers?: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
}

interface FrrRoute {
  readonly prefix: string
  readonly paths: readonly {
    readonly remoteLabel?: number
    readonly nexthops?: readonly { readonly ip?: string }[]
    readonly extendedCommunity?: { readonly string?: string }
  }[]
}

/** The JSON documents that vtysh printed one behind the other. */
function documentsOf(text: string): unknown[] {
  return text
    .split(/^}$/m)
    .filter((part) => part.trim() !== '')
    .map((part) => JSON.parse(`${part}}`) as unknown)
}

/** `show bgp AFI vpn rd RD PREFIX json` as routes. */
function parseVpnRoute(json: unknown): PeerView['routes'] {
  return Object.entries(json as Readonly<Record<string, FrrRoute>>).map(([rd, { prefix, paths }]) => {
    const [path] = paths
    return {
      rd,
      prefix,
      label: path?.remoteLabel ?? null,
      nextHop: path?.nexthops?.[0]?.ip ?? '',
      routeTargets: [...(path?.extendedCommunity?.string ?? '').matchAll(/RT:(\S+)/g)].map(([, target]) => target),
    }
  })
}
