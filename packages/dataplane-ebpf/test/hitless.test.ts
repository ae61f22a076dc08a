import { DROP_REASONS, dropsOf, PORT_COUNTERS, type DropReason } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endProcess } from '../../dataplane-tun/test/support/end-process.js'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { anotherVersion, hasClang, seenByLater } from './support/another-version.js'
import { HAIRPIN, hairpin, hasEthtool, LIME_PORT, sentByXdp, setUpHairpin } from './support/hairpin.js'
import { PACE } from './support/pace.js'
import { PacedStreams, RATE } from './support/paced-streams.js'
import { missing, titled } from './support/requirements.js'
import { SiteAgents } from './support/site-agents.js'
import { TwoEbpfSites } from './support/two-sites.js'
import { UPLINK_MEANS, uplinkMeans } from './support/uplink-means.js'

/** Packets of each stream that have to be sent on before an agent comes or goes, and behind. */
const LEAST = 50
const [RED, BLUE] = [0, 1]
/** Bits a second of the TCP stream, at most. */
const TCP_RATE = `${200 / PACE}M`
/** Seconds that the TCP stream would take by itself, which are more than the test's. */
const TCP_TIME = 300 * PACE
/** Of its sockets: what TCP has under way are less than a hundred segments. */
const WINDOW = '64K'
const hasIperf = existsSync('/usr/bin/iperf3')
/** Reasons of packets that pods send to nobody here, such as those that ask for a router. */
const BESIDE: readonly DropReason[] = ['source-address', 'destination-invalid']
/** Of a segment, IPv4 and TCP with timestamps, octets: what there is less of where several are one packet. */
const HEADERS = 52

