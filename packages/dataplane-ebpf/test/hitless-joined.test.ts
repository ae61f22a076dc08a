import { countersOf, type CounterSnapshot } from '@heddle/core'
import { ebpfDataplane, ebpfFeatures, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { LABEL, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { anotherVersion, hasClang, seenByLater } from './support/another-version.js'
import { EndlessStream } from './support/endless-stream.js'
import { hasEthtool } from './support/hairpin.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { SiteAgents } from './support/site-agents.js'
import { TwoEbpfSites } from './support/two-sites.js'
import { UPLINK_MEANS, uplinkMeans } from './support/uplink-means.js'

/*
 *   red pod ─ [router b] ══ veth that cuts ══ [router a: joins; its agents come and go] ─ red pod
 */

const PORT = '9000'
/** Octets that TCP may have under way: fewer segments than the 256 places of the ring of a veth, which nobody empties while the machine is busy. */
const WINDOW = 1 << 18
/** Seconds after which TCP sends again what nobody has acknowledged, which on a busy machine may only be late: until then it sends again what is lost alone. */
const PATIENCE = 100
/** Octets that have to come before an agent comes or goes, and behind. */
const LEAST = 4 << 20
/** Of IPv4 and of TCP with timestamps, octets. */
const HEADERS = 52
/** Octets of the largest packet that is no several segments. */
const MTU = 1400
/** What is joined is that many packets and more, on average. */
const JOINED = 4
/** Of the next hop to the other site's red pod, in the tables of either site. */
const NEXT_HOP = 2

const hasGpe = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'vxlan-gpe' && available)
const lacks = hasEthtool && hasGpe ? '' : ' (skipped: needs ethtool and vxlan-gpe)'
const leftOut = hasClang ? '' : ' (the upgrade is left out: needs clang)'

interface Came {
  readonly packets: number
  readonly octets: number
}

const title = titled(`an agent that ends while TCP comes behind joint labels, programs at the uplink by $means${lacks}`)
describe.skipIf(missing() !== '' || lacks !== '').each(UPLINK_MEANS)(title, ({ means, without }) => {
  let sites: TwoEbpfSites
  let folder: string
  let agents: SiteAgents
  let far: EbpfDataplane
  let stream: EndlessStream | undefined

  beforeAll(async () => {
    sites = new TwoEbpfSites('hitjoin')
    folder = makeFolder('hitjoin')
    agents = new SiteAgents({
      netns: sites.path(sites.short('site', 'a')),
      pins: join(folder, 'pins'),
      encapsulation: 'mpls-udp-joint',
      without,
    })
    sites.cutFrames()
    far = await open('b')
    await sites.setUp(far, 'b', 1, 4, 'mpls-udp-joint')
    const near = await open('a', join(folder, 'pins'))
    await sites.setUp(near, 'a', 1, 4, 'mpls-udp-joint')
    await near.close({ keep: true })
    const inSender = (...command: string[]): string => sites.in(sites.short('red', 'b'), ...command)
    // Without probes of the tail, which are segments sent again.
    inSender('sysctl', '-qw', 'net.ipv4.tcp_early_retrans=0', `net.ipv4.tcp_wmem=4096 ${WINDOW} ${WINDOW}`)
    inSender(...`ip route add ${POD.a[0]} dev eth0 rto_min ${PATIENCE}s`.split(' '))
  })
  afterAll(async () => {
    await stream?.close()
    await agents?.endAll()
    await far?.close()
    await (await open('a', join(folder, 'pins'))).close()
    expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(folder)
    sites.close()
    rmSync(folder, { recursive: true, force: true })
  })

  function open(site: Site, pinDirectory?: string): Promise<EbpfDataplane> {
    return ebpfDataplane({
      addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', site)),
      fibBlocks: 2048,
      routes: 4096,
      xdp: 'off',
      without,
      ...(pinDirectory === undefined ? {} : { pinDirectory }),
    })
  }

  /** A counter of the kernel in the namespace of a red pod. */
  function counted(site: Site, group: string, name: string): number {
    const said = sites.in(sites.short('red', site), 'cat', '/proc/net/snmp', '/proc/net/netstat')
    const [names, values] = [...said.matchAll(new RegExp(`^${group}: (.*)$`, 'gm'))].map(([, words]) => words.split(' '))
    return Number(values[names.indexOf(name)])
  }

  const came = (): Came => ({ packets: counted('a', 'Ip', 'InReceives'), octets: counted('a', 'IpExt', 'InOctets') })

  /** Waits until more of the stream has come, and that joined. */
  async function goesOn(): Promise<void> {
    const before = came()
    const isJoined = (): boolean => {
      const { packets, octets } = came()
      return octets - before.octets > LEAST && (octets - before.octets) / (packets - before.packets) > JOINED * MTU
    }
    await expect.poll(isJoined, { timeout: 60_000 * PACE }).toBe(true)
  }

  /** Which devices have the kernel join: one that is made anew is another one. */
  function devices(): readonly (readonly [name: string, index: number])[] {
    const links = JSON.parse(sites.in(sites.short('site', 'a'), ...'ip -j link show up type vxlan'.split(' '))) as {
      ifname: string
      ifindex: number
    }[]
    return links.map(({ ifname, ifindex }) => [ifname, ifindex])
  }

  /** Octets that were sent to the other site, behind the headers of TCP, which are fewer once segments are joined; and that came. */
  function octetsOf(from: CounterSnapshot, to: CounterSnapshot, label: number): readonly (number | undefined)[] {
    const rows = [countersOf(from.nextHops, NEXT_HOP), countersOf(to.labels, label)]
    return rows.map((row) => row && row[1] - row[0] * HEADERS)
  }

  it(`loses no segment, and what joins them stays the same${leftOut}`, { timeout: 300_000 * PACE }, async () => {
    const before = devices()
    expect(before).toContainEqual([expect.stringMatching(/^hd.+joint$/), expect.any(Number)])
    stream = await EndlessStream.start(sites, [sites.short('red', 'b'), sites.short('red', 'a')], POD.a[0], PORT)
    const isAsBefore = async (): Promise<void> => {
      await goesOn()
      expect(devices()).toEqual(before)
    }
    await isAsBefore()
    const killed = await agents.start()
    await isAsBefore()
    expect(await agents.end(killed)).toBeNull()
    await isAsBefore()
    const closed = await agents.start(hasClang ? { object: anotherVersion(folder) } : {})
    expect(uplinkMeans(sites)).toBe(means)
    if (hasClang) expect(closed.ready.tags.ingress).not.toBe(killed.ready.tags.ingress)
    await isAsBefore()
    if (hasClang) expect(seenByLater(join(folder, 'pins')).ingress).toBeGreaterThan(0)
    expect(await agents.end(closed, 'SIGTERM')).toBe(0)
    await isAsBefore()
    const last = await agents.start()
    expect(last.ready).toEqual(killed.ready)
    await isAsBefore()
    expect(await agents.end(last, 'SIGTERM')).toBe(0)
    expect(await stream.end()).toMatch(/^\d+ octets, as they were sent$/)

    // What was only overtaken, on a machine with other work, and sent again for nothing, the receiver says (RFC 2883): it was not lost.
    const [again, forNothing] = [counted('b', 'Tcp', 'RetransSegs'), counted('b', 'TcpExt', 'TCPDSACKRecv')]
    expect({ again, forNothing }).toEqual({ again: forNothing, forNothing })

    const near = await open('a', join(folder, 'pins'))
    const [there, here] = [await far.counters(), await near.counters()]
    await near.close({ keep: true })
    const [sent, came] = octetsOf(there, here, LABEL.a.red)
    expect(sent).toBeGreaterThan(LEAST)
    expect(came).toBe(sent)
    const [acknowledged, heard] = octetsOf(here, there, LABEL.b.red)
    expect(acknowledged).toBeGreaterThan(0)
    expect(heard).toBe(acknowledged)
  })
})
