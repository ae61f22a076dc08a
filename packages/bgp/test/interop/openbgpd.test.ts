import { chmod, mkdir, rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FamilyName, Speaker } from '../../src/index.js'
import { isUp, neighbor, vpn, vpnRoutes } from '../speaker/lab.js'
import { Daemon, askJson, eventually, find } from './daemon.js'
import { JOINT_ROUTES, jointHops } from './joint-routes.js'
import { speakAt, unicast, unicastFrom, type Reflector } from './peering.js'

const OPENBGPD: Reflector = { address: '127.0.44.2', port: 11_792 }
const US = '127.0.44.1'
const SECOND = '127.0.44.3'
/** Takes several paths of a destination. */
const THIRD = '127.0.44.4'
const HOP = '192.0.2.51'
const OTHER_HOP = '192.0.2.52'
/** Home of its user, to which it confines itself; a service would make it. */
const CHROOT = '/run/openbgpd'
const bgpd = find('/usr/sbin/bgpd')
const control = find('/usr/sbin/bgpctl')
const reason = bgpd === undefined || control === undefined ? ' (not installed)' : process.getuid?.() === 0 ? '' : ' (needs root)'
const FAMILIES: readonly FamilyName[] = ['ipv4-unicast', 'vpnv4-unicast', 'vpnv6-unicast']

const peer = (address: string, more = ''): string => `
neighbor ${address} {
  remote-as 65000
  passive
  local-address ${OPENBGPD.address}
  holdtime 9
  route-reflector
  announce IPv4 unicast
  announce IPv4 vpn
  announce IPv6 vpn
  announce restart yes
  ${more}
}`
/** @param socket where its control program finds it */
const config = (socket: string): string => `
AS 65000
router-id ${OPENBGPD.address}
listen on ${OPENBGPD.address} port ${OPENBGPD.port}
fib-update no
nexthop qualify via default
socket "${socket}"
network 10.9.0.0/16 set { nexthop 192.0.2.53 community 65000:7 large-community 65000:1:2 }
${peer(US)}
${peer(SECOND)}
${peer(THIRD, 'announce add-path send all')}
allow from any
allow to any
`

interface RibAnswer {
  readonly rib?: readonly {
    readonly prefix: string
    readonly exit_nexthop?: string
    readonly large_communities?: readonly string[]
    readonly extended_communities?: readonly string[]
  }[]
}

