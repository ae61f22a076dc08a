import { BmpStation, type SpeakerConfig } from '@heddle/bgp'
import { silentLogger } from '@heddle/io'
import { ManualClock, memoryNetwork, seededRandom } from '@heddle/io/testing'
import { LOCAL_PREFERENCE, type VpnRoute } from '@heddle/core'
import { toBgp } from '@heddle/exchange'
import { IpAddress, IpPrefix, MacAddress, RouteDistinguisher } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import { restartConfig } from '../src/bgp/restart.js'
import { SpeakerNode, type ConfigChange, type SpeakerNodeConfig } from '../src/index.js'

const US = '192.0.2.1'
const STATION = '192.0.2.9'

async function running(more: Partial<SpeakerNodeConfig> = {}) {
  const clock = new ManualClock()
  const network = memoryNetwork({ clock })
  const station = network.host('station', STATION)
  const listener = await station.transport.listen({ address: IpAddress.parse(STATION), port: 11_019 })
  let connections = 0
  const types: string[] = []
  void (async () => {
    for await (const connection of listener.connections) {
      connections++
      void (async () => {
        const stream = new BmpStation()
        for await (const chunk of connection.chunks)
          for (const item of stream.push(chunk)) if ('message' in item) types.push(item.message.type)
      })()
    }
  })()
  const bgp: SpeakerConfig = { as: 65000, routerId: US, neighbors: [{ address: '192.0.2.2', as: 65000, families: ['ipv4-unicast'] }] }
  const config: SpeakerNodeConfig = { name: 'rr', address: IpAddress.parse(US), networks: [], bgp, ...more }
  const { transport } = network.host('us', US)
  const node = new SpeakerNode(config, { clock, random: seededRandom(1), transport, logger: silentLogger, now: () => 1_700_000_000_000 })
  await node.start()
  await clock.run(1000)
  return { clock, node, config, types, connections: () => connections }
}
const station = (statistics = 0) => ({ address: IpAddress.parse(STATION), port: 11_019, statistics })

