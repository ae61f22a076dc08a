import { DROP_REASONS, type FibTransaction, type PolicyObject } from '@heddle/core'
import { IpPrefix } from '@heddle/wire'
import { testPacket } from '@heddle/dataplane-conformance'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { FLOW, FLOW_COUNT, FLOW_KEY } from '../src/layout/structs/policy.js'
import { wordBytes } from '../src/layout/word.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'

const PORT = 7
const ETHERNET = 14

/** An endpoint that may have `maxFlows` flows, with one policy. */
function transaction(generation: number, maxFlows: number, rules: PolicyObject['rules']): FibTransaction {
  const port = { id: PORT, kind: 'endpoint' as const, vrf: 1, allowedSources: [], gateways: [], mtu: 1400, maxFlows }
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: { set: [port], remove: [] },
    policies: { set: [{ id: 1, port: PORT, direction: 'egress', rules, defaultVerdict: 'deny' }], remove: [] },
  }
}

describe.skipIf(missing() !== '')(titled('flows that policies remember'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  beforeAll(() => {
    namespace = new RouterNamespace('flows')
  })
  beforeEach(async () => {
    router = await namespace.open({ flows: 1024 })
  })
  afterEach(() => router.close())
  afterAll(() => namespace?.close())

  const maps = (): EbpfRouter['parts']['maps'] => router.parts.maps
  /** Sends a packet from the port; tells why it was dropped. There are no routes: what policies let through is dropped as such. */
  async function send(sourcePort: number): Promise<string> {
    maps().set('devices', 1, wordBytes(PORT))
    const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2', sourcePort })
    const frame = new Uint8Array(ETHERNET + packet.length)
    frame.set([0x08, 0x00], 12)
    frame.set(packet, ETHERNET)
    const before = await router.counters()
    router.run('egress', frame)
    const after = await router.counters()
    return DROP_REASONS.filter((_, slot) => after.drops[slot] !== before.drops[slot]).join()
  }
  const sweep = (): unknown => Array.from(router.parts.tables.sweep())
  const flows = (): [Uint8Array, Uint8Array][] => Array.from(maps().entries('flows'), ([key, value]) => [key, value])
  const counted = (): number => new View(FLOW_COUNT, maps().get('flow_counts', PORT)).get('count')

  it('are taken away when they are too old, by the program that counts them anew', async () => {
    await router.apply(transaction(1, 3, [{ verdict: 'allow' }]))
    for (const port of [1, 2, 3]) expect(await send(port)).toBe('no-route')
    expect(await send(4)).toBe('flow-limit')
    const [[key, value]] = flows()
    new View(FLOW, value).set('lifetime', 0)
    maps().set('flows', key, value)
    // As if a full table had forgotten more than the port's count knows of.
    maps().set('flow_counts', PORT, new View(FLOW_COUNT).set('count', 99).bytes)
    sweep()
    expect([flows().length, counted()]).toEqual([2, 2])
    expect([await send(4), await send(5)]).toEqual(['no-route', 'flow-limit'])
  })

  it('are not too old when another CPU has seen them since the clock was read', async () => {
    await router.apply(transaction(1, 1, [{ verdict: 'allow' }]))
    expect(await send(1)).toBe('no-route')
    const [[key, value]] = flows()
    const later = new View(FLOW, value).getLarge('seen') + 60_000
    maps().set('flows', key, new View(FLOW, value).setLarge('seen', later).bytes)
    sweep()
    expect([flows().length, counted()]).toEqual([1, 1])
    await router.apply(transaction(2, 1, []))
    maps().set('flows', key, new View(FLOW, value).set('version', 2).setLarge('seen', later).bytes)
    expect(await send(1)).toBe('no-route')
  })

  it('end sooner when their port has more than half of what it may, but for established connections', async () => {
    const quietFor = (milliseconds: number, lifetime?: number): void => {
      for (const [key, value] of flows()) {
        const view = new View(FLOW, value)
        view.setLarge('seen', view.getLarge('seen') - milliseconds)
        if (lifetime !== undefined) view.set('lifetime', lifetime)
        maps().set('flows', key, view.bytes)
      }
    }
    const TCP_ESTABLISHED = 7_440_000
    await router.apply(transaction(1, 6, [{ verdict: 'allow' }]))
    for (const port of [1, 2, 3]) expect(await send(port)).toBe('no-route')
    quietFor(10_000)
    sweep()
    expect(counted()).toBe(3)
    expect(await send(4)).toBe('no-route')
    quietFor(1000)
    sweep()
    expect([flows().length, counted()]).toEqual([4, 4])
    quietFor(10_000)
    sweep()
    expect([flows().length, counted()]).toEqual([1, 1])
    for (const port of [5, 6, 7, 8, 9]) expect(await send(port)).toBe('no-route')
    quietFor(1_000_000, TCP_ESTABLISHED)
    sweep()
    expect([flows().length, counted()]).toEqual([6, 6])
    expect(await send(10)).toBe('flow-limit')
  })

  // What has ended is taken away by the process alone: a port would come to its limit by flows that are over, and stay there.
  it('have no limit once nobody has counted them for a minute', async () => {
    const COUNTED = 0x8000_0000
    await router.apply(transaction(1, 1, [{ verdict: 'allow' }]))
    expect([await send(1), await send(2)]).toEqual(['no-route', 'flow-limit'])
    sweep()
    const recounted = (): number => new View(FLOW_COUNT, maps().get('flow_counts', PORT)).get('recount')
    const time = recounted() - COUNTED
    expect(time).toBeGreaterThan(0)
    const countedAt = (at: number): void =>
      maps().set('flow_counts', PORT, new View(FLOW_COUNT).set('count', 1).set('recount', COUNTED + ((at >>> 0) % COUNTED)).bytes)
    countedAt(time - 50)
    expect(await send(2)).toBe('flow-limit')
    countedAt(time - 70)
    expect(await send(2)).toBe('no-route')
    sweep()
    expect([flows().length, counted(), await send(3)]).toEqual([2, 2, 'flow-limit'])
  })

  it('of one port stay when another one opens more than there is room for', async () => {
    const OTHER = 8
    const { ports, policies, ...rest } = transaction(1, 512, [{ verdict: 'allow' }])
    const [port] = ports.set
    const [policy] = policies?.set ?? []
    await router.apply({
      ...rest,
      ports: { set: [port, { ...port, id: OTHER }], remove: [] },
      policies: { set: [policy, { ...policy, id: 2, port: OTHER }], remove: [] },
    })
    const frameOf = (sourcePort: number): Uint8Array => {
      const packet = testPacket({ source: '10.0.0.1', destination: '10.0.0.2', sourcePort })
      const frame = new Uint8Array(ETHERNET + packet.length)
      frame.set([0x08, 0x00], 12)
      frame.set(packet, ETHERNET)
      return frame
    }
    maps().set('devices', 1, wordBytes(OTHER))
    for (let sourcePort = 1; sourcePort <= 20; sourcePort++) router.run('egress', frameOf(sourcePort))
    const ofOther = (): number => flows().filter(([key]) => new View(FLOW_KEY, key).get('zone') === OTHER).length
    expect(ofOther()).toBe(20)
    maps().set('devices', 1, wordBytes(PORT))
    const before = await router.counters()
    for (let sourcePort = 1; sourcePort <= 4000; sourcePort++) router.run('egress', frameOf(sourcePort))
    expect(ofOther()).toBe(20)
    expect(flows().length).toBe(532)
    const slot = DROP_REASONS.indexOf('flow-limit')
    expect((await router.counters()).drops[slot] - before.drops[slot]).toBe(4000 - 512)
    sweep()
    expect([ofOther(), counted()]).toEqual([20, 512])
  })

  // A pass writes what it has counted, and flows are opened behind it.
  it('end by a change of policies, though fewer were counted, and leave room for others', async () => {
    await router.apply(transaction(1, 2, [{ verdict: 'allow' }]))
    for (const port of [1, 2]) expect(await send(port)).toBe('no-route')
    maps().set('flow_counts', PORT, new View(FLOW_COUNT).bytes)
    await router.apply(transaction(2, 2, [{ verdict: 'deny', sourcePorts: [{ first: 1, last: 2 }] }, { verdict: 'allow' }]))
    for (const port of [1, 2]) expect(await send(port)).toBe('policy')
    expect([await send(3), await send(4)]).toEqual(['no-route', 'no-route'])
    sweep()
    expect(counted()).toBe(2)
    expect(await send(5)).toBe('flow-limit')
  })

  it('end with the policies of their port, and count for nothing when it has others', async () => {
    await router.apply(transaction(1, 2, [{ verdict: 'allow' }]))
    for (const port of [1, 2]) expect(await send(port)).toBe('no-route')
    await router.apply({ ...emptyTransaction(2), policies: { set: [], remove: [1] }, ports: { set: [], remove: [PORT] } })
    await router.apply(transaction(3, 2, [{ verdict: 'allow' }]))
    expect(counted()).toBe(0)
    expect([await send(1), await send(2), await send(3)]).toEqual(['no-route', 'no-route', 'flow-limit'])
    expect(counted()).toBe(2)
  })

  // The kernel lets no packets in on a CPU while a program runs on a test packet: one run over a full table lost what came for as long.
  it('are swept in steps, each of them once, and are counted right when another pass overtakes one', async () => {
    const MANY = 20_000
    await router.close()
    router = await namespace.open({ flows: 65_536 })
    await router.apply(transaction(1, 100_000, [{ verdict: 'allow' }]))
    expect(await send(1)).toBe('no-route')
    const [[key, value]] = flows()
    const { object } = maps()
    const setMany = (bytes: Uint8Array): void => {
      for (let flow = 0; flow < MANY; flow++) object.update('flows', new View(FLOW_KEY, key.slice()).set('low', flow, 0).bytes, bytes)
    }
    setMany(value)
    const there = flows().length
    expect(there).toBeGreaterThanOrEqual(MANY)
    expect(counted()).toBe(1)
    const steps = router.parts.tables.sweep()
    let taken = 0
    for (; taken < 4; taken++) expect(steps.next().done).toBe(false)
    expect(counted()).toBe(1)
    sweep()
    expect([flows().length, counted()]).toEqual([there, there])
    for (; steps.next().done !== true; taken++);
    expect([flows().length, counted()]).toEqual([there, there])
    expect(taken).toBeGreaterThan(4)
    expect(Array.from(router.parts.tables.sweep()).length).toBeGreaterThan(there / 4096)
    setMany(new View(FLOW, value.slice()).set('lifetime', 0).bytes)
    sweep()
    expect([flows().length, counted()]).toEqual([there - MANY, there - MANY])
  })

  it('are judged by the last of as many rules as a policy may have', async () => {
    const peers = Array.from({ length: 4094 }, (_, host) => IpPrefix.parse(`172.16.${host >> 8}.${host & 255}/32`))
    const rules: PolicyObject['rules'] = [{ verdict: 'deny', peers }, { verdict: 'allow' }]
    expect((await router.apply(transaction(1, 9, rules))).status).toBe('applied')
    expect(await send(1)).toBe('no-route')
    const { policies } = await router.dump()
    expect(policies?.[0].rules[0].peers?.map(String)).toEqual(peers.map(String))
    const tooMany = [{ verdict: 'deny' as const, peers: [...peers, ...peers.slice(0, 1)] }, { verdict: 'allow' as const }]
    const report = await router.apply(transaction(2, 9, tooMany))
    expect(report).toMatchObject({ status: 'applied', failures: [{ object: { kind: 'policy', key: '1' }, code: 'dataplane.limit' }] })
    expect((await router.dump()).policies).toEqual(policies)
  })
})
