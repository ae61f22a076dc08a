// Uplinks that are devices of the machine, with a driver: what a veth pair only stands for.
import { dropsOf, type Encapsulation } from '@heddle/core'
import { EMPTY, labelled, testPacket, transition, type Tables } from '@heddle/dataplane-conformance'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { readOuter, writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { tcpStream } from '../../dataplane-tun/test/support/tcp-stream.js'
import { POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { machineDevices } from './support/machine-devices.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS } from './support/router.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const SITES = ['a', 'b'] as const
const lack = missing() || (machineDevices().length === 2 ? '' : 'needs two devices of virtio for tests: npm run kernels')
const IN_DRIVER = 1
const UDP = 17
const MPLS_UDP = 6635
/** Numbers in what is sent lie behind the headers of IPv4 and UDP. */
const PAYLOAD = 28
/** Packets before a label is swapped, and behind that; and after how many milliseconds one is taken for lost. */
const [SENT, LOST] = [100, 500]
/** Packets of a stream that are under way: the ring of a device has room for many times as many. */
const AHEAD = 16

/** Label 16 is swapped for 100; behind label 17 is port 1. */
const TABLES: Tables = {
  ...EMPTY,
  vrfs: [{ id: 1, name: 'red' }],
  ports: [{ id: 1, kind: 'endpoint', vrf: 1, allowedSources: [], gateways: [], mtu: 1400 }],
  nextHops: [{ id: 1, action: { type: 'port', port: 1 } }],
  tunnelSources: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][1])] }],
  labels: [{ label: 17, action: { type: 'pop-forward', port: 1 }, sources: 1 }],
}
const models = { ttlModel: 'pipe', trafficClassModel: 'pipe' } as const
const SWAPPING: Tables = {
  ...TABLES,
  nextHops: [
    ...TABLES.nextHops,
    { id: 2, action: { type: 'tunnel', encapsulation: 'mpls-udp', local: LOCAL[4], remote: PEERS[4][0], labels: [100], ...models } },
  ],
  labels: [...TABLES.labels, { label: 16, action: { type: 'swap', nextHop: 2 }, sources: 1 }],
}

