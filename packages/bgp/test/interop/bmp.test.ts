// BMP between this package and programs that nobody here wrote.
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { IpAddress, RouteTarget, TCP_ACK, TCP_SYN } from '@heddle/wire'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { BmpClient, encodeBmp } from '../../src/index.js'
import { LINKS, packetOf, pcapOf, type Segment } from '../property/capture-files.js'
import { Daemon, eventually, find } from './daemon.js'
import { Gobgp, withoutGobgp } from './gobgp-daemon.js'
import { BMP_PORT, Ends, PORT, ROUTES, STATION, far, near, six } from './monitoring.js'
import { unicast } from './peering.js'

const run = promisify(execFile)
const [US, THEM] = ['127.0.46.1', '127.0.46.2'] as const
const ADDRESSES = { us: US, them: THEM }
const tshark = find('/usr/bin/tshark', '/usr/local/bin/tshark')
const bgpd = find('/usr/lib/frr/bgpd')
const frrReason = bgpd === undefined ? ' (not installed)' : process.getuid?.() === 0 ? '' : ' (needs root)'
const gobgp = new Gobgp({
  address: THEM,
  port: PORT,
  api: '11955',
  neighbor: { address: US },
  families: ['ipv4-unicast', 'ipv6-unicast', 'l3vpn-ipv4-unicast'],
  more: `
[[bmp-servers]]
  [bmp-servers.config]
    address = "${STATION}"
    port = ${BMP_PORT}
    route-monitoring-policy = "all"
    statistics-timeout = 15
`,
})

const ends = new Ends()
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-bmp-'))
})
afterEach(async () => ends.run())
afterAll(async () => rm(folder, { recursive: true }))

describe.skipIf(withoutGobgp !== '')(`GoBGP${withoutGobgp}`, () => {
  it('tells a station of ours what we told it', async () => {
    const station = await ends.station()
    const daemon = await gobgp.start()
    ends.add(async () => daemon.stop())
    const speaker = await ends.start(near(ADDRESSES))
    speaker.announce(ROUTES)
    const wanted = ['10.1.0.1/32', '198.51.100.0/24', '2001:db8:1::/48', '203.0.113.0/25']
    await eventually('all of them', () => wanted.every((prefix) => station.announced().includes(prefix)) || undefined)
    expect([...new Set(station.announced())].sort()).toEqual(wanted)
    expect(station.items.find(({ message }) => message.type === 'peer-up')?.message).toMatchObject({
      peer: { address: IpAddress.parse(US), as: 65000 },
    })
    // in its own table what it originates has the next hop 0.0.0.0, and no AS_PATH where RFC 4271 §5.1.2 has an empty one
    await gobgp.tell('global', 'rib', 'add', '10.9.0.0/16')
    const own = await eventually('what it originates', () => station.updates().find(({ announced }) => announced.includes('10.9.0.0/16')))
    expect(own).toEqual({ announced: ['10.9.0.0/16'], nextHop: '0.0.0.0', flaws: ['message/attributes/as-path'] })
  })
})

describe.skipIf(frrReason !== '')(`FRR bgpd with its module for BMP${frrReason}`, () => {
  it('tells a station of ours what we told it', async () => {
    const station = await ends.station()
    const config = `
router bgp 65001
 bgp router-id ${THEM}
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor ${US} remote-as 65000
 neighbor ${US} passive
 neighbor ${US} update-source ${THEM}
 neighbor ${US} ebgp-multihop
 address-family ipv4 unicast
  neighbor ${US} activate
  neighbor ${US} soft-reconfiguration inbound
 exit-address-family
 address-family ipv6 unicast
  neighbor ${US} activate
  neighbor ${US} soft-reconfiguration inbound
 exit-address-family
 bmp targets ours
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv6 unicast pre-policy
  bmp stats interval 1000
  bmp connect ${STATION} port ${BMP_PORT} min-retry 100 max-retry 1000
`
    const daemon = await Daemon.start(bgpd ?? '', config, (directory) =>
      ['-nZS', '-M', 'bmp', '-f', `${directory}/daemon.conf`, '-i', `${directory}/bgpd.pid`, '--vty_socket', directory].concat([
        '-p',
        String(PORT),
        '-l',
        THEM,
        '-P',
        '0',
        '--log',
        'stdout',
      ]),
    )
    ends.add(async () => daemon.stop())
    const speaker = await ends.start(near(ADDRESSES, 65001))
    speaker.announce(ROUTES)
    await eventually('the routes', () => station.announced().length >= 3 || undefined).catch((error: unknown) => {
      throw new TypeError(`${String(error)}\n${daemon.output}`)
    })
    expect([...new Set(station.announced())].sort()).toEqual(['198.51.100.0/24', '2001:db8:1::/48', '203.0.113.0/25'])
    await eventually('statistics', () => station.items.some(({ message }) => message.type === 'statistics-report') || undefined)
    await speaker.stop()
    await eventually('the end', () => station.items.some(({ message }) => message.type === 'peer-down') || undefined)
  })
})