const title = titled('an agent that is killed and upgraded while packets flow, programs at the uplink by $means')
describe.skipIf(missing() !== '').each(UPLINK_MEANS)(title, ({ means, without }) => {
  let sites: TwoEbpfSites
  let folder: string
  let agents: SiteAgents
  let far: EbpfDataplane
  /** What site a had lost before its agents came and went. */
  let before: number
  let streams: PacedStreams

  beforeAll(async () => {
    sites = new TwoEbpfSites('hitless')
    streams = new PacedStreams(sites)
    folder = makeFolder('hitless')
    agents = new SiteAgents({ netns: sites.path(sites.short('site', 'a')), pins: join(folder, 'pins'), encapsulation: 'mpls-udp', without })
    far = await open('b')
    await sites.setUp(far, 'b', 1, 4, 'mpls-udp')
    if (hasEthtool) await setUpHairpin(sites, far, 2)
    const near = await open('a', join(folder, 'pins'))
    await sites.setUp(near, 'a', 1, 4, 'mpls-udp')
    expect(await near.apply(hairpin('a', 2))).toMatchObject({ status: 'applied', failures: [] })
    before = await lost(near)
    await near.close({ keep: true })
  })
  afterAll(async () => {
    await agents?.endAll()
    await streams?.endAll()
    await far?.close()
    const near = await open('a', join(folder, 'pins'))
    await near.close()
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(folder)
    sites.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function open(site: 'a' | 'b', pinDirectory?: string): Promise<EbpfDataplane> {
    const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
    const underlayNetns = sites.path(sites.short('site', site))
    return ebpfDataplane({
      addresses,
      uplink: 'up0',
      underlayNetns,
      fibBlocks: 2048,
      routes: 4096,
      xdp: hasEthtool && site === 'a' ? 'native' : 'off',
      without,
      ...(pinDirectory === undefined ? {} : { pinDirectory }),
    })
  }

  /** Packets that a port of the far site has delivered. */
  async function delivered(port = RED): Promise<number> {
    const { portIds, ports } = await far.counters()
    return ports[portIds.indexOf(port) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf('tx-packets')]
  }

  /** Packets that a router has dropped. */
  async function lost(router: EbpfDataplane): Promise<number> {
    const counters = await router.counters()
    return DROP_REASONS.reduce((sum, reason) => sum + (BESIDE.includes(reason) ? 0 : dropsOf(counters, reason)), 0)
  }

  /** A counter of the kernel in the namespace of a blue pod, where there is nothing but the TCP stream. */
  function counted(site: Site, group: string, name: string): number {
    const said = sites.in(sites.short('blue', site), 'cat', '/proc/net/snmp', '/proc/net/netstat')
    const [names, values] = [...said.matchAll(new RegExp(`^${group}: (.*)$`, 'gm'))].map(([, words]) => words.split(' '))
    return Number(values[names.indexOf(name)])
  }

  /** Octets of TCP that the kernel of a blue pod has sent, those that it sent again among them. */
  const sentBy = (site: Site): number => counted(site, 'IpExt', 'OutOctets') - counted(site, 'Ip', 'OutRequests') * HEADERS
  /** And those that it has received. */
  const receivedBy = (site: Site): number => counted(site, 'IpExt', 'InOctets') - counted(site, 'Ip', 'InReceives') * HEADERS

  /** A TCP stream from blue pod to blue pod: what waits for it to go on, and what ends it. */
  async function iperf(): Promise<{ goesOn(): Promise<void>; end(): Promise<void> }> {
    const server = sites.start(sites.short('blue', 'b'), 'iperf3', '-s', '-1', '--forceflush')
    await once(server.stdout as NodeJS.ReadableStream, 'data')
    const argv = ['iperf3', '-c', POD.b[0], '-t', `${TCP_TIME}`, '-b', TCP_RATE, '-w', WINDOW, '--forceflush']
    const client = sites.start(sites.short('blue', 'a'), ...argv)
    return {
      async goesOn() {
        const until = (await delivered(BLUE)) + LEAST
        await expect.poll(() => delivered(BLUE)).toBeGreaterThan(until)
      },
      async end() {
        await Promise.all([endProcess(client), endProcess(server)])
      },
    }
  }

  const leftOut = [
    ...(hasClang ? [] : ['the upgrade is left out: needs clang']),
    ...(hasIperf ? [] : ['TCP is left out: needs iperf3']),
    ...(hasEthtool ? [] : ['XDP is left out: needs ethtool']),
  ]
  it(
    `loses no packet of a stream that its receiver paces, up to ${RATE} a second, nor of one that XDP sends on, nor an octet of iperf3's TCP, as pods and routers count${leftOut.length === 0 ? '' : ` (${leftOut.join('; ')})`}`,
    { timeout: TCP_TIME * 1000 },
    async () => {
      const tcp = hasIperf ? await iperf() : undefined
      await tcp?.goesOn()
      const already = await delivered()
      const begin = performance.now()
      const endRed = await streams.start(sites.short('red', 'a'), sites.short('red', 'b'), POD.b[0])
      await expect.poll(() => delivered()).toBeGreaterThan(already)
      const endLime = hasEthtool ? await streams.start(sites.short('green', 'b'), sites.short('lime', 'b'), HAIRPIN.lime) : undefined
      const isSentOn = async (): Promise<void> => {
        await tcp?.goesOn()
        const red = (await delivered()) + LEAST
        await expect.poll(() => delivered(), { timeout: 20_000 * PACE }).toBeGreaterThan(red)
        if (endLime === undefined) return
        const until = sentByXdp(sites) + LEAST
        await expect.poll(() => sentByXdp(sites), { timeout: 20_000 * PACE }).toBeGreaterThan(until)
      }
      await isSentOn()

      const first = await agents.start()
      await isSentOn()
      await agents.end(first)
      await isSentOn()
      const second = await agents.start(hasClang ? { object: anotherVersion(folder) } : {})
      if (hasClang) for (const program of ['egress', 'across']) expect(second.ready.tags[program]).not.toBe(first.ready.tags[program])
      expect(second.ready.devices).toBe(first.ready.devices)
      expect(uplinkMeans(sites)).toBe(means)
      await isSentOn()
      await agents.end(second)
      await isSentOn()
      const third = await agents.start()
      expect(third.ready.tags).toEqual(first.ready.tags)
      const seen = hasClang ? seenByLater(join(folder, 'pins')) : undefined
      await isSentOn()
      if (seen !== undefined) {
        const { across, ...byTc } = seen
        for (const count of [...Object.values(byTc), ...(hasEthtool ? [across] : [])]) expect(count).toBeGreaterThan(LEAST)
        // None of its programs is left anywhere.
        expect(seenByLater(join(folder, 'pins'))).toEqual(seen)
      }

      const red = await endRed()
      process.stdout.write(`${Math.round((red * 1000) / (performance.now() - begin))} packets a second by tc\n`)
      await expect.poll(() => delivered()).toBe(already + red)
      if (endLime !== undefined) {
        const lime = await endLime()
        await expect.poll(() => delivered(LIME_PORT)).toBe(lime)
        process.stdout.write(`${red} packets by tc, ${lime} with ${sentByXdp(sites)} of them sent on by XDP\n`)
      }
      if (tcp !== undefined) {
        await tcp.end()
        // Each octet that a pod has sent has come, also of segments that were sent again only because an acknowledgment was late.
        await expect.poll(() => [receivedBy('b') - sentBy('a'), receivedBy('a') - sentBy('b')]).toEqual([0, 0])
        process.stdout.write(`${sentBy('a')} octets by TCP, ${counted('a', 'Tcp', 'RetransSegs')} segments sent again\n`)
      }
      await agents.end(third)
      expect(await lost(far)).toBe(0)
      const near = await open('a', join(folder, 'pins'))
      expect(await lost(near)).toBe(before)
      await near.close({ keep: true })
    },
  )
})
