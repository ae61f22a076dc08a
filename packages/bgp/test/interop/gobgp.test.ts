import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { RouteTarget } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker } from '../../src/index.js'
import { isUp, vpn, vpnRoutes } from '../speaker/lab.js'
import { Daemon, askJson, command, eventually, find } from './daemon.js'

const US = '127.0.41.1'
const THEM = '127.0.41.2'
const PORT = 11_791
const API = '50151'
const gobgpd = find('/usr/bin/gobgpd', '/usr/local/bin/gobgpd')

const CONFIG = `
[global.config]
  as = 65000
  router-id = "${THEM}"
  port = ${PORT}
  local-address-list = ["${THEM}"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${US}"
    peer-as = 65000
  [neighbors.transport.config]
    passive-mode = true
    local-address = "${THEM}"
  [neighbors.graceful-restart.config]
    enabled = true
  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "${THEM}"
${['l3vpn-ipv4-unicast', 'l3vpn-ipv6-unicast', 'rtc']
  .map((name) => `  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = "${name}"`)
  .join('\n')}
`

interface GobgpPath {
  readonly attrs: readonly { readonly type: number; readonly nexthop?: string; readonly value?: unknown }[]
  readonly nlri: { readonly prefix: string; readonly labels?: readonly number[] }
}

const gobgp = (...args: string[]): Promise<string> => command('gobgp', '-u', THEM, '-p', API, ...args)
const rib = async (family: string): Promise<GobgpPath[]> => {
  const table = (await askJson('gobgp', '-u', THEM, '-p', API, 'global', 'rib', '-a', family, '-j')) as
    | Record<string, GobgpPath[]>
    | undefined
  return Object.values(table ?? {}).flat()
}
/** Prefix, labels, next hop and route targets, as GoBGP's own client prints them. */
const seen = (paths: readonly GobgpPath[]): string[] =>
  paths
    .map(({ attrs, nlri }) => {
      const nextHop = attrs.find(({ type }) => type === 14)?.nexthop
      const communities = (attrs.find(({ type }) => type === 16)?.value ?? []) as { value: string }[]
      return `${nlri.prefix} ${nlri.labels?.join('/')} ${nextHop} ${communities.map(({ value }) => value).join(' ')}`
    })
    .sort()

describe.skipIf(gobgpd === undefined)(`GoBGP${gobgpd === undefined ? ' (not installed)' : ''}`, () => {
  let daemon: Daemon
  let speaker: Speaker

  beforeAll(async () => {
    daemon = await Daemon.start(gobgpd ?? '', CONFIG, (directory) => [
      '-f',
      `${directory}/daemon.conf`,
      '--api-hosts',
      `${THEM}:${API}`,
      '--pprof-disable',
    ])
    speaker = new Speaker({
      clock: nodeClock,
      random: nodeRandom,
      transport: nodeTcpTransport(),
      config: {
        as: 65000,
        routerId: US,
        holdTime: 9,
        neighbors: [
          { address: THEM, port: PORT, as: 65000, localAddress: US, families: ['vpnv4-unicast', 'vpnv6-unicast', 'rtc'], connectRetry: 1 },
        ],
      },
    })
    speaker.setRouteTargetMembership([RouteTarget.parse('65000:1')])
    await speaker.start()
    await eventually(`the session: ${daemon.output}`, () => isUp(speaker, THEM) || undefined)
  })

  afterAll(async () => {
    await speaker?.stop()
    await daemon?.stop()
  })

  it('takes VPNv4 and VPNv6 routes with label, route target and next hop', async () => {
    await eventually('it has our membership', async () => (await rib('rtc')).find(({ nlri }) => nlri.prefix.includes('65000:1')))
    await gobgp('vrf', 'add', 'red', 'rd', '65000:7', 'rt', 'both', '65000:7') // which makes it want 65000:7
    speaker.announce([vpn('10.1.0.1/32', { label: 1001, rt: '65000:7' }), vpn('2001:db8:1::1/128', { label: 1002, rt: '65000:7' })])
    await eventually('VPNv4 is there', async () => (await rib('vpnv4')).length > 0 || undefined)
    await eventually('VPNv6 is there', async () => (await rib('vpnv6')).length > 0 || undefined)
    expect(seen(await rib('vpnv4'))).toEqual([`10.1.0.1/32 1001 ${US} 65000:7`])
    // Go prints an IPv4-mapped address as the IPv4 address in it
    expect(seen(await rib('vpnv6'))).toEqual([`2001:db8:1::1/128 1002 ${US} 65000:7`])
    speaker.announce([vpn('10.1.0.9/32', { rt: '65000:8' })])
    speaker.withdraw([vpn('2001:db8:1::1/128')])
    await eventually('VPNv6 is gone', async () => (await rib('vpnv6')).length === 0 || undefined)
    expect(seen(await rib('vpnv4'))).toHaveLength(1) // it does not want 65000:8
  })

  it('gives VPNv4 and VPNv6 routes, and only those whose route target is wanted', async () => {
    await gobgp('global', 'rib', 'add', '-a', 'vpnv4', '10.2.0.1/32', 'label', '2001', 'rd', '65000:2', 'rt', '65000:1', 'nexthop', THEM)
    await gobgp('global', 'rib', 'add', '-a', 'vpnv4', '10.2.0.2/32', 'label', '2002', 'rd', '65000:2', 'rt', '65000:3', 'nexthop', THEM)
    await gobgp(
      'global',
      'rib',
      'add',
      '-a',
      'vpnv6',
      '2001:db8:2::1/128',
      'label',
      '2003',
      'rd',
      '65000:2',
      'rt',
      '65000:1',
      'nexthop',
      '2001:db8::2',
    )
    await eventually('both are there', () => vpnRoutes(speaker, THEM).length >= 2 || undefined)
    expect(vpnRoutes(speaker, THEM)).toEqual([
      `65000:2 10.2.0.1/32 label 2001 via ${THEM}`,
      '65000:2 2001:db8:2::1/128 label 2003 via 2001:db8::2',
    ])
    speaker.setRouteTargetMembership([RouteTarget.parse('65000:3')])
    await eventually('the other is wanted now', () => vpnRoutes(speaker, THEM).some((route) => route.includes('10.2.0.2')) || undefined)
    await eventually('the first is not', () => vpnRoutes(speaker, THEM).length === 1 || undefined)
  })
})
