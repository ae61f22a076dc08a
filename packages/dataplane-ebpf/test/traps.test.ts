import { dropsOf, RouteBatch } from '@heddle/core'
import { echoRequest, labelled, testPacket, vxlanBefore } from '@heddle/dataplane-conformance'
import type { EbpfDataplane } from '@heddle/dataplane-ebpf'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { execFile, spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { emptyTransaction, LABEL, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import type { NativeObject } from '../src/native/binding.js'
import { call, callAsync } from '../src/native/call.js'
import type { EbpfInspection } from '../src/inspection.js'
import { ebpfFeatures } from '../src/probe.js'
import { endProcess } from '../../dataplane-tun/test/support/end-process.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { deliveriesIn } from './support/delivered-type.js'
import { countRuns, runsOf } from './support/program-runs.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)

const hasVxlan = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'vxlan' && available)

const hasPython = spawnSync('python3', ['-c', 'import socket; socket.AF_PACKET']).status === 0

const hasEthtool = existsSync('/usr/sbin/ethtool')

/** A counter of a namespace. @param snmp `/proc/net/snmp` there */
function counterIn(snmp: string, protocol: 'Ip' | 'Udp', counter: string): number {
  const [names = [], values = []] = snmp
    .split('\n')
    .filter((line) => line.startsWith(`${protocol}:`))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf(counter)])
}