describe.skipIf(reason !== '')(`OpenBGPD${reason}`, () => {
  const socket = `/run/heddle-openbgpd-${process.pid}.sock`
  let daemon: Daemon
  let us: Speaker
  let second: Speaker
  let third: Speaker
  const rib = async (...words: string[]): Promise<NonNullable<RibAnswer['rib']>> =>
    ((await askJson(control ?? '', '-j', '-s', socket, 'show', 'rib', ...words)) as RibAnswer | undefined)?.rib ?? []

  beforeAll(async () => {
    await mkdir(CHROOT, { recursive: true, mode: 0o755 })
    daemon = await Daemon.start('/bin/sh', config(socket), (directory) => [
      '-c',
      `chmod 600 ${directory}/daemon.conf && exec ${bgpd} -d -f ${directory}/daemon.conf`,
    ])
    await chmod(daemon.directory, 0o755)
    us = speakAt(US, OPENBGPD, FAMILIES, { gracefulRestart: { restartTime: 30 } })
    second = speakAt(SECOND, OPENBGPD, FAMILIES)
    third = speakAt(THIRD, OPENBGPD, FAMILIES, { addPath: 'receive' })
    await Promise.all([us, second, third].map((speaker) => speaker.start()))
    await eventually('the sessions', () => [us, second, third].every((speaker) => isUp(speaker, OPENBGPD.address)) || undefined).catch(
      (error: unknown) => {
        throw new TypeError(`${String(error)}\n${daemon.output}\n${neighbor(us, OPENBGPD.address).lastError}`)
      },
    )
  })

  afterAll(async () => {
    await Promise.all([us?.stop(), second?.stop(), third?.stop()])
    await daemon?.stop()
    await rm(socket, { force: true })
  })

  it('agrees on families, graceful restart and path identifiers', () => {
    const { negotiated } = neighbor(us, OPENBGPD.address)
    expect(negotiated).toMatchObject({ asn4: true, routeRefresh: true, peerType: 'ibgp', holdTime: 9 })
    expect(negotiated?.families.map(({ name }) => name)).toEqual(FAMILIES)
    expect(negotiated?.gracefulRestart).toBeDefined()
    expect(neighbor(third, OPENBGPD.address).negotiated?.addPath.receive.size).toBeGreaterThan(0)
  })

  it('takes VPNv4 and VPNv6 routes, and passes them on with label and route target', async () => {
    us.announce([
      vpn('10.1.0.1/32', { label: 1001, rt: '65000:7', nextHop: HOP }),
      vpn('2001:db8:1::1/128', { label: 1002, rt: '65000:7', nextHop: '2001:db8::41' }),
    ])
    const shown = await eventually('VPNv4 is there', async () =>
      (await rib('vpnv4', 'detail')).find(({ prefix }) => prefix.includes('10.1.0.1/32')),
    )
    expect(shown).toMatchObject({ prefix: 'rd 65000:1 10.1.0.1/32', exit_nexthop: HOP, extended_communities: ['rt 65000:7'] })
    const routes = await eventually('they went on', () => (vpnRoutes(second).length === 2 ? vpnRoutes(second) : undefined))
    expect(routes).toEqual([`65000:1 10.1.0.1/32 label 1001 via ${HOP}`, '65000:1 2001:db8:1::1/128 label 1002 via 2001:db8::41'])
  })

  it('passes on the community of joint labels with octets of 0 behind the type, so that nothing is told of any next hop', async () => {
    us.announce(JOINT_ROUTES)
    const routes = await eventually('they went on', () => {
      const views = (['vpnv4-unicast', 'vpnv6-unicast'] as const).flatMap((family) => [...second.routes({ family })])
      const found = views.flatMap(({ set }) => set.attributes.extendedCommunities ?? []).filter(({ kind }) => kind === 'joint-labels')
      return found.length === 2 ? found : undefined
    })
    expect(routes).toEqual(JOINT_ROUTES.map(() => ({ kind: 'joint-labels', nextHop: new Uint8Array(6) })))
    expect(jointHops(second, OPENBGPD.address)).toEqual([])
  })

  it('does not take a VPN route back, and goes on announcing it', async () => {
    const held = (): string[] => [...new Set(vpnRoutes(second, OPENBGPD.address).map((route) => route.split(' ')[1]))].sort()
    const own = ['10.8.0.1/32', '2001:db8:8::1/128']
    const [first, last] = ['10.8.0.2/32', '10.8.0.3/32']
    us.announce(own.map((prefix) => vpn(prefix, { nextHop: prefix.includes(':') ? '2001:db8::41' : HOP })))
    await eventually('they went on', () => own.every((prefix) => held().includes(prefix)) || undefined)
    us.withdraw(own.map((prefix) => vpn(prefix)))
    // What comes behind the withdrawal on the same session shows that it was read.
    for (const prefix of [first, last]) {
      us.announce([vpn(prefix, { nextHop: HOP })])
      await eventually(`${prefix} went on`, () => held().includes(prefix) || undefined)
    }
    expect(held()).toEqual(expect.arrayContaining([...own, first, last]))
    expect(neighbor(us, OPENBGPD.address).state).toBe('established')
  })

  it('gives its own routes, with communities of both kinds', async () => {
    const view = await eventually('its route', () => [...us.routes({ family: 'ipv4-unicast', neighbor: OPENBGPD.address })][0])
    expect(view.set.attributes).toMatchObject({
      communities: [((65000 << 16) >>> 0) + 7],
      largeCommunities: [{ globalAdministrator: 65000, localData1: 1, localData2: 2 }],
    })
  })

  it('takes large communities, and passes them on', async () => {
    const large = [{ globalAdministrator: 4_200_000_000, localData1: 0xffff_ffff, localData2: 3 }]
    us.announce([unicast('10.3.0.0/16', HOP, { largeCommunities: large })])
    const shown = await eventually('it is there', async () => (await rib('detail')).find(({ prefix }) => prefix === '10.3.0.0/16'))
    expect(shown.large_communities).toEqual(['4200000000:4294967295:3'])
    const view = await eventually('it went on', () =>
      [...second.routes({ family: 'ipv4-unicast', neighbor: OPENBGPD.address })].find(
        ({ nlri }) => nlri.kind === 'unicast' && String(nlri.prefix) === '10.3.0.0/16',
      ),
    )
    expect(view.set.attributes.largeCommunities).toEqual(large)
  })

  it('gives several paths to a destination', async () => {
    us.announce([unicast('10.4.0.0/16', HOP)])
    second.announce([unicast('10.4.0.0/16', OTHER_HOP)])
    const found = (): string[] => unicastFrom(third, OPENBGPD.address).filter((text) => text.startsWith('10.4.'))
    await eventually('both paths', () => found().length === 2 || undefined)
    expect(found()).toEqual([`10.4.0.0/16 via ${HOP}`, `10.4.0.0/16 via ${OTHER_HOP}`])
    second.withdraw([unicast('10.4.0.0/16', OTHER_HOP)])
    await eventually('one is gone', () => found().length === 1 || undefined)
  })

  it('keeps our routes over a restart, and lets go of those that are not there afterwards', async () => {
    us.announce([unicast('10.5.0.0/16', HOP), unicast('10.6.0.0/16', HOP)])
    const kept = (): string[] => unicastFrom(second, OPENBGPD.address).filter((text) => /^10\.[56]\./.test(text))
    await eventually('they went on', () => kept().length === 2 || undefined)
    await us.stop({ graceful: true })
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(kept()).toHaveLength(2)
    us = speakAt(
      US,
      OPENBGPD,
      FAMILIES,
      { gracefulRestart: { restartTime: 30 } },
      { gracefulRestart: { restarting: true, restartTime: 30 } },
    )
    us.announce([unicast('10.5.0.0/16', HOP)])
    await us.start()
    await eventually('the session', () => isUp(us, OPENBGPD.address) || undefined)
    await eventually('the other is gone', () => kept().length === 1 || undefined)
    expect(kept()).toEqual([`10.5.0.0/16 via ${HOP}`])
  })
})
