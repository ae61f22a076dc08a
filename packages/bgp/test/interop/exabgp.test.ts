import { chmod, readFile, writeFile } from 'node:fs/promises'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker, type FamilyName } from '../../src/index.js'
import { isUp, neighbor, vpn, vpnRoutes } from '../speaker/lab.js'
import { Daemon, eventually, find } from './daemon.js'
import { EVPN_ROUTES, evpn } from './evpn-routes.js'
import { MANY_COMMUNITIES, unicast, unicastFrom } from './peering.js'

const US = '127.0.45.1'
const THEM = '127.0.45.2'
const PORT = 11_793
const HOP = '192.0.2.61'
const exabgp = find('/usr/sbin/exabgp', '/usr/bin/exabgp')
const reason = exabgp === undefined ? ' (not installed)' : ''
const FAMILIES: readonly FamilyName[] = ['ipv4-unicast', 'vpnv4-unicast', 'vpnv6-unicast', 'l2vpn-evpn']

/**
 * VPN routes stand in `static`: from `announce` it puts them into the NLRI field of IPv4 unicast.
 *
 * @param script that keeps what it is told; ExaBGP tells it all that it takes
 */
const config = (script: string): string => `
process view { run /bin/sh ${script}; encoder json; }
neighbor ${US} {
  router-id ${THEM};
  local-address ${THEM};
  local-as 65000;
  peer-as 65000;
  hold-time 9;
  connect ${PORT};
  family { ipv4 unicast; ipv4 mpls-vpn; ipv6 mpls-vpn; l2vpn evpn; }
  capability { asn4 enable; route-refresh enable; graceful-restart 30; add-path send/receive; extended-message enable; }
  add-path { ipv4 unicast; }
  api { processes [ view ]; receive { parsed; update; } }
  announce {
    ipv4 {
      unicast 10.9.0.0/16 next-hop 192.0.2.63 path-information 0.0.0.1 community [ 65000:7 ] large-community [ 65000:1:2 ];
      unicast 10.9.0.0/16 next-hop 192.0.2.64 path-information 0.0.0.2;
    }
  }
  static {
    route 10.2.0.1/32 rd 65000:2 label 2001 next-hop 192.0.2.63 extended-community [ target:65000:1 ];
    route 2001:db8:2::1/128 rd 65000:2 label 2003 next-hop 2001:db8::63 extended-community [ target:65000:1 ];
  }
}
`