/* Each is something that the kernel does, and that made an eBPF forwarder lose packets. */
describe.skipIf(missing() !== '')(titled('traps of the kernel'), () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, EbpfDataplane>
  const generations: Record<Site, number> = { a: 0, b: 0 }

  const open = (site: Site): Promise<EbpfDataplane> =>
    ebpfDataplane({
      addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', site)),
      fibBlocks: 2048,
      routes: 4096,
    })

  beforeAll(async () => {
    sites = new TwoEbpfSites('trap')
    for (const site of ['a', 'b'] as const) {
      routers[site] = await open(site)
      await sites.setUp(routers[site], site, ++generations[site], 4, 'mpls-udp')
    }
  })
  afterAll(async () => {
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  async function ping(address: string, ...options: string[]): Promise<string> {
    const argv = ['netns', 'exec', sites.name(sites.short('red', 'a')), ...pingWords(2), ...options, address]
    return run('ip', argv).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )
  }

  it('-EALREADY: what came out of a tunnel is still marked as tunnelled when it goes into the next one', async () => {
    // The TTL runs out at the far router, whose error goes back through the tunnel that the packet came by, in the packet's own buffer.
    for (const address of POD.b) expect(await ping(address, '-t', '2')).toMatch(/Time to live exceeded|Hop limit/i)
    expect(dropsOf(await routers.b.counters(), 'ttl-expired')).toBeGreaterThanOrEqual(4)
    expect(dropsOf(await routers.b.counters(), 'queue-full')).toBe(0)
  })

  it('redirect_peer: what came out of a tunnel is taken, whomever the frame that went into it was for', async () => {
    const pod = sites.short('red', 'a')
    for (const address of POD.b)
      sites.in(pod, ...`ip neighbour replace ${address} lladdr 02:00:00:00:00:99 dev eth0 nud permanent`.split(' '))
    for (const address of POD.b) expect(await ping(address)).toContain(' 2 received')
  })

  // Since Linux 6.15 the kernel itself makes it the host's, so that there only the programs tell whether older ones would take it.
  it('redirect_peer: no way leads to it but by the type of the packet', () => {
    const { all, asItCame } = deliveriesIn(readBpfObject())
    expect(all.length).toBeGreaterThanOrEqual(4)
    expect(asItCame).toEqual([])
  })

  // What comes out of a tunnel has the type that the outer frame had; what another endpoint of the node sent has the one that its own address gave it.
  it('redirect_peer: a frame for somebody else is taken by an endpoint of the same node', async () => {
    const near = { name: sites.short('near', 'a'), addresses: ['10.1.0.9', 'fd00:1::9'] }
    sites.add(near.name)
    const routes = new RouteBatch()
    for (const address of near.addresses) routes.push(0, IpPrefix.parse(address), 9)
    const allowedSources = near.addresses.map((address) => IpPrefix.parse(address))
    const report = await routers.a.apply({
      ...emptyTransaction(++generations.a),
      ports: { set: [{ id: 9, kind: 'endpoint', vrf: 0, allowedSources, gateways: [], mtu: 1400 }], remove: [] },
      nextHops: { set: [{ id: 9, action: { type: 'port', port: 9 } }], remove: [] },
      groups: { set: [{ id: 9, members: [{ nextHop: 9, weight: 1 }], seed: 1 }], remove: [] },
      routes,
    })
    expect(report).toMatchObject({ status: 'applied', failures: [] })
    const addresses = near.addresses.map((address) => IpAddress.parse(address))
    await routers.a.attachPort(9, { netns: sites.path(near.name), ifname: 'eth0', addresses, mtu: 1400 })
    const ends = [[sites.short('red', 'a'), near.addresses] as const, [near.name, POD.a] as const]
    for (const [pod, others] of ends)
      for (const address of others)
        sites.in(pod, ...`ip neighbour replace ${address} lladdr 02:00:00:00:00:99 dev eth0 nud permanent`.split(' '))
    for (const address of near.addresses) expect(await ping(address)).toContain(' 2 received')
  })

  // The kernel takes the tag out of a frame before programs see it, which took what was in a VLAN for what was in none.
  it('VLAN: what has a tag is neither the endpoint’s nor of the underlay, but that of a priority', async () => {
    const request = echoRequest(IpAddress.parse(POD.a[0]), IpAddress.parse(POD.b[0]))
    const tagged = (to: string, vlan: number, packet: Uint8Array): Uint8Array =>
      Uint8Array.of(...MacAddress.parse(to).toBytes(), ...new Uint8Array(6).fill(2), 0x81, 0, vlan >> 8, vlan & 0xff, 8, 0, ...packet)
    const macOf = (short: string, link: string): string => sites.in(short, 'cat', `/sys/class/net/${link}/address`).trim()
    const refused = async (): Promise<number> => dropsOf(await routers.a.counters(), 'family-unsupported')
    const before = await refused()
    {
      using pod = await Capture.open(sites.path(sites.short('red', 'a')), 'eth0', { frames: true })
      for (const vlan of [5, 0]) pod.send(tagged('02:00:00:00:00:99', vlan, request))
      await expect.poll(refused).toBe(before + 2)
    }
    const packet = labelled([{ label: LABEL.b.red }], request)
    const ends = {
      source: IpAddress.parse(UNDERLAY.a[0]),
      destination: IpAddress.parse(UNDERLAY.b[0]),
      protocol: 17,
      ttl: 64,
      trafficClass: 0,
    }
    const outer = writeOuter({ ...ends, sourcePort: 50_000, destinationPort: 6635, payload: packet })
    using wire = await Capture.open(sites.path(sites.short('site', 'a')), 'up0', { frames: true })
    using far = await Capture.open(sites.path(sites.short('red', 'b')), 'eth0')
    for (const vlan of [5, 0]) wire.send(tagged(macOf(sites.short('site', 'b'), 'up0'), vlan, outer))
    // What comes behind them has arrived when they have.
    expect(await ping(POD.b[1])).toContain(' 2 received')
    const arrived: Uint8Array[] = []
    await expect.poll(() => arrived.push(...far.take().filter((bytes) => bytes[0] >> 4 === 4))).toBeGreaterThan(0)
    expect(arrived).toHaveLength(1)
  })

  // The tag lay beside the packet, and went on with it.
  it.skipIf(!hasPython)(
    `VLAN: what came with the tag of a priority is sent on without one${hasPython ? '' : ' (skipped: needs python3)'}`,
    async () => {
      const label = 2001
      const common = { type: 'tunnel', encapsulation: 'mpls-udp', ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
      const [local, remote] = [UNDERLAY.b[0], UNDERLAY.a[0]].map((address) => IpAddress.parse(address))
      const report = await routers.b.apply({
        ...emptyTransaction(++generations.b),
        nextHops: { set: [{ id: 9, action: { ...common, local, remote, labels: [3001] } }], remove: [] },
        labels: { set: [{ label, action: { type: 'swap', nextHop: 9 }, sources: 0 }], remove: [] },
      })
      expect(report).toMatchObject({ status: 'applied', failures: [] })
      const macOf = (site: Site): number[] => [
        ...MacAddress.parse(sites.in(sites.short('site', site), 'cat', '/sys/class/net/up0/address').trim()).toBytes(),
      ]
      const outer = (from: Site, to: Site, destinationPort: number, payload: Uint8Array): Uint8Array => {
        const [source, destination] = [UNDERLAY[from][0], UNDERLAY[to][0]].map((address) => IpAddress.parse(address))
        const packet = writeOuter({
          source,
          destination,
          protocol: 17,
          ttl: 64,
          trafficClass: 0,
          sourcePort: 50_000,
          destinationPort,
          payload,
        })
        // A priority, and no VLAN.
        return Uint8Array.of(...macOf(to), ...macOf(from), 0x81, 0, 0x60, 0, 8, 0, ...packet)
      }
      const request = echoRequest(IpAddress.parse(POD.a[0]), IpAddress.parse(POD.b[0]))
      using wire = await Capture.open(sites.path(sites.short('site', 'a')), 'up0', { frames: true })
      using far = await Capture.open(sites.path(sites.short('site', 'b')), 'up0', { frames: true })
      const reader = sites.start(sites.short('site', 'a'), 'python3', fileURLToPath(new URL('support/tags.py', import.meta.url)))
      try {
        const lines = createInterface(reader.stdout!)[Symbol.asyncIterator]()
        expect((await lines.next()).value).toBe('ready')
        /** What the next frame to arrive that has these octets says of its tag. */
        const tagOf = async (octets: Uint8Array): Promise<string | undefined> => {
          for (;;) {
            const { value, done } = await lines.next()
            if (done === true) return undefined
            const [tag, frame] = value.split(' ')
            if (frame.includes(Buffer.from(octets).toString('hex'))) return tag
          }
        }
        const marked = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
        far.send(outer('b', 'a', 9, marked))
        expect(await tagOf(marked)).toBe(String(0x6000))
        wire.send(outer('a', 'b', 6635, labelled([{ label }], request)))
        expect(await tagOf(labelled([{ label: 3001, ttl: 63 }], request))).toBe('none')
      } finally {
        await endProcess(reader)
      }
    },
  )

  it.skipIf(!hasEthtool)(
    `checksum-partial: what an endpoint leaves to a device is summed where it lies behind the tunnel's headers${hasEthtool ? '' : ' (skipped: needs ethtool)'}`,
    async () => {
      // Uplinks that sum nothing have it done before the frame goes out, and the far pod looks at the sum.
      const switchTo = (state: 'on' | 'off'): void => {
        for (const site of ['a', 'b'] as const) sites.in(sites.short('site', site), ...`ethtool -K up0 tx ${state}`.split(' '))
      }
      switchTo('off')
      const children: ChildProcessWithoutNullStreams[] = []
      const start = (site: Site, script: string): ChildProcessWithoutNullStreams => {
        const path = fileURLToPath(new URL(`support/${script}`, import.meta.url))
        const pod = sites.name(sites.short('red', site))
        const child = spawn('ip', ['netns', 'exec', pod, process.execPath, path, POD.b[0], '9000', '1000'])
        children.push(child)
        return child
      }
      try {
        const lines = createInterface(start('b', 'udp-once.mjs').stdout)[Symbol.asyncIterator]()
        expect((await lines.next()).value).toBe('listening')
        start('a', 'udp-large.mjs')
        expect((await lines.next()).value).toBe('1000 octets, as they were sent')
        expect(counterIn(sites.in(sites.short('red', 'b'), 'cat', '/proc/net/snmp'), 'Udp', 'InCsumErrors')).toBe(0)
      } finally {
        for (const child of children) child.kill()
        switchTo('on')
      }
    },
  )

  it.skipIf(!hasTcx)(
    `other programs on the links: one that was there before ours, and one that came behind it, see what ours leaves to the host, and go without a trace${hasTcx ? '' : ' (skipped: needs tcx)'}`,
    async () => {
      // Programs that let everything pass on: ours takes the first place when it comes, and they run in the order in which they came.
      const others = [0, 1].map((): NativeObject =>
        call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1, flows: 1024 })),
      )
      const namespace = sites.path(sites.short('site', 'b'))
      const [{ ifindex }] = JSON.parse(sites.in(sites.short('site', 'b'), ...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
      const attach = (other: NativeObject): Promise<number> =>
        callAsync(() => other.attach({ program: 'sweep', namespace, ifindex, usesTcx: true }))
      const first = await attach(others[0])
      expect(await ping(POD.b[0])).toContain(' 2 received')
      await routers.b.close()
      routers.b = await open('b')
      await sites.setUp(routers.b, 'b', (generations.b = 1), 4, 'mpls-udp')
      const last = await attach(others[1])
      const idIn = ({ programs }: Pick<EbpfInspection, 'programs'>, wanted: string): number =>
        programs.find(({ name }) => name === wanted)?.id ?? 0
      const [former, later] = others.map((other) => idIn({ programs: call(() => other.programs()) }, 'sweep'))
      const ours = idIn(routers.b.inspect(), 'ingress')
      const runs = (): number[] => [ours, former, later].map(runsOf)
      {
        using _ = countRuns()
        const start = runs()
        expect(await ping(POD.b[0])).toContain(' 2 received')
        const host = ['ip', 'netns', 'exec', sites.name(sites.short('site', 'a')), ...pingWords(2), UNDERLAY.b[0]]
        expect((await run(host[0], host.slice(1))).stdout).toContain(' 2 received')
        // Neighbours look for each other meanwhile, which is the host's, too. A packet may be on its way from one to the next.
        const compared = (): unknown => {
          const [own, first, last] = runs().map((count, index) => count - start[index])
          return { sentOnByOurs: own - first, seenByOneAlone: first - last, leavesThoseToTheHost: last >= 2 }
        }
        await expect.poll(compared).toEqual({ sentOnByOurs: 2, seenByOneAlone: 0, leavesThoseToTheHost: true })
      }
      for (const [index, attachment] of [first, last].entries()) {
        await callAsync(() => others[index].detach(attachment))
        call(() => others[index].close())
      }
      expect(await ping(POD.b[0])).toContain(' 2 received')
    },
  )
  // The socket that makes GRO merge segments takes what programs leave to the host, and had it come out as a packet that nothing had judged.
  it.skipIf(!hasVxlan)(
    `VXLAN: what comes in fragments does not come out of the device that merges segments${hasVxlan ? '' : ' (skipped: needs vxlan)'}`,
    async () => {
      const site = sites.short('site', 'b')
      await routers.b.close()
      // As an older release left it, which let everything through.
      sites.in(site, ...`ip link add ${merger(site)} type vxlan external dstport 4789 nolearning`.split(' '))
      sites.in(site, ...`ip link set ${merger(site)} up`.split(' '))
      routers.b = await open('b')
      await sites.setUp(routers.b, 'b', (generations.b = 1), 4, 'vxlan')
      const inner = testPacket({ source: POD.a[0], destination: UNDERLAY.b[0], size: 2000 })
      const datagram = vxlanBefore(LABEL.b.red, MacAddress.parse('ff:ff:ff:ff:ff:ff'), MacAddress.parse('02:00:00:00:00:01'), inner)
      const send = `const s = require('dgram').createSocket('udp4'); s.send(Buffer.from('${Buffer.from(datagram).toString('hex')}', 'hex'), 4789, '${UNDERLAY.b[0]}', () => s.close())`
      const inHost = (counter: string): number => counterIn(sites.in(site, 'cat', '/proc/net/snmp'), 'Ip', counter)
      const before = inHost('ReasmOKs')
      sites.in(sites.short('site', 'a'), process.execPath, '-e', send)
      await expect.poll(() => inHost('ReasmOKs')).toBe(before + 1)
      // What has come out of the device is taken up by the same processor before the next packet.
      expect(await ping(POD.b[0])).toContain(' 2 received')
      const [{ stats64 }] = JSON.parse(sites.in(site, ...`ip -j -s link show ${merger(site)}`.split(' '))) as [Statistics]
      expect(stats64.rx.packets).toBe(0)
    },
  )

  /** The device of a site's router that merges segments. */
  const merger = (site: string): string => {
    const [{ ifindex }] = JSON.parse(sites.in(site, ...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
    return `hd${ifindex.toString(36)}vxlan`
  }
})

interface Statistics {
  readonly stats64: { readonly rx: { readonly packets: number } }
}
