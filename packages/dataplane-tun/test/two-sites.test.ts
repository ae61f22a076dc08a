import { dropsOf, endpointMtu, type DataplaneEvent, type DropReason, type FibTransaction } from '@heddle/core'
import { tunDataplane, underlayMtu, type TunDataplane } from '@heddle/dataplane-tun'
import { DATAGRAM_DESCRIPTOR, UdpBatchSocket } from '@heddle/linux'
import { tunnelMtu } from '@heddle/mpls'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Capture } from './support/capture.js'
import { readOuter } from './support/ip-packet.js'
import { pingWords } from './support/ping.js'
import { missing, titled } from './support/requirements.js'
import { tcpStream } from './support/tcp-stream.js'
import { LABEL, POD, TwoSites, UNDERLAY, emptyTransaction, setUp, siteTransaction, withoutRoute, type Site } from './support/two-sites.js'

const run = promisify(execFile)
const other: Record<Site, Site> = { a: 'b', b: 'a' }
const hasTshark = (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, 'tshark')))
const hasEthtool = existsSync('/usr/sbin/ethtool')
const FAMILIES = [4, 6] as const
/** Of a ping that nobody answers. */
const UNHEARD = ['-W', '0.2']

describe.skipIf(missing() !== '').each(FAMILIES)(titled('two sites over an IPv%i underlay'), (family) => {
  let sites: TwoSites
  const routers = {} as Record<Site, TunDataplane>
  let nextGeneration = 10
  /** What router a told. */
  const events: DataplaneEvent[] = []
  let watching: Promise<void>

  beforeAll(async () => {
    sites = new TwoSites()
    for (const site of ['a', 'b'] as const) {
      const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
      routers[site] = await tunDataplane({ addresses, inProcess: true, underlayNetns: sites.path(`site-${site}`) })
      await setUp(routers[site], sites, site, family)
    }
    watching = (async () => {
      for await (const event of routers.a.events) events.push(event)
    })()
  })

  afterAll(async () => {
    for (const router of Object.values(routers)) await router.close()
    await watching
    sites?.close()
  })

  /** Output of ping from a pod; it never fails. */
  async function ping(from: string, address: string, ...options: string[]): Promise<string> {
    const argv = ['netns', 'exec', sites.name(from), ...pingWords(2), ...options, address]
    return run('ip', argv).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )
  }

  async function dropped(site: Site, reason: DropReason, act: () => Promise<unknown>): Promise<number> {
    const before = dropsOf(await routers[site].counters(), reason)
    await act()
    const moved = async (): Promise<number> => dropsOf(await routers[site].counters(), reason) - before
    await expect.poll(moved).toBeGreaterThan(0)
    return moved()
  }

  async function apply(site: Site, transaction: (generation: number) => FibTransaction): Promise<void> {
    const report = await routers[site].apply(transaction(nextGeneration++))
    expect(report).toMatchObject({ status: 'applied', failures: [] })
  }

  it.each(['a', 'b'] as const)('pods of site %s reach the other site, IPv4 and IPv6, in both VRFs', async (site) => {
    for (const pod of ['pod', 'blue']) {
      for (const address of POD[other[site]]) expect(await ping(`${pod}-${site}`, address)).toContain(' 2 received')
    }
  })

  /** Sends a TCP stream from pod a, which arrives whole. */
  async function stream(address: string, octets: number): Promise<void> {
    expect(await tcpStream(sites, ['pod-a', 'pod-b'], address, octets)).toBe(true)
  }

  it.each(POD.b)('a TCP stream to %s arrives whole', async (address) => stream(address, 16 << 20))

  it('the underlay carries UDP to port 6635 from an entropy port, with a checksum, DF, TTL 64 and the label of the other site', async () => {
    using capture = await Capture.open(sites.path('site-b'), 'up0')
    // One after the other: what goes at once may be one frame on the wire.
    for (let count = 0; count < 2; count++) await ping('pod-a', POD.b[0], '-c', '1')
    const packets = capture.take().filter((packet) => readOuter(packet).destinationPort === 6635)
    expect(packets.length).toBeGreaterThanOrEqual(2)
    for (const packet of packets) {
      const { source, destination, protocol, ttl, sourcePort, payload } = readOuter(packet)
      const word = new DataView(payload.buffer).getUint32(0)
      expect({ source: `${source}`, destination: `${destination}`, protocol, ttl }).toEqual({
        source: UNDERLAY.a[family === 4 ? 0 : 1],
        destination: UNDERLAY.b[family === 4 ? 0 : 1],
        protocol: 17,
        ttl: 64,
      })
      expect(sourcePort).toBeGreaterThanOrEqual(49_152)
      expect({ label: word >>> 12, bottom: (word >>> 8) & 1, inner: payload[4] >> 4 }).toEqual({ label: LABEL.b.red, bottom: 1, inner: 4 })
      if (family === 4) expect(packet[6] & 0x40).toBe(0x40)
      const checksumAt = family === 4 ? 26 : 46
      expect(packet[checksumAt] * 256 + packet[checksumAt + 1]).not.toBe(0)
    }
  })

  it.skipIf(!hasTshark)(`tshark dissects UDP 6635, MPLS and IP${hasTshark ? '' : ' (skipped: tshark is not installed)'}`, async () => {
    const fields = ['udp.dstport', 'mpls.label', 'mpls.bottom', 'ip.dst', 'ipv6.dst'].flatMap((field) => ['-e', field])
    const filter = `udp dst port 6635 and src host ${UNDERLAY.a[family === 4 ? 0 : 1]}`
    const tshark = sites.start(
      'site-b',
      'tshark',
      '-Q',
      '-l',
      '-i',
      'up0',
      '-c',
      '4',
      '-a',
      'duration:60',
      '-f',
      filter,
      '-T',
      'fields',
      '-E',
      'separator=;',
      ...fields,
    )
    let output = ''
    tshark.stdout?.on('data', (chunk) => (output += String(chunk)))
    const ended = once(tshark, 'close')
    while (tshark.exitCode === null) {
      for (const address of POD.b) await ping('pod-a', address)
      await sleep(100)
    }
    await ended
    const lines = output.trim().split('\n')
    expect(lines).toHaveLength(4)
    for (const line of lines) {
      const [port, label, bottom, ...destinations] = line.split(';')
      expect({ port, label, bottom }).toEqual({ port: '6635', label: `${LABEL.b.red}`, bottom: '1' })
      expect(destinations.join()).toMatch(/10\.1\.0\.2|fd00:1::2/)
    }
  })

  it('flows leave by several source ports', async () => {
    using capture = await Capture.open(sites.path('site-b'), 'up0')
    const send = `for (let port = 0; port < 64; port++) { const s = require('dgram').createSocket('udp4'); s.send('x', 9000 + port, '${POD.b[0]}', () => s.close()) }`
    await run('ip', ['netns', 'exec', sites.name('pod-a'), process.execPath, '-e', send])
    const ports = new Set<number | undefined>()
    const more = (): number => capture.take().reduce((all, packet) => all.add(readOuter(packet).sourcePort), ports).size
    await expect.poll(more).toBeGreaterThan(4)
  })

  it('a wrong label, a label from a foreign tunnel source and a packet for another VRF are dropped by reason', async () => {
    const inner = Buffer.from('4500002000004000401100000a0100020a01000100090009000c000000000000', 'hex')
    inner.writeUInt16BE(0xffff - sumOf(inner.subarray(0, 20)), 10)
    const frame = (label: number): Uint8Array => Uint8Array.from([label >> 12, (label >> 4) & 255, ((label & 15) << 4) | 1, 64, ...inner])
    const at = family === 4 ? 0 : 1
    const foreign = family === 4 ? '192.0.2.9' : '2001:db8::9'
    sites.in('site-b', 'ip', 'address', 'add', `${foreign}/${family === 4 ? 24 : 64}`, 'dev', 'up0', ...(family === 6 ? ['nodad'] : []))
    const send = (source: string, label: number, zeroChecksum = false) =>
      sendUdp(sites.path('site-b'), source, UNDERLAY.a[at], frame(label), zeroChecksum)

    expect(await dropped('a', 'label-unknown', () => send(UNDERLAY.b[at], 4000))).toBe(1)
    expect(await dropped('a', 'tunnel-source', () => send(foreign, LABEL.a.red))).toBe(1)
    expect(await dropped('a', 'tunnel-source', () => send(foreign, LABEL.a.blue))).toBe(1)
    // Zero checksums are accepted on receive (RFC 7510 §3, RFC 6935): the packet gets as far as the label.
    expect(await dropped('a', 'label-unknown', () => send(UNDERLAY.b[at], 4001, true))).toBe(1)

    await apply('a', (generation) => withoutRoute(generation, 1, `${POD.a[0]}/32`))
    expect(await dropped('a', 'no-route', () => send(UNDERLAY.b[at], LABEL.a.blue))).toBe(1)
    await apply('a', (generation) => withoutRoute(generation, 0, `${POD.b[0]}/32`))
    expect(await dropped('a', 'no-route', () => ping('pod-a', POD.b[0], ...UNHEARD))).toBeGreaterThan(0)
    expect(await ping('blue-a', POD.b[1])).toContain(' 2 received')
    await apply('a', (generation) => siteTransaction('a', generation, family))
    expect(await ping('pod-a', POD.b[0])).toContain(' 2 received')
  })

  it.each(['mpls-gre', 'vxlan', 'mpls-udp-joint'] as const)('%s carries packets both ways where it is offered', async (encapsulation) => {
    expect(routers.a.capabilities.encapsulations).toContain(encapsulation)
    for (const site of ['a', 'b'] as const) await apply(site, (generation) => siteTransaction(site, generation, family, encapsulation))
    for (const address of POD.b) expect(await ping('pod-a', address)).toContain(' 2 received')
    for (const site of ['a', 'b'] as const) await apply(site, (generation) => siteTransaction(site, generation, family))
  })

  it.skipIf(!hasEthtool).each(POD.b)(
    `a TCP stream to %s has a joint label in each frame where the far end reads them${hasEthtool ? '' : ' (skipped: needs ethtool)'}`,
    async (address) => {
      const frames: Uint8Array[] = []
      await apply('a', (generation) => siteTransaction('a', generation, family, 'mpls-udp-joint'))
      try {
        // Trains are cut before the wire, so that each frame shows what every segment of them begins with.
        sites.in('site-a', ...'ethtool -K up0 gso off tso off tx-udp-segmentation off'.split(' '))
        using capture = await Capture.open(sites.path('site-b'), 'up0')
        const timer = setInterval(() => frames.push(...capture.take()), 1)
        await stream(address, 1 << 20).finally(() => clearInterval(timer))
        frames.push(...capture.take())
      } finally {
        sites.in('site-a', ...'ethtool -K up0 gso on tso on tx-udp-segmentation on'.split(' '))
        await apply('a', (generation) => siteTransaction('a', generation, family))
      }
      const heads = frames
        .map(readOuter)
        .filter(({ destinationPort, source }) => destinationPort === 6635 && String(source) === UNDERLAY.a[family === 4 ? 0 : 1])
        .map(({ payload }) => ({
          first: payload.subarray(0, 4),
          label: (payload[4] << 12) | (payload[5] << 4) | (payload[6] >> 4),
          payload,
        }))
      const isSix = address.includes(':')
      for (const { first, label, payload } of heads) {
        expect([...first]).toEqual([0x0c, 0, 0, isSix ? 2 : 1])
        expect({ label, bottom: payload[6] & 1, inner: payload[8] >> 4 }).toEqual({ label: LABEL.b.red, bottom: 1, inner: isSix ? 6 : 4 })
      }
      expect(heads.filter(({ payload }) => payload.length > 1_200).length).toBeGreaterThan(100)
    },
  )

  it('the endpoint MTU is what the underlay leaves, and a smaller underlay is told and answered by ICMP', async () => {
    const local = IpAddress.parse(UNDERLAY.a[family === 4 ? 0 : 1])
    const netns = sites.path('site-a')
    expect(await underlayMtu(local, { netns })).toBe(1500)
    expect(await underlayMtu(local, { netns, remote: IpAddress.parse(UNDERLAY.b[family === 4 ? 0 : 1]) })).toBe(1500)
    const mtu = endpointMtu({ underlayMtu: 1500, underlayFamilies: [family], encapsulations: ['mpls-udp'] })
    expect(mtu).toBe(family === 4 ? 1468 : 1448)
    await apply('a', (generation) => grown('a', generation, mtu))
    await apply('b', (generation) => grown('b', generation, mtu))
    for (const site of ['a', 'b'] as const) {
      const addresses = POD[site].map((address) => IpAddress.parse(address))
      const facts = await routers[site].attachPort(0, { netns: sites.path(`pod-${site}`), ifname: 'eth0', addresses, mtu })
      expect(facts.mtu).toBe(mtu)
    }
    const fits = ['-M', 'do', '-s', `${mtu - 28}`]
    expect(await ping('pod-a', POD.b[0], ...fits)).toContain(' 2 received')

    events.length = 0
    for (const site of ['site-a', 'site-b']) sites.in(site, 'ip', 'link', 'set', 'up0', 'mtu', '1400')
    const mtus = () => events.map((event) => (event.type === 'underlay-changed' ? [`${event.local}`, event.mtu] : event))
    await expect.poll(mtus).toEqual(UNDERLAY.a.map((address) => [address, 1400]))
    expect(await ping('pod-a', POD.b[0], ...fits)).toMatch(new RegExp(`mtu ?= ?${tunnelMtu(1400, 'mpls-udp', family, 1)}`))
    for (const site of ['site-a', 'site-b']) sites.in(site, 'ip', 'link', 'set', 'up0', 'mtu', '1500')
    await expect.poll(() => events.length).toBe(4)
  })

  it('a path that takes less than the link is learnt from what the kernel refuses', async () => {
    const at = family === 4 ? 0 : 1
    events.length = 0
    const route = (mtu: string[]) =>
      sites.in('site-a', 'ip', `-${family}`, 'route', 'replace', `${UNDERLAY.b[at]}/${family === 4 ? 32 : 128}`, 'dev', 'up0', ...mtu)
    route(['mtu', '1300'])
    const large = ['-M', 'do', '-s', '1300']
    expect(await dropped('a', 'mtu-exceeded', () => ping('pod-a', POD.b[0], ...large, ...UNHEARD))).toBeGreaterThan(0)
    await expect
      .poll(() => events.map((event) => (event.type === 'underlay-changed' ? [`${event.local}`, event.mtu, `${event.remote}`] : event)))
      .toEqual([[UNDERLAY.a[at], 1300, UNDERLAY.b[at]]])
    expect(await ping('pod-a', POD.b[0], ...large)).toMatch(new RegExp(`mtu ?= ?${tunnelMtu(1300, 'mpls-udp', family, 1)}`))
    route([])
  })

  it('packets to a site go by the next hop that the host’s routes name, and by the other one once those change', async () => {
    const at = family === 4 ? 0 : 1
    const [via, length] =
      family === 4 ? ([{ a: '198.51.100.1', b: '198.51.100.2' }, 24] as const) : ([{ a: 'fd00:2::1', b: 'fd00:2::2' }, 64] as const)
    sites.in('site-a', ...`ip link add up1 type veth peer name up1 netns ${sites.name('site-b')}`.split(' '))
    const route = (site: Site, verb: 'replace' | 'delete'): unknown =>
      sites.in(`site-${site}`, ...`ip -${family} route ${verb} ${UNDERLAY[other[site]][at]} via ${via[other[site]]} dev up1`.split(' '))
    for (const site of ['a', 'b'] as const) {
      sites.in(`site-${site}`, ...'ip link set up1 up'.split(' '))
      sites.in(`site-${site}`, ...`ip address add ${via[site]}/${length} dev up1${family === 6 ? ' nodad' : ''}`.split(' '))
    }
    // A link that is new takes packets only when the kernel has come to it.
    await expect.poll(() => ping('site-a', via.b, ...UNHEARD)).toContain(' 2 received')
    /** Packets that went by the second way, from site a; those that are sent in one piece count as one. */
    const sent = (): number => Number(JSON.parse(sites.in('site-a', ...'ip -s -j link show up1'.split(' ')))[0].stats64.tx.packets)
    const pings = 20
    /** One by one: in one run a busy machine would have too little time for the last answer (`pingWords`). */
    const pingAll = async (): Promise<void> => {
      for (let count = 0; count < pings; count++) expect(await ping('pod-a', POD.b[0], '-c', '1')).toContain(' 1 received')
    }
    for (const site of ['a', 'b'] as const) route(site, 'replace')
    const before = sent()
    await pingAll()
    expect(sent() - before).toBeGreaterThan(pings / 2)
    for (const site of ['a', 'b'] as const) route(site, 'delete')
    const behind = sent()
    await pingAll()
    expect(sent() - behind).toBeLessThan(pings / 2)
    sites.in('site-a', ...'ip link delete up1'.split(' '))
  })

  it('a device that is deleted, or goes with its namespace, is told once, drops as port-down, and can be had again', async () => {
    const addresses = POD.a.map((address) => IpAddress.parse(address))
    const request = { netns: sites.path('pod-a'), ifname: 'eth0', addresses, mtu: 1400 }
    sites.in('pod-a', 'ip', 'link', 'delete', 'eth0')
    await expect.poll(async () => (await routers.a.dump()).devices.map(({ port }) => port)).toEqual([1])
    expect(await dropped('a', 'port-down', () => ping('pod-b', POD.a[0], ...UNHEARD))).toBeGreaterThan(0)
    await routers.a.attachPort(0, request)
    expect(await ping('pod-b', POD.a[0])).toContain(' 2 received')

    sites.delete('blue-a')
    await expect.poll(async () => (await routers.a.dump()).devices.map(({ port }) => port)).toEqual([0])
    expect(await ping('pod-b', POD.a[0])).toContain(' 2 received')
  })

  it('a device that is set down comes back when it is set up', async () => {
    sites.in('pod-a', 'ip', 'link', 'set', 'eth0', 'down')
    expect(await dropped('a', 'port-down', () => ping('pod-b', POD.a[0], ...UNHEARD))).toBeGreaterThan(0)
    sites.in('pod-a', 'ip', 'link', 'set', 'eth0', 'up')
    sites.in('pod-a', 'ip', 'route', 'replace', 'default', 'dev', 'eth0')
    await expect.poll(() => ping('pod-b', POD.a[0])).toContain(' 2 received')
  })

  it('devices have their addresses, routes and MTU, and nothing else', async () => {
    const addresses = POD.a.map((address) => IpAddress.parse(address))
    const request = { netns: sites.path('pod-a'), ifname: 'eth0', mtu: 1300 }
    const facts = await routers.a.attachPort(0, { ...request, addresses })
    expect(facts.mtu).toBe(1300)
    const shown = sites.in('pod-a', 'ip', '-o', 'address', 'show', 'dev', 'eth0')
    expect(shown.match(/inet6? \S+/g)).toEqual([`inet ${POD.a[0]}/32`, `inet6 ${POD.a[1]}/128`])
    expect(sites.in('pod-a', 'ip', 'route', 'show', 'default')).toContain('dev eth0')
    expect(sites.in('pod-a', 'ip', '-6', 'route', 'show', 'default')).toContain('dev eth0')
    await routers.a.attachPort(0, { ...request, addresses: [IpAddress.parse('10.1.0.9')], routes: [IpPrefix.parse('10.1.0.0/16')] })
    expect(sites.in('pod-a', 'ip', '-o', 'address', 'show', 'dev', 'eth0').match(/inet6? \S+/g)).toEqual(['inet 10.1.0.9/32'])
    expect(sites.in('pod-a', 'ip', 'route', 'show', '10.1.0.0/16')).toContain('dev eth0')
  })

  it('refuses devices that cannot be, naming what is allowed', async () => {
    const request = { netns: sites.path('pod-a'), ifname: 'eth0', addresses: [IpAddress.parse('fd00::1')], mtu: 1200 }
    await expect(routers.a.attachPort(0, request)).rejects.toMatchObject({
      code: 'dataplane.device',
      message: expect.stringContaining('1280') as string,
    })
    await expect(routers.a.attachPort(0, { ...request, mtu: 1400, ifname: 'much-too-long-a-name' })).rejects.toMatchObject({
      code: 'dataplane.device',
    })
    await expect(routers.a.attachPort(0, { ...request, mtu: 1400, netns: '/run/netns/none' })).rejects.toMatchObject({
      code: 'dataplane.netns-missing',
    })
    await expect(routers.a.attachPort(77, request)).rejects.toMatchObject({ code: 'dataplane.port-unknown' })
    await expect(routers.a.attachPort(1, { ...request, mtu: 1400 })).rejects.toMatchObject({ code: 'dataplane.device' })
  })

  it('removing a port removes its device', async () => {
    await apply('b', (generation) => {
      const none = { ...emptyTransaction(generation) }
      const { set } = siteTransaction('b', generation, family).nextHops
      const discarding = set.map(({ id, action }) => ({
        id,
        action: action.type === 'port' && action.port === 0 ? ({ type: 'discard' } as const) : action,
      }))
      return {
        ...none,
        ports: { set: [], remove: [0] },
        nextHops: { set: discarding, remove: [] },
        labels: { set: [], remove: [LABEL.b.red] },
      }
    })
    expect(() => sites.in('pod-b', 'ip', 'link', 'show', 'eth0')).toThrow(/does not exist/)
  })

  function grown(site: Site, generation: number, mtu: number): FibTransaction {
    const transaction = siteTransaction(site, generation, family)
    return { ...transaction, ports: { set: transaction.ports.set.map((port) => ({ ...port, mtu })), remove: [] } }
  }
})

async function sendUdp(
  namespace: string,
  source: string,
  destination: string,
  payload: Uint8Array,
  zeroChecksumTx: boolean,
): Promise<void> {
  using socket = await UdpBatchSocket.open({ namespace, bind: { address: source, port: 50_000 }, zeroChecksumTx })
  const descriptor = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
  const { w0, w1, w2, w3 } = IpAddress.parse(destination)
  descriptor[DATAGRAM_DESCRIPTOR.length] = payload.length
  descriptor.set([w0, w1, w2, w3], DATAGRAM_DESCRIPTOR.remote)
  descriptor[DATAGRAM_DESCRIPTOR.port] = 6635
  expect(socket.sendBatch(payload, descriptor, 1)).toBe(1)
  expect(descriptor[DATAGRAM_DESCRIPTOR.status]).toBe(0)
}

function sumOf(header: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < header.length; at += 2) sum += header[at] * 256 + header[at + 1]
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return sum
}
