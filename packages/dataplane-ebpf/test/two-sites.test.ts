import { dropsOf, PORT_COUNTERS, type Dataplane, type Encapsulation } from '@heddle/core'
import { ebpfDataplane, ebpfFeatures } from '@heddle/dataplane-ebpf'
import { tunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { tcpStream } from '../../dataplane-tun/test/support/tcp-stream.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const hasTun = existsSync('/dev/net/tun')
const hasEthtool = existsSync('/usr/sbin/ethtool')
const hasVxlan = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'vxlan' && available)
const ENCAPSULATIONS: readonly Encapsulation[] = ['mpls-udp', 'mpls-gre', 'vxlan']

describe.skipIf(missing() !== '')(titled('two sites'), () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, Dataplane>
  let generation = 0

  const addressesOf = (site: Site): IpAddress[] => UNDERLAY[site].map((address) => IpAddress.parse(address))
  const openEbpf = (site: Site): Promise<Dataplane> =>
    ebpfDataplane({
      addresses: addressesOf(site),
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', site)),
      fibBlocks: 2048,
      routes: 4096,
    })

  beforeAll(async () => {
    sites = new TwoEbpfSites('kernel')
    for (const site of ['a', 'b'] as const) routers[site] = await openEbpf(site)
  })
  afterAll(async () => {
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  async function setUp(family: 4 | 6, encapsulation: Encapsulation): Promise<void> {
    for (const site of ['a', 'b'] as const) await sites.setUp(routers[site], site, ++generation, family, encapsulation)
  }

  /** Output of ping from a pod; it never fails. */
  async function ping(kind: string, address: string, ...options: string[]): Promise<string> {
    const argv = ['netns', 'exec', sites.name(sites.short(kind, 'a')), ...pingWords(2), ...options, address]
    return run('ip', argv).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )
  }

  /** Sends octets from pod to pod over TCP; whether they arrived as they were. */
  function stream(address: string, octets: number): Promise<boolean> {
    return tcpStream(sites, [sites.short('red', 'a'), sites.short('red', 'b')], address, octets)
  }

  describe.each(ENCAPSULATIONS.flatMap((encapsulation) => ([4, 6] as const).map((family) => ({ encapsulation, family }))))(
    '$encapsulation over IPv$family',
    ({ encapsulation, family }) => {
      it('pods reach each other, IPv4 and IPv6, in both VRFs', async () => {
        await setUp(family, encapsulation)
        for (const kind of ['red', 'blue']) for (const address of POD.b) expect(await ping(kind, address)).toContain(' 2 received')
      })

      it.each(POD.b)('a TCP stream to %s arrives whole, in frames that nobody has cut', async (address) => {
        const before = sites.sent('a')
        expect(await stream(address, 8 << 20)).toBe(true)
        const after = sites.sent('a')
        // Offload goes on behind the tunnel: the underlay sees super-frames, many times the MTU.
        expect((after.octets - before.octets) / (after.packets - before.packets)).toBeGreaterThan(3000)
        for (const router of Object.values(routers)) expect(dropsOf(await router.counters(), 'queue-full')).toBe(0)
      })
    },
  )

  it.skipIf(!hasEthtool)(
    `cuts super-frames itself where the underlay does not take them${hasEthtool ? '' : ' (skipped: needs ethtool)'}`,
    async () => {
      await setUp(4, 'mpls-udp')
      const site = sites.short('site', 'a')
      sites.in(site, ...'ethtool -K up0 gso off tso off tx-udp_tnl-segmentation off'.split(' '))
      try {
        const before = sites.sent('a')
        expect(await stream(POD.b[0], 4 << 20)).toBe(true)
        const after = sites.sent('a')
        expect((after.octets - before.octets) / (after.packets - before.packets)).toBeLessThan(1515)
      } finally {
        sites.in(site, ...'ethtool -K up0 gso on tso on tx-udp_tnl-segmentation on'.split(' '))
      }
    },
  )

  it('carries the tunnels that pods make themselves, whole frames of TCP included', async () => {
    await setUp(4, 'mpls-udp')
    for (const [site, far] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const pod = sites.short('red', site)
      sites.in(pod, ...`ip link add nested type vxlan id 7 local ${POD[site][0]} remote ${POD[far][0]} dstport 8472 dev eth0`.split(' '))
      sites.in(pod, ...`ip address add 172.16.0.${site === 'a' ? 1 : 2}/24 dev nested`.split(' '))
      sites.in(pod, ...'ip link set nested mtu 1300 up'.split(' '))
    }
    expect(await ping('red', '172.16.0.2')).toContain(' 2 received')
    expect(await stream('172.16.0.2', 2 << 20)).toBe(true)
    for (const site of ['a', 'b'] as const) sites.in(sites.short('red', site), ...'ip link delete nested'.split(' '))
  })

  it('tells a pod what fits, and that a TTL ran out', async () => {
    await setUp(4, 'mpls-udp')
    sites.in(sites.short('site', 'a'), ...'ip link set up0 mtu 1320'.split(' '))
    await expect.poll(() => ping('red', POD.b[0], '-M', 'do', '-s', '1300')).toMatch(/mtu = 1288|mtu=1288/)
    await expect.poll(() => ping('red', POD.b[1], '-M', 'do', '-s', '1300')).toMatch(/mtu = 1288|mtu=1288/)
    sites.in(sites.short('site', 'a'), ...'ip link set up0 mtu 1500'.split(' '))
    expect(await ping('red', POD.b[0], '-t', '1')).toContain('Time to live exceeded')
  })

  it.skipIf(!hasEthtool || !hasVxlan)(
    `takes many segments of VXLAN out of the tunnel as one, where a network has cut them${hasEthtool && hasVxlan ? '' : ' (skipped: needs ethtool and vxlan)'}`,
    async () => {
      const cut = (on: 'on' | 'off'): void => {
        const off = on === 'on' ? 'off' : 'on'
        for (const site of ['a', 'b'] as const) {
          sites.in(sites.short('site', site), ...`ethtool -K up0 tso ${off} gso ${off} gro ${on}`.split(' '))
        }
      }
      const delivered = async (): Promise<number> => {
        const { portIds, ports } = await routers.b.counters()
        return ports[portIds.indexOf(0) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf('tx-packets')]
      }
      const [octets, segment] = [4 << 20, 1360]
      cut('on')
      await setUp(4, 'vxlan')
      const before = await delivered()
      expect(await stream(POD.b[0], octets)).toBe(true)
      expect((await delivered()) - before).toBeLessThan(octets / segment / 2)
      cut('off')
    },
  )

  it.skipIf(!hasTun || !hasEthtool)(
    `speaks with a router of another kind${hasTun && hasEthtool ? '' : ' (skipped: needs /dev/net/tun and ethtool)'}`,
    async () => {
      // A link of a machine to itself hands on whole and without checksums what a network would get cut and summed.
      for (const site of ['a', 'b'] as const) sites.in(sites.short('site', site), ...'ethtool -K up0 tx off gso off tso off'.split(' '))
      await routers.b.close()
      routers.b = await tunDataplane({ addresses: addressesOf('b'), inProcess: true, underlayNetns: sites.path(sites.short('site', 'b')) })
      for (const encapsulation of ENCAPSULATIONS) {
        for (const family of [4, 6] as const) {
          await setUp(family, encapsulation)
          for (const address of POD.b)
            expect([encapsulation, family, await ping('red', address)]).toEqual([
              encapsulation,
              family,
              expect.stringContaining(' 2 received'),
            ])
        }
      }
      expect(await stream(POD.b[0], 1 << 20)).toBe(true)
    },
  )
})
