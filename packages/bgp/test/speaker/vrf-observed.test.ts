import { seededRandom } from '@heddle/io/testing'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import {
  BmpClient,
  IPV4_UNICAST,
  formatNlri,
  type NeighborConfig,
  type SpeakerConfig,
  type VrfConfig,
  type WatchEvent,
} from '../../src/index.js'
import { Lab, follow, internal, isUp, vpn } from './lab.js'
import { Station, plain, tablesOf } from './station.js'

/* A PE with two customers whose addresses are the same, each in a VRF of its own, and a gateway beside it: what those who watch are told. */

const [PE, GATEWAY, STATION] = ['192.0.2.1', '192.0.2.2', '192.0.2.99'] as const
const [RED, BLUE] = ['10.255.0.1', '10.255.0.2'] as const
const PORT = 11_019

const vrf = (name: string, at: number): VrfConfig => {
  const target = `65000:${at}00`
  return { name, rd: `65000:${at}`, importTargets: [target], exportTargets: [target], label: 1000 + at }
}
const VRFS = [vrf('red', 1), vrf('blue', 2)]
const customer = (address: string, name: string): NeighborConfig => ({
  address,
  as: 65_001,
  vrf: name,
  families: ['ipv4-unicast'],
  connectRetry: 2,
})
const unicast = (prefix: string) => ({ family: IPV4_UNICAST, nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) } as const })

async function network() {
  const lab = new Lab()
  const config: SpeakerConfig = {
    as: 65_000,
    routerId: PE,
    vrfs: VRFS,
    neighbors: [internal(GATEWAY), customer(RED, 'red'), customer(BLUE, 'blue')],
  }
  const pe = lab.speaker(PE, { vrfs: VRFS, neighbors: [...config.neighbors] })
  const gateway = lab.speaker(GATEWAY, { neighbors: [internal(PE)] })
  const [red, blue] = [RED, BLUE].map((address) =>
    lab.speaker(address, { as: 65_001, neighbors: [{ address: PE, as: 65_000, families: ['ipv4-unicast'], connectRetry: 2 }] }),
  )
  if (red === undefined || blue === undefined) return expect.unreachable()
  await Promise.all([pe, gateway, red, blue].map((speaker) => speaker.start()))
  await lab.until(() => [GATEWAY, RED, BLUE].every((address) => isUp(pe, address)), 'all sessions')
  return { lab, config, pe, gateway, red, blue }
}

