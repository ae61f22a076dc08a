import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FamilyName, Speaker } from '../../src/index.js'
import { isUp, neighbor, vpn, vpnRoutes } from '../speaker/lab.js'
import { Daemon, command, eventually, find } from './daemon.js'
import { JOINT_ROUTES, jointHops } from './joint-routes.js'
import { MANY_COMMUNITIES, speakAt, unicast, unicastFrom, type Reflector } from './peering.js'

const BIRD: Reflector = { address: '127.0.43.2', port: 11_791 }
const US = '127.0.43.1'
const SECOND = '127.0.43.3'
/** Takes several paths of a destination. */
const THIRD = '127.0.43.4'
/** BIRD takes no loopback address as a next hop. */
const HOP = '192.0.2.41'
const bird = find('/usr/sbin/bird')
const reason = bird === undefined ? ' (not installed)' : ''
const FAMILIES: readonly FamilyName[] = ['ipv4-unicast', 'vpnv4-unicast', 'vpnv6-unicast']

const peer = (name: string, address: string): string => `
protocol bgp ${name} {
  local ${BIRD.address} port ${BIRD.port} as 65000;
  neighbor ${address} as 65000;
  passive on;
  rr client;
  hold time 9;
  enable extended messages on;
  graceful restart on;
  ipv4 { import all; export where own_next_hop(); next hop keep; add paths on; };
  vpn4 mpls { table vpn4tab; import all; export all; next hop keep; add paths on; };
  vpn6 mpls { table vpn6tab; import all; export all; next hop keep; add paths on; };
}`
const CONFIG = `
log stderr all;
router id ${BIRD.address};
# what BIRD originates has a loopback address as next hop otherwise, which nobody takes
function own_next_hop() { if source = RTS_STATIC then bgp_next_hop = 192.0.2.43; return true; }
vpn4 table vpn4tab;
vpn6 table vpn6tab;
protocol device {}
protocol static {
  ipv4;
  route 10.9.0.0/16 blackhole { bgp_large_community.add((65000, 1, 2)); bgp_community.add((65000, 7)); };
}
${peer('peer_a', US)}
${peer('peer_b', SECOND)}
${peer('peer_c', THIRD)}
`

