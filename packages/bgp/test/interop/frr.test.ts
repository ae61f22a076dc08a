import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { IpAddress } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker, routeTargetsOf } from '../../src/index.js'
import { isUp, neighbor, vpn, vpnRoutes } from '../speaker/lab.js'
import { Daemon, askJson, eventually, find } from './daemon.js'
import { JOINT_ROUTES, jointHops } from './joint-routes.js'

const US = '127.0.42.1'
const THEM = '127.0.42.2'
const PORT = 11_790
/** A second peer of FRR, to which it reflects what we say. */
const THIRD = '127.0.42.3'
/** FRR takes no loopback address as a next hop. */
const NEXT_HOP = '192.0.2.41'
const bgpd = find('/usr/lib/frr/bgpd', '/usr/sbin/bgpd')
const reason = bgpd === undefined ? ' (not installed)' : process.getuid?.() === 0 ? '' : ' (needs root)'

const ACTIVATED = [US, THIRD].map((peer) => `  neighbor ${peer} activate\n  neighbor ${peer} route-reflector-client`).join('\n')
/** Its routes of VPNv6 name their next hop: behind one that does not, FRR 8.4 tells all of VPNv6 with its own address (docs/INTEROP.md). */
const CONFIG = `
route-map VPN permit 10
 set extcommunity rt 65000:1
 set ipv6 vpn next-hop ::ffff:${THEM}
exit
router bgp 65000
 bgp router-id ${THEM}
 no bgp default ipv4-unicast
 no bgp network import-check
${[US, THIRD].map((peer) => ` neighbor ${peer} remote-as 65000\n neighbor ${peer} passive\n neighbor ${peer} update-source ${THEM}`).join('\n')}
 address-family ipv4 vpn
${ACTIVATED}
  network 10.2.0.1/32 rd 65000:2 label 2001 route-map VPN
 exit-address-family
 address-family ipv6 vpn
${ACTIVATED}
  network 2001:db8:2::1/128 rd 65000:2 label 2003 route-map VPN
 exit-address-family
`

interface FrrPath {
  readonly remoteLabel?: number
  readonly extendedCommunity?: { readonly string: string }
  readonly nexthops: readonly { readonly ip: string }[]
}

