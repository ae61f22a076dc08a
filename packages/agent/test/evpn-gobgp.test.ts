// Type 5 routes with VXLAN, both ways, with GoBGP: as its own client prints them there, as the dataplane is told of them here.
import { memoryDataplane, memoryUnderlay, type MemoryDataplane } from '@heddle/dataplane-memory'
import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { IpAddress, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, type Daemon } from '../../bgp/test/interop/daemon.js'
import { Gobgp, withoutGobgp } from '../../bgp/test/interop/gobgp-daemon.js'
import { Agent, type AgentConfig } from '../src/index.js'
import { endpoint } from './support/overlay.js'

const US = '127.0.73.1'
const THEM = '127.0.73.2'
const PORT = 11_873
const gobgp = new Gobgp({
  address: THEM,
  port: PORT,
  api: '11973',
  neighbor: { address: US },
  families: ['l2vpn-evpn'],
  gracefulRestart: { restartTime: 120, deferralTime: 3 },
})

const config: AgentConfig = {
  name: 'node',
  address: IpAddress.parse(US),
  underlayMtu: 1500,
  networks: [],
  vrfs: [
    {
      name: 'red',
      rd: RouteDistinguisher.parse('65000:1'),
      import: [RouteTarget.parse('65000:100')],
      export: [RouteTarget.parse('65000:100')],
      vni: 5001,
    },
  ],
  endpoints: [endpoint('pod', 'red', '10.0.0.1', 'fd00::1')],
  bgp: {
    as: 65_000,
    routerId: US,
    neighbors: [{ address: THEM, port: PORT, as: 65_000, localAddress: US, families: ['l2vpn-evpn'], connectRetry: 1 }],
  },
}

interface GobgpPath {
  readonly attrs: readonly { readonly type: number; readonly nexthop?: string; readonly value?: unknown }[]
  readonly nlri: { readonly value: Readonly<Record<string, unknown>> }
}

const prefixRoute = (verb: 'add' | 'del', prefix: string, ...more: string[]): Promise<string> =>
  gobgp.tell('global', 'rib', verb, '-a', 'evpn', 'prefix', prefix, 'etag', '0', ...more)
const add = (prefix: string, label: number, ...more: string[]): Promise<string> =>
  prefixRoute('add', prefix, 'label', String(label), 'rd', '65000:9', 'rt', '65000:100', ...more, 'nexthop', '192.0.2.9')
const VXLAN = ['encap', 'vxlan', 'router-mac', '02:00:00:00:00:09']

/** What GoBGP's own client says that it has from us. */
async function received(): Promise<readonly object[]> {
  const table = (await gobgp.ask('neighbor', US, 'adj-in', '-a', 'evpn')) as Record<string, GobgpPath[]> | undefined
  return Object.values(table ?? {})
    .flat()
    .map(({ attrs, nlri: { value } }) => ({
      ...value,
      nextHop: attrs.find(({ type }) => type === 14)?.nexthop,
      communities: attrs.find(({ type }) => type === 16)?.value,
    }))
}

describe.skipIf(withoutGobgp !== '')(`EVPN type 5 with GoBGP${withoutGobgp}`, () => {
  let daemon: Daemon
  let agent: Agent
  let dataplane: MemoryDataplane

  beforeAll(async () => {
    daemon = await gobgp.start()
    dataplane = memoryDataplane({ underlay: memoryUnderlay(), addresses: [IpAddress.parse(US)] })
    agent = await Agent.start({ config, dataplane, clock: nodeClock, random: nodeRandom, transport: nodeTcpTransport() })
    await eventually(`the session: ${daemon.output}`, isUp)
  })

  afterAll(async () => {
    await agent?.stop()
    await daemon?.stop()
  })

  const isUp = async (): Promise<true | undefined> => (await agent.show('neighbors'))[0].state === 'established' || undefined

  /** `PREFIX ENCAPSULATION NUMBER via NEXT HOP` of what GoBGP told. */
  const told = async (): Promise<string[]> =>
    (await agent.show('routes'))
      .filter(({ peer }) => peer === THEM)
      .map(
        ({ prefix, encapsulation, label, nextHop, stale }) => `${prefix} ${encapsulation} ${label} via ${nextHop}${stale ? ' stale' : ''}`,
      )
  const heard = (routes: readonly string[]): Promise<true> =>
    eventually(routes.join(', '), async () => JSON.stringify(await told()) === JSON.stringify(routes) || undefined)

  it('takes ours with VNI, encapsulation and router MAC, and sees them go', async () => {
    await eventually('both are there', async () => (await received()).length === 2 || undefined)
    const route = {
      rd: { type: 0, admin: 65_000, assigned: 1 },
      esi: 'single-homed',
      etag: 0,
      label: 5001,
      nextHop: US,
      communities: [
        { type: 0, subtype: 2, value: '65000:100' },
        { type: 3, subtype: 12, tunnel_type: 8 },
        { type: 6, subtype: 3, mac: '02:68:7f:00:49:01' },
      ],
    }
    expect(await received()).toEqual(
      expect.arrayContaining([
        { ...route, prefix: '10.0.0.1/32', gateway: '0.0.0.0' },
        { ...route, prefix: 'fd00::1/128', gateway: '::' },
      ]),
    )
    await agent.endpoints.remove(endpoint('pod', 'red'))
    await eventually('they are gone', async () => (await received()).length === 0 || undefined)
    await agent.endpoints.add(config.endpoints[0])
    await eventually('they are back', async () => (await received()).length === 2 || undefined)
  })

  it('gives us its own, which become tunnels, and takes them back; what has no way to go is not used', async () => {
    await add('10.9.0.0/24', 7001, ...VXLAN)
    await add('10.9.1.0/24', 7002, 'encap', 'vxlan') // names no router
    await prefixRoute('add', '10.9.2.0/24', 'label', '7003', 'rd', '65000:9', 'rt', '65000:999', ...VXLAN) // is not imported
    await add('fd09::/64', 7001, ...VXLAN)
    await heard(['10.9.0.0/24 vxlan 7001 via 192.0.2.9', 'fd09::/64 vxlan 7001 via 192.0.2.9'])
    const tunnels = (await agent.state()).nextHops.map(({ action }) => action).filter(({ type }) => type === 'tunnel')
    expect(tunnels).toMatchObject([{ encapsulation: 'vxlan', vni: 7001, labels: [] }])
    expect(JSON.stringify(tunnels)).toContain('02:00:00:00:00:09')
    await gobgp.tell('neighbor', US, 'softresetout')
    await add('10.9.0.0/24', 7009, ...VXLAN)
    await heard(['10.9.0.0/24 vxlan 7009 via 192.0.2.9', 'fd09::/64 vxlan 7001 via 192.0.2.9'])
    await prefixRoute('del', 'fd09::/64', 'rd', '65000:9')
    await heard(['10.9.0.0/24 vxlan 7009 via 192.0.2.9'])
  })

  it('is killed, and its routes are used until it is back and does not tell them again', async () => {
    await daemon.kill()
    await heard(['10.9.0.0/24 vxlan 7009 via 192.0.2.9 stale'])
    expect((await agent.show('routes')).find(({ peer }) => peer === THEM)).toMatchObject({ best: true, installed: true })
    await daemon.stop()
    daemon = await gobgp.start('-r')
    await eventually('it is back, and has ours', async () => ((await received()).length === 2 && (await isUp())) || undefined)
    await heard([])
  })
})