describe.skipIf(reason !== '')(`BIRD${reason}`, () => {
  let daemon: Daemon
  let us: Speaker
  let second: Speaker
  let third: Speaker
  const ask = (...words: string[]): Promise<string> =>
    command('/usr/sbin/birdc', '-s', `${daemon.directory}/bird.ctl`, ...words).catch((error: unknown) => String(error))

  beforeAll(async () => {
    daemon = await Daemon.start(bird ?? '', CONFIG, (directory) => [
      '-f',
      '-c',
      `${directory}/daemon.conf`,
      '-s',
      `${directory}/bird.ctl`,
      '-P',
      `${directory}/bird.pid`,
    ])
    us = speakAt(US, BIRD, FAMILIES, { gracefulRestart: { restartTime: 30 } })
    second = speakAt(SECOND, BIRD, FAMILIES)
    third = speakAt(THIRD, BIRD, FAMILIES, { addPath: 'both' })
    await Promise.all([us, second, third].map((speaker) => speaker.start()))
    await eventually('the sessions', () => [us, second, third].every((speaker) => isUp(speaker, BIRD.address)) || undefined).catch(
      (error: unknown) => {
        throw new TypeError(`${String(error)}\n${daemon.output}\n${JSON.stringify(neighbor(us, BIRD.address).lastError)}`)
      },
    )
  })

  afterAll(async () => {
    await Promise.all([us?.stop(), second?.stop(), third?.stop()])
    await daemon?.stop()
  })

  it('agrees on extended messages, graceful restart and path identifiers', async () => {
    expect(neighbor(us, BIRD.address).negotiated).toMatchObject({ extendedMessage: true, enhancedRouteRefresh: true, asn4: true })
    expect(neighbor(third, BIRD.address).negotiated?.addPath.receive.size).toBe(3)
    expect(neighbor(us, BIRD.address).negotiated?.addPath.receive.size).toBe(0)
    expect(await ask('show', 'protocols', 'all', 'peer_c')).toMatch(/BGP state:\s+Established/)
  })

  it('takes VPNv4 and VPNv6 routes with label and route target, and passes them on', async () => {
    us.announce([
      vpn('10.1.0.1/32', { label: 1001, rt: '65000:7', nextHop: '192.0.2.41' }),
      vpn('2001:db8:1::1/128', { label: 1002, rt: '65000:7', nextHop: '2001:db8::41' }),
    ])
    const shown = await eventually('VPNv4 is there', async () => {
      const text = await ask('show', 'route', 'table', 'vpn4tab', 'all')
      return text.includes('10.1.0.1/32') ? text : undefined
    })
    expect(shown).toMatch(/65000:1 10\.1\.0\.1\/32/)
    expect(shown).toMatch(/BGP\.mpls_label_stack: 1001/)
    expect(shown).toMatch(/BGP\.ext_community: \(rt, 65000, 7\)/)
    expect(shown).toMatch(/BGP\.next_hop: 192\.0\.2\.41/)
    // In an UPDATE of its own.
    await eventually('VPNv6 is there', async () =>
      /BGP\.mpls_label_stack: 1002/.test(await ask('show', 'route', 'table', 'vpn6tab', 'all')) ? true : undefined,
    )
    const routes = await eventually('they went on', () => (vpnRoutes(second).length === 2 ? vpnRoutes(second) : undefined))
    expect(routes).toEqual(['65000:1 10.1.0.1/32 label 1001 via 192.0.2.41', '65000:1 2001:db8:1::1/128 label 1002 via 2001:db8::41'])
  })

  it('passes on that next hops read joint labels', async () => {
    us.announce(JOINT_ROUTES)
    await eventually('they went on', () => jointHops(second, BIRD.address).length === 2 || undefined)
    expect(jointHops(second, BIRD.address)).toEqual(['192.0.2.41', '2001:db8::41'])
    us.withdraw(JOINT_ROUTES)
    await eventually('they are gone', () => jointHops(second, BIRD.address).length === 0 || undefined)
  })

  it('gives its own routes, with communities of both kinds', async () => {
    const [view] = await eventually('its route', () => {
      const all = [...us.routes({ family: 'ipv4-unicast', neighbor: BIRD.address })]
      return all.length > 0 ? all : undefined
    })
    expect(view.set.attributes).toMatchObject({
      communities: [((65000 << 16) >>> 0) + 7],
      largeCommunities: [{ globalAdministrator: 65000, localData1: 1, localData2: 2 }],
    })
  })

  it('takes large communities, and messages beyond 4,096 octets, and passes them on', async () => {
    const large = [{ globalAdministrator: 4_200_000_000, localData1: 0xffff_ffff, localData2: 3 }]
    us.announce([unicast('10.3.0.0/16', HOP, { largeCommunities: large, communities: MANY_COMMUNITIES })])
    const shown = await eventually('it is there', async () => {
      const text = await ask('show', 'route', '10.3.0.0/16', 'all')
      return text.includes('BGP.large_community') ? text : undefined
    })
    expect(shown).toMatch(/BGP\.large_community: \(4200000000, 4294967295, 3\)/)
    const view = await eventually('it went on', () =>
      [...second.routes({ family: 'ipv4-unicast', neighbor: BIRD.address })].find(
        ({ nlri }) => nlri.kind === 'unicast' && String(nlri.prefix) === '10.3.0.0/16',
      ),
    )
    expect(view.set.attributes.communities).toHaveLength(MANY_COMMUNITIES.length)
    expect(view.set.attributes.largeCommunities).toEqual(large)
    us.withdraw([unicast('10.3.0.0/16', HOP)])
  })

  it('gives several paths to a destination, and takes several', async () => {
    us.announce([unicast('10.4.0.0/16', HOP)])
    second.announce([unicast('10.4.0.0/16', '192.0.2.42')])
    const paths = await eventually('both paths', () => {
      const found = unicastFrom(third, BIRD.address).filter((text) => text.startsWith('10.4.'))
      return found.length === 2 ? found : undefined
    })
    expect(paths).toEqual([`10.4.0.0/16 via ${HOP}`, '10.4.0.0/16 via 192.0.2.42'])
    second.withdraw([unicast('10.4.0.0/16', '192.0.2.42')])
    await eventually(
      'one is gone',
      () => unicastFrom(third, BIRD.address).filter((text) => text.startsWith('10.4.')).length === 1 || undefined,
    )
  })

  it('answers a refresh between marks', async () => {
    const before = neighbor(us, BIRD.address).messages.received
    expect(us.requestRefresh(BIRD.address, 'ipv4-unicast')).toBe(true)
    await eventually('the marks', () => neighbor(us, BIRD.address).messages.received.routeRefresh >= before.routeRefresh + 2 || undefined)
    expect(unicastFrom(us, BIRD.address).some((text) => text.startsWith('10.9.0.0/16'))).toBe(true)
  })

  it('keeps our routes over a restart, and lets go of those that are not there afterwards', async () => {
    us.announce([unicast('10.5.0.0/16', HOP), unicast('10.6.0.0/16', HOP)])
    await eventually(
      'they went on',
      () => unicastFrom(second, BIRD.address).filter((text) => /^10\.[56]\./.test(text)).length === 2 || undefined,
    )
    await us.stop({ graceful: true })
    await eventually(
      'it waits',
      async () => /Graceful restart|graceful restart|Restart/i.test(await ask('show', 'protocols', 'all', 'peer_a')) || undefined,
    )
    expect(unicastFrom(second, BIRD.address).filter((text) => /^10\.[56]\./.test(text))).toHaveLength(2)
    us = speakAt(US, BIRD, FAMILIES, { gracefulRestart: { restartTime: 30 } }, { gracefulRestart: { restarting: true } })
    us.announce([unicast('10.5.0.0/16', HOP)])
    await us.start()
    await eventually('the session', () => isUp(us, BIRD.address) || undefined)
    await eventually(
      'the other is gone',
      () => unicastFrom(second, BIRD.address).filter((text) => text.startsWith('10.6.')).length === 0 || undefined,
    )
    expect(unicastFrom(second, BIRD.address)).toContain(`10.5.0.0/16 via ${HOP}`)
  })
})