describe.skipIf(reason !== '')(`FRR bgpd${reason}`, () => {
  let daemon: Daemon
  let speaker: Speaker
  let third: Speaker

  const ask = (what: string): Promise<unknown> => askJson('vtysh', '--vty_socket', daemon.directory, '-d', 'bgpd', '-c', what)
  /** Label, route target and next hop of one route, as FRR's own shell prints them. */
  const seen = async (family: 'ipv4' | 'ipv6', prefix: string): Promise<string | undefined> => {
    const answer = (await ask(`show bgp ${family} vpn rd 65000:1 ${prefix} json`)) as Record<string, { paths?: FrrPath[] }> | undefined
    const path = Object.values(answer ?? {}).flatMap((entry) => entry.paths ?? [])[0]
    if (path === undefined) return undefined
    return `label ${path.remoteLabel} via ${IpAddress.parse(path.nexthops[0].ip)} ${path.extendedCommunity?.string}`
  }

  beforeAll(async () => {
    daemon = await Daemon.start(bgpd ?? '', CONFIG, (directory) => [
      '-nZS',
      '-f',
      `${directory}/daemon.conf`,
      '-i',
      `${directory}/bgpd.pid`,
      '--vty_socket',
      directory,
      '-p',
      String(PORT),
      '-l',
      THEM,
      '-P',
      '0',
      '--log',
      'stdout',
    ])
    const speak = (address: string): Speaker =>
      new Speaker({
        clock: nodeClock,
        random: nodeRandom,
        transport: nodeTcpTransport(),
        config: {
          as: 65000,
          routerId: address,
          holdTime: 9,
          neighbors: [
            { address: THEM, port: PORT, as: 65000, localAddress: address, families: ['vpnv4-unicast', 'vpnv6-unicast'], connectRetry: 1 },
          ],
        },
      })
    speaker = speak(US)
    third = speak(THIRD)
    await third.start()
    await speaker.start()
    await eventually('the session', () => isUp(speaker, THEM) || undefined).catch((error: unknown) => {
      throw new TypeError(`${String(error)}\n${daemon.output}\n${JSON.stringify(neighbor(speaker, THEM))}`)
    })
  })

  afterAll(async () => {
    await Promise.all([speaker?.stop(), third?.stop()])
    await daemon?.stop()
  })

  it('takes VPNv4 and VPNv6 routes with label, route target and next hop', async () => {
    speaker.announce([
      vpn('10.1.0.1/32', { label: 1001, rt: '65000:7', nextHop: NEXT_HOP }),
      vpn('2001:db8:1::1/128', { label: 1002, rt: '65000:7', nextHop: NEXT_HOP }),
    ])
    expect(await eventually('VPNv4 is there', () => seen('ipv4', '10.1.0.1/32'))).toBe(`label 1001 via ${NEXT_HOP} RT:65000:7`)
    expect(await eventually('VPNv6 is there', () => seen('ipv6', '2001:db8:1::1/128'))).toBe(`label 1002 via ::ffff:${NEXT_HOP} RT:65000:7`)
    speaker.withdraw([vpn('10.1.0.1/32')])
    await eventually('VPNv4 is gone', async () => (await seen('ipv4', '10.1.0.1/32')) === undefined || undefined)
  })

  it('gives what it prints: label, route target and next hop of routes that it passes on', async () => {
    const routes = [
      vpn('10.1.0.5/32', { label: 1005, rt: '65000:7', nextHop: NEXT_HOP }),
      vpn('10.1.0.6/32', { label: 0xf_ffff, rt: '192.0.2.9:7', nextHop: '192.0.2.42' }),
      // Behind a VPNv6 route of its own without a next hop, FRR tells its own address in the place of this one: see CONFIG.
      vpn('2001:db8:1::5/128', { label: 1006, rt: '65000:7', nextHop: NEXT_HOP }),
      vpn('2001:db8:1::6/128', { label: 1007, rt: '4200000000:7', nextHop: '2001:db8::42' }),
    ]
    speaker.announce(routes)
    const found = await eventually('they went on', () => {
      const views = (['vpnv4-unicast', 'vpnv6-unicast'] as const).flatMap((family) => [...third.routes({ family, neighbor: THEM })])
      const ours = views.filter(({ set }) => set.attributes.originatorId?.toString() === US)
      return ours.filter(({ nlri }) => nlri.kind === 'vpn' && /\.[56]\/|:[56]\//.test(String(nlri.prefix))).length === 4 ? ours : undefined
    })
    for (const { nlri } of routes) {
      if (nlri.kind !== 'vpn') expect.unreachable()
      const prefix = String(nlri.prefix)
      const view = found.find((route) => route.nlri.kind === 'vpn' && String(route.nlri.prefix) === prefix)
      if (view?.nlri.kind !== 'vpn') expect.unreachable(`${prefix} is not there`)
      const targets = routeTargetsOf(view.set.attributes.extendedCommunities).map((target) => `RT:${target}`)
      expect(`label ${view.nlri.labels[0]} via ${view.set.nextHop?.address} ${targets.join(' ')}`).toBe(
        await eventually(`${prefix} is printed`, () => seen(prefix.includes(':') ? 'ipv6' : 'ipv4', prefix)),
      )
    }
    speaker.withdraw(routes)
    await eventually('they are gone', () => !vpnRoutes(third, THEM).some((route) => /label (?:100[5-7]|1048575) /.test(route)) || undefined)
  })

  it('gives VPNv4 and VPNv6 routes', async () => {
    const routes = await eventually('both are there', () => {
      const all = vpnRoutes(speaker, THEM)
      return all.length === 2 ? all : undefined
    })
    expect(routes[0]).toBe(`65000:2 10.2.0.1/32 label 2001 via ${THEM}`)
    expect(routes[1]).toBe(`65000:2 2001:db8:2::1/128 label 2003 via ::ffff:${THEM}`)
    const [view] = speaker.routes({ family: 'vpnv4-unicast', neighbor: THEM })
    expect(
      view.set.attributes.extendedCommunities?.map((community) =>
        community.kind === 'route-target' ? String(community.target) : community.kind,
      ),
    ).toEqual(['65000:1'])
  })

  it('reflects our own route to us, which we know as a loop', async () => {
    const own = await eventually('the route comes round', () =>
      [...speaker.routes({ family: 'vpnv6-unicast', neighbor: THEM })].find(({ invalid }) => invalid !== undefined),
    )
    expect(own.invalid).toBe('originator-loop')
  })

  it('answers a route refresh', async () => {
    const before = neighbor(speaker, THEM).messages.received.update
    expect(speaker.requestRefresh(THEM, 'vpnv4-unicast')).toBe(true)
    await eventually('an update', () => neighbor(speaker, THEM).messages.received.update > before || undefined)
    expect(vpnRoutes(speaker, THEM)).toHaveLength(2)
  })

  it('marks the end of its routes, and negotiates what was offered', async () => {
    const { negotiated } = neighbor(speaker, THEM)
    expect(negotiated).toMatchObject({ asn4: true, routeRefresh: true, peerType: 'ibgp', holdTime: 9 })
    expect(negotiated?.families.map(({ name }) => name)).toEqual(['vpnv4-unicast', 'vpnv6-unicast'])
  })

  it('passes on that a next hop reads joint labels', async () => {
    speaker.announce(JOINT_ROUTES)
    await eventually('they went on', () => jointHops(third, THEM).length === 2 || undefined)
    expect(jointHops(third, THEM)).toEqual(['192.0.2.41', '2001:db8::41'])
    speaker.withdraw(JOINT_ROUTES)
    await eventually('they are gone', () => jointHops(third, THEM).length === 0 || undefined)
  })
})
