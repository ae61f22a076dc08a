import { RouteTarget } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { messageToJson, type FamilyName, type RouteView, type Speaker } from '../../src/index.js'
import { isUp, neighbor, vpn, vpnRoutes } from '../speaker/lab.js'
import { Daemon, command, eventually, find } from './daemon.js'
import { EVPN_HOP as HOP, EVPN_ROUTES, evpn } from './evpn-routes.js'
import { MORE_ROUTES } from './more-routes.js'
import { speakAt, type Reflector } from './peering.js'

/** Everything of a route but what the reflector adds. */
const whole = ({ family, nlri, set }: Pick<RouteView, 'family' | 'nlri' | 'set'>): string => {
  const { originatorId: _id, clusterList: _list, localPref: _pref, origin: _origin, asPath: _path, ...attributes } = set.attributes
  const announced = [{ family, nlri: [nlri], multiprotocol: true, ...(set.nextHop && { nextHop: set.nextHop }) }]
  return JSON.stringify(messageToJson({ type: 'update', withdrawn: [], announced, attributes }))
}

const gobgpd = find('/usr/bin/gobgpd', '/usr/local/bin/gobgpd')
const bgpd = find('/usr/lib/frr/bgpd')
const GOBGP: Reflector = { address: '127.0.46.2', port: 11_794 }
const FRR: Reflector = { address: '127.0.47.2', port: 11_795 }
const API = '11954'
const clientsOf = ({ address }: Reflector): readonly [string, string] => [address.replace(/2$/, '1'), address.replace(/2$/, '3')]

const GOBGP_FAMILIES = [
  'l3vpn-ipv4-unicast',
  'l2vpn-evpn',
  'rtc',
  'ipv4-flowspec',
  'ipv6-flowspec',
  'l3vpn-ipv4-flowspec',
  'l3vpn-ipv6-flowspec',
  'ipv4-srpolicy',
]
const gobgpConfig = `
[global.config]
  as = 65000
  router-id = "${GOBGP.address}"
  port = ${GOBGP.port}
  local-address-list = ["${GOBGP.address}"]
${clientsOf(GOBGP)
  .map(
    (address) => `[[neighbors]]
  [neighbors.config]
    neighbor-address = "${address}"
    peer-as = 65000
  [neighbors.transport.config]
    passive-mode = true
    local-address = "${GOBGP.address}"
  [neighbors.route-reflector.config]
    route-reflector-client = true
    route-reflector-cluster-id = "${GOBGP.address}"
${GOBGP_FAMILIES.map((name) => `  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = "${name}"`).join('\n')}`,
  )
  .join('\n')}
`
const frrConfig = `
router bgp 65000
 bgp router-id ${FRR.address}
 no bgp default ipv4-unicast
${clientsOf(FRR)
  .map((address) => ` neighbor ${address} remote-as 65000\n neighbor ${address} passive\n neighbor ${address} update-source ${FRR.address}`)
  .join('\n')}
 address-family l2vpn evpn
${clientsOf(FRR)
  .map((address) => `  neighbor ${address} activate\n  neighbor ${address} route-reflector-client`)
  .join('\n')}
 exit-address-family
${['ipv4', 'ipv6']
  .map(
    (family) => ` address-family ${family} flowspec
${clientsOf(FRR)
  .map((address) => `  neighbor ${address} activate\n  neighbor ${address} route-reflector-client`)
  .join('\n')}
 exit-address-family
`,
  )
  .join('')}`

interface Case {
  readonly name: string
  readonly reason: string
  readonly reflector: Reflector
  readonly families: readonly FamilyName[]
  start(): Promise<Daemon>
  /** The daemon's own view of EVPN. */
  view(daemon: Daemon): Promise<string>
}

const missing = (path: string | undefined): string =>
  path === undefined ? ' (not installed)' : process.getuid?.() === 0 ? '' : ' (needs root)'