describe('paths of VRFs', () => {
  it('are among the changes with their VRF, those of customers and no copies, and are withdrawn with it', async () => {
    const { lab, pe, gateway, red, blue } = await network()
    red.announce([unicast('10.0.0.0/24')])
    const { table, changes } = follow(pe) // what is there comes first
    blue.announce([unicast('10.0.0.0/24')])
    gateway.announce([vpn('10.9.0.1/32', { rt: '65000:100', rd: '65000:9' })])
    await lab.run(2)
    const all = (): string[] =>
      [...table.values()].map(({ vrf: place = '-', family, nlri, peer }) => `${place} ${family.name} ${formatNlri(nlri)} ${peer}`).sort()
    expect(all()).toEqual([
      `- vpnv4-unicast ${formatNlri(vpn('10.9.0.1/32', { rd: '65000:9' }).nlri)} ${GATEWAY}`,
      `blue ipv4-unicast 10.0.0.0/24 ${BLUE}`,
      `red ipv4-unicast 10.0.0.0/24 ${RED}`,
    ])
    pe.removeNeighbor(BLUE)
    pe.setVrfs([vrf('red', 1)])
    await lab.run(2)
    expect(changes.filter(({ kind }) => kind === 'withdraw').map(({ vrf: place, peer }) => [place, peer])).toEqual([['blue', BLUE]])
  })

  it('are among what is watched, copies of VPN routes too, in the snapshot and behind it', async () => {
    const { lab, pe, gateway, red, blue } = await network()
    red.announce([unicast('10.0.0.0/24')])
    await lab.run(2)
    const events: WatchEvent[] = []
    void (async () => {
      for await (const event of pe.watch()) events.push(event)
    })()
    await lab.run(0)
    const [first] = events
    if (first?.kind !== 'snapshot') return expect.unreachable()
    const show = ({ vrf: place = '-', family, peer }: { vrf?: string; family: { name: string }; peer: string }): string =>
      `${place} ${family.name} ${peer}`
    expect(
      first.routes
        .filter(({ family }) => family.name !== 'rtc')
        .map(show)
        .sort(),
    ).toEqual(['- vpnv4-unicast local', `red ipv4-unicast ${RED}`])
    blue.announce([unicast('10.0.0.0/24')])
    gateway.announce([vpn('10.9.0.1/32', { rt: '65000:100', rd: '65000:9' })])
    await lab.run(2)
    blue.withdraw([unicast('10.0.0.0/24')])
    await lab.run(2)
    const told = events.slice(1).map((event) => {
      if (event.kind === 'route') return show(event.route)
      return event.kind === 'gone' ? `${event.vrf ?? '-'} ${event.family.name} gone` : event.kind
    })
    expect(told).toEqual(
      expect.arrayContaining([
        `blue ipv4-unicast ${BLUE}`,
        `- vpnv4-unicast ${GATEWAY}`,
        `red ipv4-unicast ${GATEWAY}`,
        'blue ipv4-unicast gone',
      ]),
    )
    expect(told).not.toContain('red ipv4-unicast gone')
    expect(events.slice(1).map((event) => event.sequence - first.sequence)).toEqual(events.slice(1).map((_event, at) => at + 1))
    return undefined
  })

  it('are told to a station as the Loc-RIB of each VRF, by its RD and name (RFC 9069 §4.1, §5.2.1)', async () => {
    const { lab, config, pe, gateway, red, blue } = await network()
    const station = new Station()
    await station.listen(lab.host(STATION).transport, STATION, PORT)
    red.announce([unicast('10.0.0.0/24')])
    await lab.run(2)
    const client = new BmpClient({
      speaker: pe,
      speakerConfig: config,
      config: { address: IpAddress.parse(STATION), port: PORT, statistics: 0 },
      clock: lab.clock,
      random: seededRandom(3),
      transport: lab.host(PE).transport,
      now: () => 1_700_000_000_000,
    })
    client.start()
    await lab.run(2)
    const ups = station.messages.flatMap((message) => (message.type === 'peer-up' && message.peer.peerType === 3 ? [message] : []))
    expect(ups.map(({ peer, information }) => [String(peer.distinguisher), information])).toEqual([
      ['0:0', [{ kind: 'table-name', text: 'global' }]],
      ['65000:1', [{ kind: 'table-name', text: 'red' }]],
      ['65000:2', [{ kind: 'table-name', text: 'blue' }]],
    ])
    blue.announce([unicast('10.0.0.0/24')])
    gateway.announce([vpn('10.9.0.1/32', { rt: '65000:100', rd: '65000:9' })])
    await lab.run(2)
    expect(plain(station.tables)).toEqual(plain(tablesOf(pe, VRFS)))
    expect([...(station.tables.get('local 65000:1')?.keys() ?? [])].map((name) => name.trim().split(' ')[2]).sort()).toEqual([
      '10.0.0.0/24',
      '10.9.0.1/32',
    ])
    red.withdraw([unicast('10.0.0.0/24')])
    pe.resetNeighbor(GATEWAY)
    await lab.run(20)
    expect(plain(station.tables)).toEqual(plain(tablesOf(pe, VRFS)))
    await Promise.all([client.stop(), lab.run(1)])
  })

  it('are told of VRFs that come, go and get other RDs while the station is connected (RFC 9069 §5.2, §5.3)', async () => {
    const { lab, config, pe, gateway, red, blue } = await network()
    const station = new Station()
    await station.listen(lab.host(STATION).transport, STATION, PORT)
    const client = new BmpClient({
      speaker: pe,
      speakerConfig: config,
      config: { address: IpAddress.parse(STATION), port: PORT, statistics: 0 },
      clock: lab.clock,
      random: seededRandom(3),
      transport: lab.host(PE).transport,
      now: () => 1_700_000_000_000,
    })
    client.start()
    red.announce([unicast('10.0.0.0/24')])
    blue.announce([unicast('10.0.0.0/24')])
    gateway.announce([vpn('10.9.0.1/32', { rt: '65000:300', rd: '65000:9' })])
    await lab.run(2)
    expect([...station.up].sort()).toEqual([`${RED} 65000:1`, `${BLUE} 65000:2`, GATEWAY, 'local', 'local 65000:1', 'local 65000:2'])
    const heard = () => station.messages.splice(0).flatMap((message) => ('peer' in message ? [message] : []))
    heard()

    const green = vrf('green', 3)
    pe.setVrfs([...VRFS, green])
    await lab.run(2)
    expect(plain(station.tables)).toEqual(plain(tablesOf(pe, [...VRFS, green])))
    expect(station.tables.get('local 65000:3')?.size).toBe(1)
    const told = heard()
    expect(told[0]).toMatchObject({ type: 'peer-up', information: [{ kind: 'table-name', text: 'green' }] })
    expect(new Set(told.map(({ peer }) => String(peer.distinguisher)))).toEqual(new Set(['65000:3'])) // nobody else is told of

    const moved = [{ ...vrf('red', 1), rd: '65000:11' }, VRFS[1], green].flatMap((one) => one ?? [])
    pe.setVrfs(moved)
    red.announce([unicast('10.1.0.0/24')])
    await lab.run(2)
    expect(plain(station.tables)).toEqual(plain(tablesOf(pe, moved)))
    expect([...station.up].sort()).toEqual([
      `${RED} 65000:11`,
      `${BLUE} 65000:2`,
      GATEWAY,
      'local',
      'local 65000:11',
      'local 65000:2',
      'local 65000:3',
    ])
    const downs = heard().flatMap((message) => (message.type === 'peer-down' ? [message] : []))
    expect(downs.map(({ peer, reason, data }) => [String(peer.distinguisher), reason, data.length])).toEqual([
      ['65000:1', 6, 4 + 'red'.length],
      ['65000:1', 5, 0],
    ])

    pe.removeNeighbor(BLUE)
    const left = moved.filter(({ name }) => name !== 'blue')
    pe.setVrfs(left)
    red.withdraw([unicast('10.1.0.0/24')])
    await lab.run(2)
    expect(plain(station.tables)).toEqual(plain(tablesOf(pe, left)))
    expect([...station.up].filter((name) => name.includes('65000:2'))).toEqual([])
    expect(station.connections).toBe(1)
    await Promise.all([client.stop(), lab.run(1)])
  })
})
