import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { RouteTarget } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker, routeTargetsOf } from '../../src/index.js'
import { isUp, vpn, vpnRoutes } from '../speaker/lab.js'
import { eventually, type Daemon } from './daemon.js'
import { Gobgp, withoutGobgp } from './gobgp-daemon.js'

const US = '127.0.41.1'
const THEM = '127.0.41.2'
const PORT = 11_791
const theirs = new Gobgp({
  address: THEM,
  port: PORT,
  api: '11951',
  neighbor: { address: US, reflectorClient: true },
  families: ['l3vpn-ipv4-unicast', 'l3vpn-ipv6-unicast', 'rtc'],
  gracefulRestart: true,
})

interface GobgpPath {
  readonly attrs: readonly { readonly type: number; readonly nexthop?: string; readonly value?: unknown }[]
  readonly nlri: {
    readonly prefix: string
    readonly labels?: readonly number[]
    readonly rd?: { readonly admin: number | string; readonly assigned: number }
  }
}

const VPN = ['vpnv4', 'vpnv6'] as const
const gobgp = (...words: string[]): Promise<string> => theirs.tell(...words)
const ask = async (...args: string[]): Promise<GobgpPath[]> => {
  const table = (await theirs.ask(...args)) as Record<string, GobgpPath[]> | undefined
  return Object.values(table ?? {}).flat()
}
const rib = (family: string): Promise<GobgpPath[]> => ask('global', 'rib', '-a', family)
/** What GoBGP's own client says that it has from us (`adj-in`) or gave us (`adj-out`). */
const exchanged = async (which: 'adj-in' | 'adj-out', families: readonly string[] = VPN): Promise<string[]> =>
  seen((await Promise.all(families.map((family) => ask('neighbor', US, which, '-a', family)))).flat())
/** RD, prefix, labels, next hop and route targets, as GoBGP's own client prints them. */
const seen = (paths: readonly GobgpPath[]): string[] =>
  paths
    .map(({ attrs, nlri: { rd, prefix, labels } }) => {
      const nextHop = attrs.find(({ type }) => type === 14)?.nexthop
      const communities = (attrs.find(({ type }) => type === 16)?.value ?? []) as { value: string }[]
      const targets = communities.map(({ value }) => value).join(' ')
      return rd === undefined ? prefix : `${rd.admin}:${rd.assigned} ${prefix} ${labels?.join('/')} ${nextHop} ${targets}`
    })
    .sort()
/** The same of our own tables; Go prints an IPv4-mapped address as the IPv4 address in it. */
const ours = (speaker: Speaker, direction: 'in' | 'out'): string[] =>
  (['vpnv4-unicast', 'vpnv6-unicast'] as const)
    .flatMap((family) => [...speaker.routes({ family, neighbor: THEM, direction })])
    .map(({ nlri, set }) => {
      const targets = routeTargetsOf(set.attributes.extendedCommunities).join(' ')
      return nlri.kind === 'vpn' ? `${nlri.rd} ${nlri.prefix} ${nlri.labels.join('/')} ${set.nextHop?.address.unmapped()} ${targets}` : ''
    })
    .sort()