describe('a speaker by its configuration', () => {
  it('shows what it reflects: VPN routes with labels, and of EVPN with VNIs', async () => {
    const { node } = await running()
    const base = {
      source: 'local',
      rd: RouteDistinguisher.parse('65000:1'),
      prefix: IpPrefix.parse('10.1.0.0/24'),
      pathId: 0,
      routeTargets: [],
      nextHop: IpAddress.parse(US),
      preference: LOCAL_PREFERENCE,
    }
    const routes: readonly VpnRoute[] = [
      { ...base, label: 1001, encapsulations: ['mpls-udp'] },
      { ...base, label: 5001, encapsulations: ['vxlan'], evpn: true, routerMac: MacAddress.parse('02:00:00:00:00:09') },
    ]
    node.speaker.announce(toBgp(routes.map((route) => ({ kind: 'announce', route }))).announce)
    expect(await node.show('routes')).toMatchObject([
      { prefix: '10.1.0.0/24', rd: '65000:1', label: 1001, encapsulation: 'mpls-udp', nextHop: US, peer: 'local' },
      { prefix: '10.1.0.0/24', rd: '65000:1', label: 5001, encapsulation: 'vxlan', nextHop: US, peer: 'local' },
    ])
    await node.stop()
  })

  it('originates networks of each kind, changes them and takes them back', async () => {
    const plain = { prefix: IpPrefix.parse('203.0.113.0/24'), nextHop: IpAddress.parse(US), routeTargets: [] }
    const six = { prefix: IpPrefix.parse('2001:db8::/32'), label: 17, nextHop: IpAddress.parse(US), routeTargets: [] }
    const { node, config } = await running({ networks: [plain, six] })
    const routes = (): string[] =>
      (['ipv4-unicast', 'ipv6-labeled-unicast'] as const).flatMap((family) =>
        [...node.speaker.routes({ family, neighbor: 'local' })].map(
          ({ nlri, set }) => `${'prefix' in nlri ? String(nlri.prefix) : ''} via ${set.nextHop?.address} med ${set.attributes.med}`,
        ),
      )
    expect(routes()).toEqual([`203.0.113.0/24 via ${US} med undefined`, `2001:db8::/32 via ::ffff:${US} med undefined`])
    const next = { ...config, networks: [{ ...plain, attributes: { origin: 'igp', med: 7 } as const }] }
    const planned = [
      { what: 'neighbor', name: '192.0.2.2', kind: 'keep', impact: 'nothing', fields: [] },
      { what: 'network', name: 'labeled 2001:db8::/32', kind: 'remove', impact: 'nothing', fields: [] },
      { what: 'network', name: '203.0.113.0/24', kind: 'change', impact: 'nothing', fields: [] },
    ]
    expect(node.plan(next)).toEqual(planned)
    expect(routes()).toHaveLength(2)
    expect(await node.reconfigure(next)).toEqual(planned)
    expect(routes()).toEqual([`203.0.113.0/24 via ${US} med 7`])
  })

  it('connects to stations, keeps those that stay, and says the last words to those that go', async () => {
    const { clock, node, config, types, connections } = await running({ bmp: [station()] })
    expect([connections(), types[0]]).toEqual([1, 'initiation'])
    const done = await node.reconfigure({ ...config, bgp: { ...config.bgp, neighbors: [] } })
    expect(done.map(({ what, kind }) => `${kind} ${what}`)).toEqual(['remove neighbor'])
    await clock.run(5000)
    expect(connections()).toBe(1)
    const changed = { ...config, bgp: { ...config.bgp, neighbors: [] }, bmp: [station(9)] }
    expect(node.plan(changed)).toMatchObject([{ what: 'bmp', name: `${STATION} port 11019`, kind: 'change' }])
    await node.reconfigure(changed)
    await clock.run(20_000)
    expect(connections()).toBe(2)
    expect(types).toContain('termination')
    await node.reconfigure({ ...changed, bmp: [] })
    await clock.run(20_000)
    expect(connections()).toBe(2)
    await Promise.all([node.stop(), clock.run(1000)])
  })

  it('refuses as a whole what only a restart can change', async () => {
    const { node, config } = await running()
    const other = { ...config, bgp: { ...config.bgp, as: 65001, neighbors: [] } }
    expect(() => node.plan(other)).toThrow(/bgp\.as needs a restart/)
    await expect(node.reconfigure(other)).rejects.toMatchObject({ code: 'agent.needs-restart' })
    expect(() => node.plan({ ...config, address: IpAddress.parse(STATION) })).toThrow(/node\.address needs a restart/)
    // so is what the system refuses
    const elsewhere = { ...config, bgp: { ...config.bgp, listen: [{ address: STATION }], neighbors: [] } }
    await expect(node.reconfigure(elsewhere)).rejects.toMatchObject({ code: 'speaker.listen' })
    expect(node.speaker.neighbors()).toHaveLength(1)
  })

  it('changes what it is as a whole, and says so', async () => {
    const { node, config } = await running()
    const next = { ...config, bgp: { ...config.bgp, listen: [{ address: US, port: 1790 }], decision: { multipath: 4 } } }
    const named = (changes: readonly ConfigChange[]): string[] => changes.map(({ kind, what, name }) => `${kind} ${what} ${name}`)
    const planned = ['change speaker listen', 'change speaker decision', 'keep neighbor 192.0.2.2']
    expect(named(node.plan(next))).toEqual(planned)
    expect(node.listening).toEqual([])
    expect(named(await node.reconfigure(next))).toEqual(planned)
    expect(node.listening).toEqual([{ address: US, port: 1790 }])
    expect(named(node.plan(next))).toEqual(['keep neighbor 192.0.2.2'])
  })

  it('changes how it restarts as its dataplane can keep it, and says which sessions begin anew', async () => {
    const { config } = await running()
    const clock = new ManualClock()
    const { transport } = memoryNetwork({ clock }).host('us', US)
    const world = { clock, random: seededRandom(1), transport, logger: silentLogger, now: () => 1_700_000_000_000 }
    const withRestart = (restartTime: number) => ({ ...config, bgp: { ...config.bgp, gracefulRestart: { restartTime } } })
    const plans = [true, false].map((survives) => {
      const node = new SpeakerNode(withRestart(60), world, (bgp) => ({
        gracefulRestart: restartConfig(bgp, { survives, restarting: true }),
      }))
      return node.plan(withRestart(90)).map(({ what, name, impact, fields }) => [what, name, impact, fields])
    })
    expect(plans).toEqual([
      [
        ['speaker', 'gracefulRestart', 'nothing', []],
        ['neighbor', '192.0.2.2', 'reset', ['gracefulRestart']],
      ],
      [['neighbor', '192.0.2.2', 'nothing', []]], // nobody is asked to keep what would not be forwarded
    ])
  })

  it('takes its first cache, another one, and none while it runs', async () => {
    const cache = (port: number) => ({ address: IpAddress.parse(STATION), port })
    const { clock, node, config } = await running()
    const validators: boolean[] = []
    const { speaker } = node
    const set = speaker.setOriginValidator.bind(speaker)
    speaker.setOriginValidator = (validator) => {
      validators.push(validator !== undefined)
      set(validator)
    }
    const caches = async (rtr: SpeakerNodeConfig['rtr']): Promise<string[]> =>
      (await node.reconfigure({ ...config, ...(rtr === undefined ? {} : { rtr }) }))
        .filter(({ what }) => what === 'rtr')
        .map(({ kind, name }) => `${kind} ${name}`)
    expect(await caches([cache(323)])).toEqual([`add ${STATION} port 323`])
    expect(await caches([cache(324), cache(323)])).toEqual([`add ${STATION} port 324`, `change ${STATION} port 323`])
    expect(await caches(undefined)).toEqual([`remove ${STATION} port 324`, `remove ${STATION} port 323`])
    // origins are asked for as long as there is a cache
    expect(validators).toEqual([true, false])
    await Promise.all([node.stop(), clock.run(1000)])
  })
})
