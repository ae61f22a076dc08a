import { PORT_COUNTERS, type Dataplane } from '@heddle/core'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { readOuter, writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { POD, siteTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const here = (name: string): string => fileURLToPath(new URL(`support/${name}`, import.meta.url))
const RED = 0
/** A second address of site b, which site a can take for a router on the way to the first. */
const ROUTER = { 4: '192.0.2.22', 6: '2001:db8::22' } as const
/** An address that no machine has. */
const NOBODY = { 4: '192.0.2.99', 6: '2001:db8::99' } as const
const LENGTH = { 4: 32, 6: 128 } as const

describe.skipIf(missing() !== '')(titled('packets of known flows, where the host forwards'), () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, Dataplane>
  let stream: ChildProcess | undefined
  let generation = 0
  beforeAll(async () => {
    sites = new TwoEbpfSites('gateway')
    for (const site of ['a', 'b'] as const) {
      routers[site] = await ebpfDataplane({
        addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
        uplink: 'up0',
        underlayNetns: sites.path(sites.short('site', site)),
        fibBlocks: 2048,
        routes: 4096,
      })
    }
    for (const family of [4, 6]) sites.in(sites.short('site', 'a'), 'sysctl', '-qw', `net.ipv${family}.conf.up0.forwarding=1`)
    for (const family of [4, 6] as const) {
      const length = family === 4 ? '24' : '64'
      const dad = family === 4 ? [] : ['nodad']
      sites.in(sites.short('site', 'b'), 'ip', 'address', 'add', `${ROUTER[family]}/${length}`, 'dev', 'up0', ...dad)
    }
  })
  afterAll(async () => {
    stream?.kill('SIGKILL')
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  async function count(site: Site, counter: 'rx-packets' | 'tx-packets'): Promise<number> {
    const { portIds, ports } = await routers[site].counters()
    return ports[portIds.indexOf(RED) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf(counter)]
  }
  const delivered = (): Promise<number> => count('b', 'tx-packets')

  /** Whether nothing arrives of a hundred packets that are sent. */
  async function nothingArrives(): Promise<boolean> {
    const [sent, before] = [await count('a', 'rx-packets'), await delivered()]
    await expect.poll(() => count('a', 'rx-packets')).toBeGreaterThan(sent + 100)
    return (await delivered()) === before
  }

  async function moreArrives(): Promise<void> {
    const before = await delivered()
    await expect.poll(delivered).toBeGreaterThan(before + 100)
  }

  it.each([4, 6] as const)('go by the routes of the underlay, and by what becomes of them (IPv%i)', async (family) => {
    const route = (...words: string[]): string => sites.in(sites.short('site', 'a'), 'ip', `-${family}`, 'route', ...words)
    const remote = `${UNDERLAY.b[family === 4 ? 0 : 1]}/${LENGTH[family]}`
    for (const site of ['a', 'b'] as const) await sites.setUp(routers[site], site, ++generation, family, 'mpls-udp')
    // Without anybody who listens, errors would come back and be the sender's.
    const sink = sites.start(sites.short('red', 'b'), process.execPath, here('udp-sink.mjs'), POD.b[0], '9')
    await once(sink.stdout as NodeJS.ReadableStream, 'data')
    const argv = ['netns', 'exec', sites.name(sites.short('red', 'a')), process.execPath, here('udp-stream.mjs'), POD.b[0], '9', '1000']
    stream = spawn('ip', argv, { stdio: ['pipe', 'ignore', 'inherit'] })
    await moreArrives()

    route('add', remote, 'via', ROUTER[family], 'dev', 'up0')
    await moreArrives()
    // Another router had to be asked for.
    await expect.poll(() => sites.in(sites.short('site', 'a'), 'ip', 'neighbour', 'show', ROUTER[family])).toContain('lladdr')
    await moreArrives()

    route('replace', remote, 'via', NOBODY[family], 'dev', 'up0')
    await expect.poll(nothingArrives).toBe(true)
    route('del', remote)
    await moreArrives()
    stream.kill('SIGKILL')
    sink.kill('SIGKILL')
  })

  // The first packet of a flow went by the rule, and those behind it by the gateway of whichever class had been asked for.
  it.each([4, 6] as const)('go by rules of the host for their traffic class, of two in one flow (IPv%i)', async (family) => {
    const ip = (...words: string[]): string => sites.in(sites.short('site', 'a'), 'ip', `-${family}`, ...words)
    const remote = `${UNDERLAY.b[family === 4 ? 0 : 1]}/${LENGTH[family]}`
    for (const site of ['a', 'b'] as const) await sites.setUp(routers[site], site, ++generation, family, 'mpls-udp')
    const tables = siteTransaction('a', ++generation, family)
    const uniform = tables.nextHops.set.map((hop) =>
      hop.action.type === 'tunnel' ? { ...hop, action: { ...hop.action, trafficClassModel: 'uniform' as const } } : hop,
    )
    expect(await routers.a.apply({ ...tables, nextHops: { set: uniform, remove: [] } })).toMatchObject({ status: 'applied', failures: [] })
    ip('route', 'add', remote, 'via', NOBODY[family], 'dev', 'up0', 'table', '100')
    ip('rule', 'add', 'tos', '0x10', 'lookup', '100')
    using near = await Capture.open(sites.path(sites.short('red', 'a')), 'eth0')
    using far = await Capture.open(sites.path(sites.short('red', 'b')), 'eth0')
    const packet = (trafficClass: number, payload: number): Uint8Array =>
      writeOuter({
        source: IpAddress.parse(POD.a[0]),
        destination: IpAddress.parse(POD.b[0]),
        protocol: 17,
        ttl: 64,
        trafficClass,
        sourcePort: 5000,
        destinationPort: 5009,
        payload: Uint8Array.of(payload),
      })
    const arrived: (readonly [trafficClass: number, payload: number])[] = []
    const look = (): number => {
      for (const bytes of far.take()) {
        const { trafficClass, destinationPort, payload } = readOuter(bytes)
        if (destinationPort === 5009) arrived.push([trafficClass, payload[0]])
      }
      return arrived.length
    }
    for (let turn = 0; turn < 10; turn++) {
      for (const trafficClass of [0x10, 0]) near.send(packet(trafficClass, turn))
      await expect.poll(look, { timeout: 20_000 }).toBeGreaterThan(turn)
    }
    expect(arrived).toEqual(Array.from({ length: 10 }, (_, turn) => [0, turn]))
    ip('rule', 'del', 'tos', '0x10', 'lookup', '100')
    ip('route', 'flush', 'table', '100')
  })
})