describe.skipIf(reason !== '')(`ExaBGP${reason}`, () => {
  let daemon: Daemon
  let speaker: Speaker
  /** What ExaBGP says it was told. */
  const view = (): Promise<string> => readFile(`${daemon.directory}/view.json`, 'utf8').catch(() => '')
  const told = (pattern: RegExp): Promise<string> =>
    eventually(`ExaBGP says ${pattern}`, async () => (await view()).split('\n').find((line) => pattern.test(line)))

  beforeAll(async () => {
    speaker = new Speaker({
      clock: nodeClock,
      random: nodeRandom,
      transport: nodeTcpTransport(),
      config: {
        as: 65000,
        routerId: US,
        holdTime: 9,
        listen: [{ address: US, port: PORT }],
        neighbors: [{ address: THEM, as: 65000, families: FAMILIES, passive: true, addPath: 'both' }],
      },
    })
    await speaker.start()
    const start = (directory: string): string[] => [
      '-c',
      `until test -f ${directory}/ready; do sleep 0.05; done; exec ${exabgp} ${directory}/daemon.conf`,
    ]
    daemon = await Daemon.start('/usr/bin/env', '', (directory) => [
      'exabgp.daemon.user=root',
      'exabgp.daemon.drop=false',
      'exabgp.api.cli=false',
      'exabgp.log.destination=stdout',
      '/bin/sh',
      ...start(directory),
    ])
    // its helper runs as nobody, and is taken for dead when it lets go of its output
    await chmod(daemon.directory, 0o777)
    await writeFile(`${daemon.directory}/view.sh`, `cat > ${daemon.directory}/view.json\nexit 0\n`)
    await writeFile(`${daemon.directory}/daemon.conf`, config(`${daemon.directory}/view.sh`))
    await writeFile(`${daemon.directory}/ready`, '')
    await eventually('the session', () => isUp(speaker, THEM) || undefined).catch((error: unknown) => {
      throw new TypeError(`${String(error)}\n${daemon.output}\n${neighbor(speaker, THEM).lastError}`)
    })
  })

  afterAll(async () => {
    await speaker?.stop()
    await daemon?.stop()
  })

  it('agrees on families, extended messages and path identifiers', () => {
    const { negotiated } = neighbor(speaker, THEM)
    expect(negotiated).toMatchObject({ asn4: true, routeRefresh: true, extendedMessage: true })
    expect(negotiated?.families.map(({ name }) => name)).toEqual(FAMILIES)
    expect([negotiated?.addPath.receive.size, negotiated?.addPath.send.size]).toEqual([1, 1])
  })

  it('gives VPNv4 and VPNv6 routes, and several paths to a destination with communities of both kinds', async () => {
    await eventually('the routes', () => (vpnRoutes(speaker).length === 2 && unicastFrom(speaker, THEM).length === 2) || undefined)
    expect(vpnRoutes(speaker)).toEqual([
      `65000:2 10.2.0.1/32 label 2001 via 192.0.2.63`,
      `65000:2 2001:db8:2::1/128 label 2003 via 2001:db8::63`,
    ])
    const paths = [...speaker.routes({ family: 'ipv4-unicast', neighbor: THEM })].sort((a, b) => a.pathId - b.pathId)
    expect(paths.map(({ pathId, set }) => `${pathId} ${set.nextHop?.address}`)).toEqual(['1 192.0.2.63', '2 192.0.2.64'])
    expect(paths[0].set.attributes).toMatchObject({
      communities: [((65000 << 16) >>> 0) + 7],
      largeCommunities: [{ globalAdministrator: 65000, localData1: 1, localData2: 2 }],
    })
  })

  it('takes VPNv4 and VPNv6 routes with label, route target and next hop', async () => {
    speaker.announce([
      vpn('10.1.0.1/32', { label: 1001, rt: '65000:7', nextHop: HOP }),
      vpn('2001:db8:1::1/128', { label: 1002, rt: '65000:7', nextHop: '2001:db8::61' }),
    ])
    const line = await told(/10\.1\.0\.1\/32/)
    expect(line).toMatch(/"label": \[ ?\[ ?1001/)
    expect(line).toMatch(/target:65000:7/)
    expect(line).toContain(HOP)
    expect(await told(/2001:db8:1::1\/128/)).toMatch(/"label": \[ ?\[ ?1002/)
    speaker.withdraw([vpn('10.1.0.1/32')])
    await told(/withdraw.*10\.1\.0\.1\/32/)
  })

  it('takes EVPN routes: MAC/IP, inclusive multicast, IP prefix', async () => {
    speaker.announce(EVPN_ROUTES.map(evpn))
    expect(await told(/02:00:00:00:00:01/i)).toMatch(/10\.0\.0\.1/)
    await told(/02:00:00:00:00:02/i)
    for (const text of [/10\.3\.0\.0/, /2001:db8::/, /target:65000:7/]) await told(text)
    speaker.withdraw(EVPN_ROUTES.map(evpn))
    await told(/withdraw.*02:00:00:00:00:01/i)
    expect(neighbor(speaker, THEM).established).toBe(1)
  })

  it('takes large communities, path identifiers, and messages beyond 4,096 octets', async () => {
    const large = [{ globalAdministrator: 4_200_000_000, localData1: 0xffff_ffff, localData2: 3 }]
    speaker.announce([unicast('10.3.0.0/16', HOP, { largeCommunities: large, communities: MANY_COMMUNITIES })])
    const line = await told(/10\.3\.0\.0\/16/)
    expect(line).toMatch(/4200000000 ?, ?4294967295 ?, ?3/)
    expect(line).toMatch(/path-information/)
    expect(line.match(/\[ ?65000, ?\d+ ?\]/g)?.length).toBe(MANY_COMMUNITIES.length)
  })
})
