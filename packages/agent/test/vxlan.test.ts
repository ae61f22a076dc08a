import { withTrace, type DataplaneCall } from '@heddle/dataplane-memory'
import { IpAddress } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import type { Agent } from '../src/index.js'
import { Overlay, endpoint, hostsOf, type NodeWish } from './support/overlay.js'

const A = '192.0.2.1'
const B = '192.0.2.2'
const EVPN = ['l2vpn-evpn'] as const
const ALL = ['vpnv4-unicast', 'vpnv6-unicast', 'l2vpn-evpn'] as const
const RED = [{ name: 'red', vni: 5001 }]
const podA = endpoint('pod-a', 'red', '10.0.0.1', 'fd00::1')
const podB = endpoint('pod-b', 'red', '10.0.0.2', 'fd00::2')

/** `PREFIX ENCAPSULATION LABEL`, `*` for best, `>` for installed, `s` for stale, of what others told. */
async function told(agent: Agent): Promise<string[]> {
  return (await agent.show('routes'))
    .filter(({ peer }) => peer !== 'local')
    .map(
      ({ prefix, encapsulation, label, best, installed, stale }) =>
        `${best ? '*' : ''}${installed ? '>' : ''}${stale ? 's' : ''} ${prefix} ${encapsulation} ${label}`,
    )
}

/** Two nodes behind a reflector, with a pod each. */
async function twoNodes(families: NonNullable<NodeWish['families']>, vrfs: readonly NodeWish['vrfs'][] = [RED, RED]) {
  const overlay = new Overlay()
  const reflector = await overlay.startReflector([A, B], { families })
  const planes = [overlay.dataplane(A), overlay.dataplane(B)]
  const wish = (index: number): NodeWish => ({
    families,
    endpoints: [index === 0 ? podA : podB],
    ...(vrfs[index] && { vrfs: vrfs[index] }),
  })
  const a = await overlay.agent(overlay.config(A, wish(0)), planes[0])
  const b = await overlay.agent(overlay.config(B, wish(1)), planes[1])
  await overlay.run(1)
  const near = (await hostsOf(planes[0])).get('pod-a')
  const far = (await hostsOf(planes[1])).get('pod-b')
  return { overlay, reflector, planes, a, b, near, far, wish }
}

const evpn = (name: string, address: string) => endpoint(name, 'red', address)

