import { PORT_COUNTERS, type Dataplane } from '@heddle/core'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endProcess } from '../../dataplane-tun/test/support/end-process.js'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { readOuter, writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { emptyTransaction, POD, siteTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const here = (name: string): string => fileURLToPath(new URL(`support/${name}`, import.meta.url))
const RED = 0
const HOST_PORT = 9
/** Marks every other datagram of a stream, the first one too. */
const MARKS =
  'table inet marks { chain out { type filter hook output priority 0; oifname "own0" udp dport 9 numgen inc mod 2 0 meta mark set 7; }; }'
const UDP = 17
/** A second address of site b, which site a can take for a router on the way to the first. */
const ROUTER = { 4: '192.0.2.22', 6: '2001:db8::22' } as const
/** An address that no machine has. */
const NOBODY = { 4: '192.0.2.99', 6: '2001:db8::99' } as const
const LENGTH = { 4: 32, 6: 128 } as const

/** What packets cannot be marked here for want of; empty when they can. */
function missingMarks(): string {
  if (missing() !== '') return ''
  const namespaces = new Namespaces()
  try {
    namespaces.add('marks')
    namespaces.in('marks', 'nft', MARKS)
    return ''
  } catch (error) {
    return `nftables (${String((error as { stderr?: unknown }).stderr ?? error).split('\n')[0]})`
  } finally {
    namespaces.close()
  }
}

/** MAC addresses that frames of MPLS over UDP are for. */
function receiversOf(frames: readonly Uint8Array[]): string[] {
  const found = frames.filter((frame) => (frame[14] >> 4 === 4 ? frame[23] === UDP : frame[20] === UDP))
  return [...new Set(found.map((frame) => MacAddress.fromBytes(frame.subarray(0, 6)).toString()))]
}

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
    using wire = await Capture.open(sites.path(sites.short('site', 'b')), 'up0', { frames: true })
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

    // An address of the link, and for IPv4 one of the other family (RFC 8950): of two routers, each with an address that only it has.
    for (const [gateway, mac] of [
      ['2001:db8::77', '02:00:00:00:00:77'],
      ['fe80::88', '02:00:00:00:00:88'],
    ]) {
      sites.in(sites.short('site', 'a'), ...`ip neighbour replace ${gateway} lladdr ${mac} nud permanent dev up0`.split(' '))
      route('replace', remote, 'via', ...(family === 4 ? ['inet6'] : []), gateway, 'dev', 'up0')
      await expect.poll(() => receiversOf(wire.take())).toEqual([mac])
      // Programs take it as theirs, whomever the frame is for.
      await moreArrives()
    }

    route('replace', remote, 'via', NOBODY[family], 'dev', 'up0')
    await expect.poll(nothingArrives).toBe(true)
    route('del', remote)
    await moreArrives()
    for (const process of [stream, sink]) await endProcess(process)
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
      await expect.poll(look).toBeGreaterThan(turn)
    }
    expect(arrived).toEqual(Array.from({ length: 10 }, (_, turn) => [0, turn]))
    ip('rule', 'del', 'tos', '0x10', 'lookup', '100')
    ip('route', 'flush', 'table', '100')
  })

  const noMarks = missingMarks()
  it.skipIf(noMarks !== '').each([4, 6] as const)(
    `go by rules of the host for their mark, of marked ones and others in one flow (IPv%i)${noMarks === '' ? '' : ` (skipped: needs ${noMarks})`}`,
    async (family) => {
      const node = sites.short('site', 'a')
      const ip = (words: string): string => sites.in(node, 'ip', `-${family}`, ...words.split(' '))
      const [gateway, mac] = [NOBODY[family], '02:00:00:00:00:99']
      for (const site of ['a', 'b'] as const) await sites.setUp(routers[site], site, ++generation, family, 'mpls-udp')
      // Marks do not leave a namespace: the endpoint is in that of the router.
      const address = IpAddress.parse('10.1.0.9')
      const port = { id: HOST_PORT, kind: 'endpoint', vrf: RED, allowedSources: [IpPrefix.of(address)], gateways: [], mtu: 1400 } as const
      const report = await routers.a.apply({ ...emptyTransaction(++generation), ports: { set: [port], remove: [] } })
      expect(report).toMatchObject({ status: 'applied', failures: [] })
      const routes = [IpPrefix.parse(`${POD.b[0]}/32`)]
      await routers.a.attachPort(HOST_PORT, { netns: sites.path(node), ifname: 'own0', addresses: [address], routes, mtu: 1400 })
      ip(`neighbour replace ${gateway} lladdr ${mac} nud permanent dev up0`)
      ip(`route add ${UNDERLAY.b[family === 4 ? 0 : 1]}/${LENGTH[family]} via ${gateway} dev up0 table 100`)
      ip('rule add fwmark 7 lookup 100')
      sites.in(node, 'nft', MARKS)
      using wire = await Capture.open(sites.path(sites.short('site', 'b')), 'up0', { frames: true })
      const sender = spawn('ip', ['netns', 'exec', sites.name(node), process.execPath, here('udp-stream.mjs'), POD.b[0], '9', '500', '50'])
      stream = sender
      const sent = once(sender.stdout, 'data')
      const found = new Map<string, number>()
      const look = (): number => {
        for (const receiver of wire.take().flatMap((frame) => receiversOf([frame]))) found.set(receiver, (found.get(receiver) ?? 0) + 1)
        const total = [...found.values()].reduce((sum, count) => sum + count, 0)
        sender.stdin.write(`${total}\n`)
        return total
      }
      await expect.poll(look).toBeGreaterThan(300)
      sender.stdin.end()
      const total = Number((await sent)[0])
      await expect.poll(look).toBe(total)
      const marked = Math.ceil(total / 2)
      expect(found).toEqual(
        new Map([
          [mac, marked],
          [sites.in(sites.short('site', 'b'), 'cat', '/sys/class/net/up0/address').trim(), total - marked],
        ]),
      )
      await routers.a.detachPort(HOST_PORT)
      sites.in(node, 'nft', 'delete table inet marks')
      ip('rule del fwmark 7 lookup 100')
      ip('route flush table 100')
    },
  )
})
