import { dropsOf, RouteBatch } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { emptyTransaction, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { Namespaces } from '../../dataplane-tun/test/support/namespaces.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const SITES = ['a', 'b'] as const
/** Less than the pods' MTU of 1,400 by more than the tunnel's headers. */
const UNDERLAY_MTU = 1300
/** Octets of data: more than a tunnel takes, and less than a pod's MTU. */
const DATA = 1350
const SCTP = 132

/** Makes datagrams to a port packets of SCTP, whose checksum waits for the device as that of the datagram did. */
const AS_SCTP = 'table ip other { chain out { type filter hook output priority 0; udp dport 9001 ip protocol set 132; }; }'

/** What packets cannot be made SCTP here for want of; empty when they can. */
function missingRewriting(): string {
  if (missing() !== '') return ''
  const namespaces = new Namespaces()
  try {
    namespaces.add('as-sctp')
    namespaces.in('as-sctp', 'nft', AS_SCTP)
    return ''
  } catch (error) {
    return `nftables (${String((error as { stderr?: unknown }).stderr ?? error).split('\n')[0]})`
  } finally {
    namespaces.close()
  }
}
const noRewriting = missingRewriting()

describe.skipIf(missing() !== '')(titled('packets of pods that are larger than the underlay takes'), () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, EbpfDataplane>
  const children: ChildProcessWithoutNullStreams[] = []

  beforeAll(async () => {
    sites = new TwoEbpfSites('cut')
    for (const site of SITES) {
      sites.in(sites.short('site', site), ...`ip link set up0 mtu ${UNDERLAY_MTU}`.split(' '))
      const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
      const underlayNetns = sites.path(sites.short('site', site))
      routers[site] = await ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, fibBlocks: 2048, routes: 4096, flows: 1024 })
      await sites.setUp(routers[site], site, 1, 4, 'mpls-udp')
    }
  })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill()
  })
  afterAll(async () => {
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  function start(pod: string, script: string, port = 9000): ChildProcessWithoutNullStreams {
    const path = fileURLToPath(new URL(`support/${script}`, import.meta.url))
    const child = spawn('ip', ['netns', 'exec', sites.name(pod), process.execPath, path, POD.b[0], String(port), String(DATA)])
    children.push(child)
    return child
  }

  it('are cut, both ways, and made whole by pods', async () => {
    const argv = ['netns', 'exec', sites.name(sites.short('red', 'a')), ...pingWords(2), '-M', 'dont']
    const { stdout } = await run('ip', [...argv, '-s', String(DATA), POD.b[0]])
    expect(stdout).toContain(' 2 received')
  })

  it('are cut by the pod itself when they wait for the checksum of its device, of which it is told', async () => {
    const [near, far] = SITES.map((site) => sites.short('red', site))
    // Its datagrams may be cut, then.
    sites.in(near, ...'sysctl -qw net.ipv4.ip_no_pmtu_disc=1'.split(' '))
    const before = dropsOf(await routers.a.counters(), 'mtu-exceeded')
    const lines = createInterface(start(far, 'udp-once.mjs').stdout)[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('listening')
    start(near, 'udp-large.mjs')
    expect((await lines.next()).value).toBe(`${DATA} octets, as they were sent`)
    expect(dropsOf(await routers.a.counters(), 'mtu-exceeded')).toBeGreaterThan(before)
  })

  // What the kernel does with a part it tells by more than zero, which was taken for success: nobody counted such a packet.
  it('are counted as dropped where they are for another pod of the node, by whose uplink no part comes while it is down', async () => {
    const near = sites.short('near', 'a')
    const [host, address] = [sites.short('site', 'a'), '10.1.0.9']
    sites.add(near)
    const routes = new RouteBatch()
    routes.push(0, IpPrefix.parse(address), 9)
    const report = await routers.a.apply({
      ...emptyTransaction(2),
      ports: {
        set: [{ id: 9, kind: 'endpoint', vrf: 0, allowedSources: [IpPrefix.parse(address)], gateways: [], mtu: 1300 }],
        remove: [],
      },
      nextHops: { set: [{ id: 9, action: { type: 'port', port: 9 } }], remove: [] },
      groups: { set: [{ id: 9, members: [{ nextHop: 9, weight: 1 }], seed: 1 }], remove: [] },
      routes,
    })
    expect(report).toMatchObject({ status: 'applied', failures: [] })
    await routers.a.attachPort(9, { netns: sites.path(near), ifname: 'eth0', addresses: [IpAddress.parse(address)], mtu: 1300 })
    const ping = async (...options: string[]): Promise<string> => {
      const argv = [
        'netns',
        'exec',
        sites.name(sites.short('red', 'a')),
        ...pingWords(2),
        ...options,
        '-M',
        'dont',
        '-s',
        String(DATA),
        address,
      ]
      return (await run('ip', argv).catch((error: { stdout: string }) => error)).stdout
    }
    const lost = async (): Promise<number> => dropsOf(await routers.a.counters(), 'queue-full')
    expect(await ping()).toContain(' 2 received')
    expect(await lost()).toBe(0)
    sites.in(host, ...'ip link set up0 down'.split(' '))
    try {
      expect(await ping('-W', '1')).toContain(' 0 received')
      expect(await lost()).toBe(2)
    } finally {
      sites.in(host, ...'ip link set up0 up'.split(' '))
    }
    await expect.poll(() => ping()).toContain(' 2 received')
  })

  // Its parts would have been summed up, each where its data are.
  it.skipIf(noRewriting !== '')(
    `are told, and not cut, when they are SCTP that waits for the checksum of its device${noRewriting === '' ? '' : ` (skipped: needs ${noRewriting})`}`,
    async () => {
      const near = sites.short('red', 'a')
      sites.in(near, 'nft', AS_SCTP)
      // What it was told before.
      sites.in(near, ...'ip route flush cache'.split(' '))
      sites.in(near, ...'sysctl -qw net.ipv4.ip_no_pmtu_disc=1'.split(' '))
      using far = await Capture.open(sites.path(sites.short('red', 'b')), 'eth0')
      const before = dropsOf(await routers.a.counters(), 'mtu-exceeded')
      start(near, 'udp-large.mjs', 9001)
      await expect.poll(async () => dropsOf(await routers.a.counters(), 'mtu-exceeded')).toBeGreaterThan(before + 5)
      expect(far.take().filter((packet) => packet[9] === SCTP)).toEqual([])
    },
  )
})