describe.skipIf(lack !== '')(titled('XDP in the driver of a device', lack), () => {
  let namespaces: Namespaces
  let router: EbpfDataplane
  let wire: Capture
  let pod: Capture
  let mac: string

  beforeAll(async () => {
    namespaces = new Namespaces()
    for (const name of ['driver-router', 'driver-net', 'driver-pod']) namespaces.add(name)
    const [near, far] = machineDevices()
    for (const [{ name }, into] of [
      [near, 'driver-router'],
      [far, 'driver-net'],
    ] as const) {
      await run('ip', ['link', 'set', name, 'netns', namespaces.name(into)])
      for (const command of [`ip link set ${name} name up0`, 'ip link set up0 up']) namespaces.in(into, ...command.split(' '))
    }
    mac = near.mac
    namespaces.in('driver-router', ...`ip address add ${LOCAL[4]}/24 dev up0`.split(' '))
    namespaces.in('driver-router', 'sysctl', '-qw', 'net.ipv4.conf.up0.forwarding=1')
    for (const peer of PEERS[4])
      namespaces.in('driver-router', ...`ip neighbour add ${peer} lladdr ${far.mac} nud permanent dev up0`.split(' '))
    wire = await Capture.open(namespaces.path('driver-net'), 'up0')
    router = await ebpfDataplane({
      addresses: [LOCAL[4]],
      uplink: 'up0',
      underlayNetns: namespaces.path('driver-router'),
      fibBlocks: 1024,
      routes: 1024,
    })
    expect(await router.apply(transition(1, EMPTY, TABLES))).toMatchObject({ status: 'applied', failures: [] })
    await router.attachPort(1, { netns: namespaces.path('driver-pod'), ifname: 'eth0', addresses: [], routes: [], mtu: 1400 })
    pod = await Capture.open(namespaces.path('driver-pod'), 'eth0')
  })
  afterAll(async () => {
    await router?.close()
    for (const capture of [wire, pod]) capture?.[Symbol.dispose]()
    namespaces?.close()
  })

  const outer = { source: PEERS[4][1], destination: LOCAL[4], protocol: UDP, ttl: 64, trafficClass: 0, destinationPort: MPLS_UDP }

  const numberIn = (packet: Uint8Array): number => packet[PAYLOAD] * 256 + packet[PAYLOAD + 1]
  const atPod = (): number[] => pod.take().map(numberIn)
  /** Of those that were swapped: others that a wire hands back are this test's own. */
  const onWire = (): number[] =>
    wire
      .take()
      .map((bytes) => readOuter(bytes))
      .filter(({ source, protocol }) => protocol === UDP && source.equals(LOCAL[4]))
      .map(({ payload }) => {
        expect([...payload.subarray(0, 3)], 'label, and bottom of the stack').toEqual([0, 6, 0x41])
        return numberIn(payload.subarray(4))
      })

  /** Sends a packet with a number behind a label. */
  function send(label: number, number: number): void {
    const inside = testPacket({ source: '10.1.0.1', destination: '10.0.0.1', size: 100 })
    inside.set([number >> 8, number & 255], PAYLOAD)
    wire.send(writeOuter({ ...outer, sourcePort: 50_000 + (number % 64), payload: labelled([{ label }], inside) }), mac)
  }

  /** Sends packets to the pod while something happens, before and behind it; how many meanwhile, and how many of all were lost. */
  async function streamWhile(happens: () => Promise<void>): Promise<{ readonly meanwhile: number; readonly lost: number }> {
    /** Numbers of those that are under way, and when they were sent. */
    const under = new Map<number, number>()
    let [number, lost] = [0, 0]
    const look = async (): Promise<void> => {
      for (const came of atPod()) under.delete(came)
      for (const [sent, at] of under) if (performance.now() - at > LOST * PACE && under.delete(sent)) lost++
      await sleep(1)
    }
    const sendUntil = async (holds: () => boolean): Promise<void> => {
      for (; !holds(); await look()) {
        if (under.size === AHEAD) continue
        send(17, number)
        under.set(number++, performance.now())
      }
    }
    atPod()
    await sendUntil(() => number >= SENT)
    const before = number
    let isOver = false
    const over = happens().finally(() => (isOver = true))
    await sendUntil(() => isOver)
    await over
    const behind = number
    await sendUntil(() => number >= behind + SENT)
    while (under.size > 0) await look()
    return { meanwhile: behind - before, lost }
  }

  /** Sends packets with numbers behind a label, each when the one before has arrived, or is lost; how many are. A machine in software takes no more at once. */
  async function lost(label: number, count: number, arrivals: () => number[]): Promise<number> {
    let missing = 0
    arrivals()
    for (let number = 0; number < count; number++) {
      send(label, number)
      const deadline = performance.now() + LOST * PACE
      while (!arrivals().includes(number) && performance.now() < deadline) await sleep(1)
      if (performance.now() >= deadline) missing++
    }
    return missing
  }

  /** Frames that the driver has sent back by its program, as it counts itself. */
  const sentBack = (): number => {
    const counted = namespaces.in('driver-router', ...'ethtool -S up0'.split(' '))
    return Array.from(counted.matchAll(/^\s*rx(?:_queue_)?\d+_xdp_tx: (\d+)$/gm), ([, count]) => Number(count)).reduce(
      (sum, count) => sum + count,
      0,
    )
  }

  const program = (): { mode: number; prog: { id: number } } | undefined =>
    (
      JSON.parse(namespaces.in('driver-router', ...'ip -d -j link show up0'.split(' '))) as [
        { xdp?: { mode: number; prog: { id: number } } },
      ]
    )[0].xdp

  it(
    'comes by itself with the first label that is swapped, under packets to endpoints, and sends on all that are to be swapped',
    async () => {
      expect(program()).toBeUndefined()
      expect(await lost(17, SENT, atPod)).toBe(0)

      // The driver of virtio stops its queues for it, in whose rings frames wait; others begin anew with empty ones.
      const during = await streamWhile(async () => {
        expect(await router.apply(transition(2, TABLES, SWAPPING))).toMatchObject({ status: 'applied', failures: [] })
      })
      expect(during.meanwhile).toBeGreaterThan(0)
      expect(during.lost).toBe(0)
      expect(program()?.mode).toBe(IN_DRIVER)
      const { choices } = await router.inspectKernel()
      expect(choices.find(({ what }) => what === 'packets from one tunnel into another')?.chosen).toBe('xdp')

      const before = sentBack()
      expect(await lost(16, SENT, onWire)).toBe(0)
      // All but those that have the kernel ask for the neighbour, one in five seconds.
      await expect.poll(() => sentBack() - before).toBeGreaterThan(SENT / 2)
      expect(await lost(17, SENT, atPod)).toBe(0)
      const { drops } = await router.counters()
      expect([...drops].reduce((sum, count) => sum + count, 0)).toBe(0)
    },
    120_000 * PACE,
  )

  it('goes with the dataplane', async () => {
    await router.close()
    expect(program()).toBeUndefined()
  })
})

describe.skipIf(lack !== '')(titled('two sites over devices of the machine', lack), () => {
  const ENCAPSULATIONS: readonly Encapsulation[] = ['mpls-udp', 'mpls-gre', 'vxlan', 'mpls-udp-joint']
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, EbpfDataplane>
  let generation = 0

  beforeAll(async () => {
    // They come back a little after the namespaces have gone that they were in.
    while (machineDevices().length < 2) await sleep(20)
    sites = new TwoEbpfSites('device', 'device')
    for (const site of SITES)
      routers[site] = await ebpfDataplane({
        addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
        uplink: 'up0',
        underlayNetns: sites.path(sites.short('site', site)),
        fibBlocks: 1024,
        routes: 1024,
      })
  })
  afterAll(async () => {
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  const ping = (address: string): Promise<string> =>
    run('ip', ['netns', 'exec', sites.name('device-red-a'), ...pingWords(2), address]).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )

  it.each(ENCAPSULATIONS.flatMap((encapsulation) => ([4, 6] as const).map((family) => ({ encapsulation, family }))))(
    'carry pings and TCP streams by $encapsulation over IPv$family',
    async ({ encapsulation, family }) => {
      for (const site of SITES) await sites.setUp(routers[site], site, ++generation, family, encapsulation)
      for (const address of POD.b) {
        expect(await ping(address)).toContain(' 2 received')
        expect(await tcpStream(sites, ['device-red-a', 'device-red-b'], address, 1 << 20)).toBe(true)
      }
      for (const router of Object.values(routers)) expect(dropsOf(await router.counters(), 'kernel-checksum')).toBe(0)
    },
  )
})