describe('agents whose VRF has a VNI', () => {
  it('carry packets by VXLAN both ways when they tell each other routes by EVPN alone', async () => {
    const { overlay, a, b, near, far, planes } = await twoNodes(EVPN)
    expect(await told(a)).toEqual(['*> 10.0.0.2/32 vxlan 5001', '*> fd00::2/128 vxlan 5001'])
    for (const address of ['10.0.0.2', 'fd00::2']) expect(near?.ask(IpAddress.parse(address))).toBe('pod-b')
    for (const address of ['10.0.0.1', 'fd00::1']) expect(far?.ask(IpAddress.parse(address))).toBe('pod-a')
    expect(await a.show('tunnels')).toEqual([
      { local: A, remote: B, encapsulation: 'vxlan', nextHops: 1, routes: 2, pathMtu: null, hostLink: null },
    ])
    expect(await a.show('vrfs')).toMatchObject([{ name: 'red', vni: 5001, routerMac: '02:68:c0:00:02:01' }])
    expect((await a.show('endpoints'))[0].mtu).toBe(1500 - 20 - 8 - 8 - 14)
    expect((await planes[1].dump()).vnis).toMatchObject([{ vni: 5001 }])
    await overlay.stop(a, b)
  })

  it('tell what each neighbor speaks, and take VXLAN where both kinds came', async () => {
    const { overlay, a, b, near } = await twoNodes(ALL)
    const [v4, v6] = ['10.0.0.2/32', 'fd00::2/128']
    expect(await told(a)).toEqual([`*> ${v4} vxlan 5001`, ` ${v4} mpls-udp 17`, `*> ${v6} vxlan 5001`, ` ${v6} mpls-udp 17`])
    expect(near?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-b')
    await b.endpoints.remove(podB)
    await overlay.run(1)
    expect(await told(a)).toEqual([])
    await overlay.stop(a, b)
  })

  it('reach one without a VNI by MPLS, and are reached so', async () => {
    const { overlay, a, b, near, far } = await twoNodes(ALL, [RED, [{ name: 'red' }]])
    expect(await told(a)).toEqual(['*> 10.0.0.2/32 mpls-udp 17', '*> fd00::2/128 mpls-udp 17'])
    expect((await told(b)).filter((row) => row.startsWith('*'))).toEqual(['*> 10.0.0.1/32 mpls-udp 17', '*> fd00::1/128 mpls-udp 17'])
    expect(near?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-b')
    expect(far?.ask(IpAddress.parse('fd00::1'))).toBe('pod-a')
    await overlay.stop(a, b)
  })

  it('change over when a VNI comes and goes by reconfiguration, without losing each other', async () => {
    const { overlay, a, b, near, wish } = await twoNodes(ALL, [[{ name: 'red' }], RED])
    expect((await told(a))[0]).toBe('*> 10.0.0.2/32 mpls-udp 17')
    const changes = await a.reconfigure(overlay.config(A, { ...wish(0), vrfs: RED }))
    expect(changes).toMatchObject([
      { what: 'neighbor', kind: 'keep' },
      { what: 'vrf', name: 'red', kind: 'change' },
    ])
    await overlay.run(1)
    expect((await told(a))[0]).toBe('*> 10.0.0.2/32 vxlan 5001')
    expect(near?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-b')
    await b.reconfigure(overlay.config(B, { ...wish(1), vrfs: [{ name: 'red' }] }))
    await overlay.run(1)
    expect(await told(a)).toEqual(['*> 10.0.0.2/32 mpls-udp 17', '*> fd00::2/128 mpls-udp 17'])
    expect(near?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-b')
    await overlay.stop(a, b)
  })

  it('go on over the death of one of them, and take back what did not come again', async () => {
    const { overlay, a, b, near, planes, wish } = await twoNodes(EVPN)
    await b.endpoints.add(evpn('dynamic', '10.0.0.7'))
    await overlay.run(1)
    await overlay.kill(b)
    await overlay.run(1)
    expect(await told(a)).toHaveLength(3)
    expect(near?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-b')
    const again = await overlay.agent(overlay.config(B, wish(1)), planes[1])
    expect(near?.ask(IpAddress.parse('10.0.0.2'))).toBe('pod-b')
    await overlay.run(5)
    expect(await told(a)).toEqual(['*> 10.0.0.2/32 vxlan 5001', '*> 10.0.0.7/32 vxlan 5001', '*> fd00::2/128 vxlan 5001'])
    await again.endpoints.remove(evpn('dynamic', '10.0.0.7'))
    await overlay.run(1)
    expect(await told(a)).toEqual(['*> 10.0.0.2/32 vxlan 5001', '*> fd00::2/128 vxlan 5001'])
    await overlay.stop(again)
    expect(await told(a)).toEqual([])
    await overlay.stop(a)
  })

  it('withdraw what they told by EVPN before they say Cease', async () => {
    const { overlay, reflector, a, b } = await twoNodes(EVPN)
    const order: string[] = []
    void (async () => {
      for await (const changes of reflector.changes)
        for (const { kind, nlri } of changes) if (nlri.kind === 'evpn' && nlri.route === 'ip-prefix') order.push(`${kind} ${nlri.prefix}`)
    })()
    await overlay.run(0.1)
    order.length = 0
    await overlay.stop(a)
    expect(order.toSorted()).toEqual(['withdraw 10.0.0.1/32', 'withdraw fd00::1/128'])
    await overlay.stop(b)
  })

  it('use a VNI that was another VRF’s after it has rested, without being told', async () => {
    const overlay = new Overlay()
    const set: string[] = []
    const plane = overlay.dataplane(A)
    const dataplane = withTrace(plane, (call: DataplaneCall) => {
      if (call.method === 'apply') set.push(...call.transaction.vnis.set.map(({ vni, vrf }) => `${vni} to ${vrf}`))
    })
    const agent = await overlay.agent(overlay.config(A, { vrfs: [{ name: 'red', vni: 5001 }, { name: 'blue' }] }), dataplane)
    await agent.reconfigure(overlay.config(A, { vrfs: [{ name: 'red' }, { name: 'blue', vni: 5001 }] }))
    expect((await plane.dump()).vnis).toEqual([])
    expect(await agent.show('vrfs')).toMatchObject([{ vni: null }, { vni: 5001, routerMac: null }])
    // who was cut off from its reflector at that moment may send to red until hold time and restart time are over
    await overlay.run(60 + 90 + 120 - 1)
    expect((await plane.dump()).vnis).toEqual([])
    await overlay.run(2)
    const { vrfs, vnis } = await plane.dump()
    expect(vnis).toMatchObject([{ vni: 5001, vrf: vrfs.find(({ name }) => name === 'blue')?.id }])
    expect(set).toHaveLength(2)
    await overlay.stop(agent)
    expect(overlay.clock.pending).toEqual([])
  })

  it('refuse a VNI that the dataplane cannot carry, and change nothing', async () => {
    const overlay = new Overlay()
    const plane = overlay.dataplane(A, { encapsulations: ['mpls-udp'] })
    const agent = await overlay.agent(overlay.config(A), plane)
    await expect(agent.reconfigure(overlay.config(A, { vrfs: RED }))).rejects.toThrow('vrf red: VNI 5001 needs VXLAN')
    expect(await agent.show('vrfs')).toMatchObject([{ vni: null }])
    await overlay.stop(agent)
  })
})