const cases: readonly Case[] = [
  {
    name: 'GoBGP',
    reason: missing(gobgpd),
    reflector: GOBGP,
    families: [
      'l2vpn-evpn',
      'vpnv4-unicast',
      'rtc',
      'ipv4-flowspec',
      'ipv6-flowspec',
      'vpnv4-flowspec',
      'vpnv6-flowspec',
      'ipv4-sr-policy',
    ],
    start: () =>
      Daemon.start(gobgpd ?? '', gobgpConfig, (directory) => [
        '-f',
        `${directory}/daemon.conf`,
        '-t',
        'toml',
        '--api-hosts',
        `${GOBGP.address}:${API}`,
      ]),
    view: () => command('gobgp', '-u', GOBGP.address, '-p', API, 'global', 'rib', '-a', 'evpn'),
  },
  {
    name: 'FRR bgpd',
    reason: missing(bgpd),
    reflector: FRR,
    families: ['l2vpn-evpn', 'ipv4-flowspec', 'ipv6-flowspec'],
    start: () =>
      Daemon.start(bgpd ?? '', frrConfig, (directory) =>
        `-nZS -f ${directory}/daemon.conf -i ${directory}/bgpd.pid --vty_socket ${directory} -p ${FRR.port} -l ${FRR.address} -P 0 --log stdout`.split(
          ' ',
        ),
      ),
    view: ({ directory }) => command('vtysh', '--vty_socket', directory, '-d', 'bgpd', '-c', 'show bgp l2vpn evpn'),
  },
]

for (const daemonCase of cases) {
  const { name, reason, reflector, families } = daemonCase
  describe.skipIf(reason !== '')(`EVPN and others through ${name}${reason}`, () => {
    let daemon: Daemon
    let us: Speaker
    let other: Speaker

    beforeAll(async () => {
      daemon = await daemonCase.start()
      const [first, second] = clientsOf(reflector)
      us = speakAt(first, reflector, families)
      other = speakAt(second, reflector, families)
      await Promise.all([us.start(), other.start()])
      await eventually('the sessions', () => (isUp(us, reflector.address) && isUp(other, reflector.address)) || undefined).catch(
        (error: unknown) => {
          throw new TypeError(`${String(error)}\n${daemon.output}\n${neighbor(us, reflector.address).lastError}`)
        },
      )
    })

    afterAll(async () => {
      await Promise.all([us?.stop(), other?.stop()])
      await daemon?.stop()
    })

    it('comes out as it went in, and goes again', async () => {
      us.announce(EVPN_ROUTES.map(evpn))
      const arrived = (): RouteView[] => [...other.routes({ family: 'l2vpn-evpn', neighbor: reflector.address })]
      await eventually('all routes', () => arrived().length === EVPN_ROUTES.length || undefined)
      const sent = [...us.routes({ family: 'l2vpn-evpn', neighbor: reflector.address, direction: 'out' })]
      expect(arrived().map(whole).sort()).toEqual(sent.map(whole).sort())
      const shown = await daemonCase.view(daemon)
      for (const text of ['02:00:00:00:00:01', '02:00:00:00:00:02', '10.3.0.0', '2001:db8::']) expect(shown).toContain(text)
      us.withdraw(EVPN_ROUTES.map(evpn))
      await eventually('they are gone', () => arrived().length === 0 || undefined)
    })

    const more = MORE_ROUTES.filter(({ family }) => families.some((one) => one === family.name))
    it.each(more.map((route) => ({ route, family: route.family.name as FamilyName })))(
      'has $family come out as it went in, and go again',
      async ({ route, family }) => {
        us.announce([route])
        const arrived = (): RouteView[] => [...other.routes({ family, neighbor: reflector.address })]
        await eventually('the route', () => arrived().length === 1 || undefined)
        const sent = [...us.routes({ family, neighbor: reflector.address, direction: 'out' })]
        expect(arrived().map(whole)).toEqual(sent.map(whole))
        us.withdraw([route])
        await eventually('it is gone', () => arrived().length === 0 || undefined)
        expect([us, other].map((speaker) => neighbor(speaker, reflector.address).established)).toEqual([1, 1])
      },
    )

    it.skipIf(!families.includes('rtc'))(
      `goes by route target membership${families.includes('rtc') ? '' : ' (it has no RTC)'}`,
      async () => {
        us.announce([vpn('10.1.0.1/32', { rt: '65000:7', nextHop: HOP }), vpn('10.1.0.2/32', { rt: '65000:8', nextHop: HOP })])
        await eventually('both', () => vpnRoutes(other).length === 2 || undefined)
        other.setRouteTargetMembership([RouteTarget.parse('65000:8')])
        await eventually('one is gone', () => vpnRoutes(other).length === 1 || undefined)
        expect(vpnRoutes(other)).toEqual([`65000:1 10.1.0.2/32 label 1000 via ${HOP}`])
        other.setRouteTargetMembership('all')
        await eventually('both again', () => vpnRoutes(other).length === 2 || undefined)
      },
    )
  })
}