describe.skipIf(tshark === undefined)(`tshark${tshark === undefined ? ' (not installed)' : ''}`, () => {
  it('dissects what our client sends: as many messages of each type, none of them malformed', async () => {
    const station = await ends.station()
    const reflected = far(ADDRESSES)
    await ends.start(reflected, false)
    const speaker = await ends.start(near(ADDRESSES))
    // tshark takes the default membership, which has no octets, for malformed (RFC 4684 §3.2)
    speaker.setRouteTargetMembership([RouteTarget.parse('65000:1')])
    const client = new BmpClient({
      speaker,
      speakerConfig: { as: 65000, routerId: US },
      config: { address: IpAddress.parse(STATION), port: BMP_PORT, statistics: 1 },
      clock: nodeClock,
      random: nodeRandom,
      transport: nodeTcpTransport(),
      now: () => Date.now(),
    })
    client.start()
    ends.add(async () => client.stop())
    speaker.announce(ROUTES)
    reflected.announce([unicast('192.0.2.128/25', '192.0.2.77'), six('2001:db8:2::/48', '2001:db8::7')])
    const has = (type: string, count: number): boolean => station.items.filter(({ message }) => message.type === type).length >= count
    await eventually('routes and counts', () => (has('route-monitoring', 12) && has('statistics-report', 1)) || undefined)
    reflected.withdraw([unicast('192.0.2.128/25', '192.0.2.77')])
    await eventually('a withdrawal', () => has('route-monitoring', 15) || undefined)
    await reflected.stop()
    await eventually('the end of a session', () => has('peer-down', 1) || undefined)
    await client.stop()
    await eventually('the last word', () => has('termination', 1) || undefined)
    const ports = [
      { address: IpAddress.parse(US), port: 50_000 },
      { address: IpAddress.parse(STATION), port: BMP_PORT },
    ] as const
    // version 4.0 takes the name of the table in the peer up of Loc-RIB (RFC 9069 §5.2.1) for a BGP message
    const messages = station.items
      .map(({ message }) => message)
      .filter((message) => !(message.type === 'peer-up' && message.peer.peerType === 3))
    expect(messages).toHaveLength(station.items.length - 1)
    let sequence = 1
    const segments: Segment[] = [{ sender: 0, sequence: 0, flags: TCP_SYN, payload: new Uint8Array() }]
    for (const message of messages) {
      const payload = encodeBmp(message)
      segments.push({ sender: 0, sequence, flags: TCP_ACK, payload })
      sequence += payload.length
    }
    const file = join(folder, 'bmp.pcap')
    await writeFile(
      file,
      pcapOf(
        segments.map((segment) => packetOf(segment, ports)),
        LINKS[0],
        true,
        false,
      ),
    )
    const { stdout } = await run(tshark ?? '', [
      '-r',
      file,
      '-d',
      `tcp.port==${BMP_PORT},bmp`,
      '-T',
      'fields',
      '-E',
      'aggregator=,',
      '-e',
      'bmp.type',
      '-e',
      '_ws.malformed',
      '-e',
      'bgp.type',
    ])
    const types = stdout.split('\n').flatMap((line) => (line.split('\t')[0] ?? '').split(',').filter((one) => one !== ''))
    const names = ['route-monitoring', 'statistics-report', 'peer-down', 'peer-up', 'initiation', 'termination', 'route-mirroring']
    expect(types.map((type) => names[Number(type)])).toEqual(messages.map(({ type }) => type))
    expect(stdout).not.toMatch(/malformed/i)
    expect(stdout.split('\n').filter((line) => (line.split('\t')[1] ?? '') !== '')).toEqual([])
  })
})
