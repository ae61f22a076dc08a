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
    for (let tries = 0; tries < 100; tries++) {
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
    const routes = [
      ...parseVpn(JSON.parse(await this.show('show bgp ipv4 vpn detail json'))),
      ...parseVpn(JSON.parse(await this.show('show bgp ipv6 vpn detail json'))),
    ]
    const text = `${await this.show('show bgp ipv4 vpn')}\n${await this.show('show bgp ipv6 vpn')}`
    return { software: `FRR ${version}`, routes, text }
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
    ...vrfs.flatMap(({ name, routeTarget }) => [`route-map ${name} permit 10`, ` set extcommunity rt ${routeTarget}`, 'exit']),
    `router bgp ${as}`,
    ` bgp router-id ${gateway.address}`,
    ` bgp cluster-id ${gateway.address}`,
    ' no bgp default ipv4-unicast',
    ...(gracefulRestart ? [' bgp graceful-restart', ' bgp graceful-restart preserve-fw-state'] : []),
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

interface FrrPath {
  readonly bestpath?: { readonly overall?: boolean } | boolean
  readonly remoteLabel?: number
  readonly nexthops?: readonly { readonly ip?: string }[]
  readonly extendedCommunity?: { readonly string?: string }
}

/** `show bgp AFI vpn detail json` as routes. */
export function parseVpn(json: unknown): PeerView['routes'] {
  const distinguishers =
    (json as { routes?: { routeDistinguishers?: Record<string, Record<string, unknown>> } }).routes?.routeDistinguishers ?? {}
  return Object.entries(distinguishers).flatMap(([rd, prefixes]) =>
    Object.entries(prefixes).map(([prefix, value]) => {
      const paths = (Array.isArray(value) ? value : ((value as { paths?: FrrPath[] }).paths ?? [])) as readonly FrrPath[]
      const [path] = paths
      return {
        rd,
        prefix,
        label: path?.remoteLabel ?? null,
        nextHop: path?.nexthops?.[0]?.ip ?? '',
        routeTargets: [...(path?.extendedCommunity?.string ?? '').matchAll(/RT:(\S+)/g)].map(([, target]) => target),
      }
    }),
  )
}