describe.skipIf(withoutGobgp !== '')(`GoBGP${withoutGobgp}`, () => {
  let daemon: Daemon
  let speaker: Speaker

  beforeAll(async () => {
    daemon = await theirs.start()
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

  it('takes VPNv4 and VPNv6 routes with label, route target and next hop, those that it wants', async () => {
    await eventually('it has our membership', async () => (await rib('rtc')).find(({ nlri }) => nlri.prefix.includes('65000:1')))
    await gobgp('vrf', 'add', 'red', 'rd', '65000:7', 'rt', 'both', '65000:7') // which makes it want 65000:7
    speaker.announce([
      vpn('10.1.0.1/32', { label: 1001, rt: '65000:7' }),
      vpn('10.1.0.2/32', { rd: '192.0.2.9:7', label: 0xf_ffff, rt: '65000:7', nextHop: '192.0.2.9' }),
      vpn('10.1.0.3/32', { label: 1004, rt: '65000:7', nextHop: '2001:db8::9' }), // RFC 8950
      vpn('10.1.0.9/32', { rt: '65000:8' }),
      vpn('2001:db8:1::1/128', { label: 1002, rt: '65000:7' }),
      vpn('2001:db8:1::2/128', { label: 1003, rt: '65000:7', nextHop: '2001:db8::9' }),
    ])
    const expected = [
      '192.0.2.9:7 10.1.0.2/32 1048575 192.0.2.9 65000:7',
      `65000:1 10.1.0.1/32 1001 ${US} 65000:7`,
      '65000:1 10.1.0.3/32 1004 2001:db8::9 65000:7',
      `65000:1 2001:db8:1::1/128 1002 ${US} 65000:7`,
      '65000:1 2001:db8:1::2/128 1003 2001:db8::9 65000:7',
    ]
    await eventually('all are there', async () => (await exchanged('adj-in')).length >= 5 || undefined)
    expect(await exchanged('adj-in')).toEqual(expected)
    expect(ours(speaker, 'out')).toEqual(expected)
    speaker.withdraw([vpn('2001:db8:1::1/128')])
    await eventually('VPNv6 is gone', async () => (await rib('vpnv6')).length === 1 || undefined)
    expect(await exchanged('adj-in')).toEqual(expected.filter((route) => !route.includes('2001:db8:1::1/')))
  })

  it('is told of a route as soon as it wants it, and no longer than that', async () => {
    const before = await exchanged('adj-in')
    await gobgp('vrf', 'add', 'blue', 'rd', '65000:8', 'rt', 'both', '65000:8')
    await eventually('it asked', async () => (await exchanged('adj-out', ['rtc'])).includes('65000:65000:8') || undefined)
    await eventually('it has the route', async () => (await exchanged('adj-in')).length > before.length || undefined)
    expect(await exchanged('adj-in')).toEqual([...before, `65000:1 10.1.0.9/32 1000 ${US} 65000:8`].sort())
    await gobgp('vrf', 'del', 'blue')
    await eventually('it has it no longer', async () => (await exchanged('adj-in')).length === before.length || undefined)
    expect(await exchanged('adj-in')).toEqual(before)
    expect(ours(speaker, 'out')).toEqual(before)
  })

  it('gives VPNv4 and VPNv6 routes, and only those whose route target is wanted', async () => {
    const add = (family: string, prefix: string, label: number, rt: string, nextHop: string): Promise<string> =>
      gobgp('global', 'rib', 'add', '-a', family, prefix, 'label', String(label), 'rd', '65000:2', 'rt', rt, 'nexthop', nextHop)
    await add('vpnv4', '10.2.0.1/32', 2001, '65000:1', THEM)
    await add('vpnv4', '10.2.0.2/32', 2002, '65000:3', THEM)
    await add('vpnv6', '2001:db8:2::1/128', 2003, '65000:1', '2001:db8::2')
    await add('vpnv6', '2001:db8:2::2/128', 2004, '65000:1', `::ffff:${THEM}`)
    await add('vpnv6', '2001:db8:2::3/128', 2005, '65000:3', '2001:db8::2')
    await add('vpnv4', '10.2.0.4/32', 2006, '65000:1', '2001:db8::2')
    await eventually('all are there', () => vpnRoutes(speaker, THEM).length >= 4 || undefined)
    const wanted = await exchanged('adj-out')
    expect(ours(speaker, 'in').filter((route) => !route.includes(' 65000:7'))).toEqual(
      wanted.filter((route) => !route.includes(' 65000:7')),
    )
    expect(vpnRoutes(speaker, THEM)).toEqual([
      `65000:2 10.2.0.1/32 label 2001 via ${THEM}`,
      '65000:2 10.2.0.4/32 label 2006 via 2001:db8::2',
      '65000:2 2001:db8:2::1/128 label 2003 via 2001:db8::2',
      `65000:2 2001:db8:2::2/128 label 2004 via ::ffff:${THEM}`,
    ])
    expect(await exchanged('adj-in', ['rtc'])).toEqual(['65000:65000:1'])
    speaker.setRouteTargetMembership([RouteTarget.parse('65000:3')])
    await eventually(
      'the others are wanted now',
      () => vpnRoutes(speaker, THEM).filter((route) => /label 200[25]/.test(route)).length === 2 || undefined,
    )
    await eventually('the first are not', () => vpnRoutes(speaker, THEM).length === 2 || undefined)
    expect(await exchanged('adj-in', ['rtc'])).toEqual(['65000:65000:3'])
    speaker.setRouteTargetMembership('all')
    await eventually('all are wanted', () => vpnRoutes(speaker, THEM).length >= 6 || undefined)
    // its client cannot print the default membership, but what it gives shows that it knows it
    const same = async (): Promise<boolean> => JSON.stringify(ours(speaker, 'in')) === JSON.stringify(await exchanged('adj-out'))
    await eventually('we hold what it says that it gave', async () => (await same()) || undefined)
    expect(ours(speaker, 'in').length).toBeGreaterThanOrEqual(6)
  })
})
