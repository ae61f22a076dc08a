import type { DataplaneEvent } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { DATAGRAM_DESCRIPTOR, RawSocket } from '@heddle/linux'
import { internetChecksum, IpAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { tcpStream } from '../../dataplane-tun/test/support/tcp-stream.js'
import { POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { wordsOf } from '../src/layout/prefix.js'
import { View } from '../src/layout/struct.js'
import { LIVENESS } from '../src/layout/structs/liveness.js'
import { LOCAL_KEY, SOURCE_SET } from '../src/layout/structs/objects.js'
import { wordAt, wordBytes } from '../src/layout/word.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { TwoEbpfSites } from './support/two-sites.js'

/*
 *   pod ══ [router a] up0 ══ 1,500 ══ to-a [between] to-b ══ 1,340 ══ up0 [router b] ══ pod
 */

const run = promisify(execFile)
const NARROW = 1340
/** The frame goes on to the host. */
const TCX_NEXT = 0xffff_ffff
const HOST = { 4: 32, 6: 128 } as const
/** Addresses of the router between, towards each site. */
const BETWEEN = { a: ['198.51.100.1', '2001:db8:1::1'], b: ['198.51.100.2', '2001:db8:1::2'] } as const

describe.skipIf(missing() !== '')(titled('an ICMP error from the underlay'), () => {
  const PROTOCOL = { 4: 1, 6: 58 } as const
  const UDP = 17
  let namespace: RouterNamespace
  let router: EbpfRouter
  beforeAll(async () => {
    namespace = new RouterNamespace('told')
    router = await namespace.open()
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  /** What the ingress program has noted of a frame, which goes on to the host whatever it is. */
  function notedOf(icmp: readonly number[], quoted: Uint8Array, protocol?: number): string[] {
    const family = quoted[0] >> 4 === 4 ? 4 : 6
    const ends = { source: PEERS[family][2], destination: LOCAL[family], ttl: 60, trafficClass: 0, sourcePort: 1, destinationPort: 2 }
    const packet = writeOuter({ ...ends, protocol: protocol ?? PROTOCOL[family], payload: Uint8Array.of(...icmp, ...quoted) })
    const type = family === 4 ? [0x08, 0x00] : [0x86, 0xdd]
    const macs = Array.from({ length: 12 }, () => 2)
    const frame = Uint8Array.of(...macs, ...type, ...packet)
    expect(router.run('ingress', frame).verdict).toBe(TCX_NEXT)
    const { maps } = router.parts
    return Array.from(maps.entries('told_paths'), ([key, value]) => {
      const view = new View(LOCAL_KEY, key.slice())
      const { w0, w1, w2, w3 } = wordsOf(view, 'address')
      maps.delete('told_paths', key)
      return `${view.get('family') === 4 ? IpAddress.v4(w0) : IpAddress.v6(w0, w1, w2, w3)} ${wordAt(value)}`
    })
  }

  const tooLarge = (family: 4 | 6, mtu: number): number[] =>
    family === 4 ? [3, 4, 0, 0, 0, 0, mtu >> 8, mtu & 255] : [2, 0, 0, 0, 0, 0, mtu >> 8, mtu & 255]
  const quoted = (family: 4 | 6, source: IpAddress = LOCAL[family]): Uint8Array =>
    writeOuter({
      source,
      destination: PEERS[family][0],
      protocol: UDP,
      ttl: 60,
      trafficClass: 0,
      sourcePort: 50_000,
      destinationPort: 6635,
      payload: new Uint8Array(1000),
    })

  it.each([4, 6] as const)(
    'is noted over IPv%i where it quotes a packet of this router’s that was larger than it says, and nothing else is',
    (family) => {
      const length = quoted(family).length
      const begin = quoted(family).subarray(0, family === 4 ? 28 : 48)
      expect(notedOf(tooLarge(family, length - 1), begin)).toEqual([`${PEERS[family][0]} ${length - 1}`])
      expect(notedOf(tooLarge(family, 0), begin)).toEqual([`${PEERS[family][0]} 0`])
      expect(notedOf(tooLarge(family, length), begin)).toEqual([])
      expect(notedOf(tooLarge(family, 900), quoted(family, PEERS[family][1]))).toEqual([])
      expect(notedOf(tooLarge(family, 900), begin, UDP)).toEqual([])
      expect(notedOf(tooLarge(family, 900), begin, PROTOCOL[family === 4 ? 6 : 4])).toEqual([])
      expect(notedOf(tooLarge(family, 900).with(0, family === 4 ? 11 : 3), begin)).toEqual([])
      if (family === 4) expect(notedOf(tooLarge(4, 900).with(1, 1), begin)).toEqual([])
      expect(notedOf(tooLarge(family, 900), begin.subarray(0, -10))).toEqual([])
    },
  )

  // All flows of the node were decided anew at each look while somebody sent such errors, or packets to a session of BFD that was down.
  it('changes no decision by itself, nor does a step of a session of BFD, while other maps do', () => {
    const { maps, tables } = router.parts
    const changes = (work: () => void): number => {
      const before = tables.config.get('epoch')
      work()
      return tables.config.get('epoch') - before
    }
    const key = new View(LOCAL_KEY).set('family', 4).setAddress('address', PEERS[4][0]).bytes
    expect(changes(() => maps.set('told_paths', key, wordBytes(1300)))).toBe(0)
    expect(changes(() => expect(maps.delete('told_paths', key)).toBe(true))).toBe(0)
    expect(changes(() => maps.set('liveness', 5, new View(LIVENESS).bytes))).toBe(0)
    expect(changes(() => expect(maps.delete('liveness', 5)).toBe(true))).toBe(0)
    expect(changes(() => maps.set('source_sets', 5, new View(SOURCE_SET).bytes))).toBe(1)
    expect(changes(() => expect(maps.delete('source_sets', 5)).toBe(true))).toBe(1)
  })
})

describe.skipIf(missing() !== '')(titled('two sites with a router between them, whose second link takes less'), () => {
  let sites: TwoEbpfSites
  let pinDirectory: string
  const routers = {} as Record<Site, EbpfDataplane>
  const told: DataplaneEvent[] = []
  let generation = 0

  const addressesOf = (site: Site): IpAddress[] => UNDERLAY[site].map((address) => IpAddress.parse(address))
  const open = async (site: Site): Promise<void> => {
    routers[site] = await ebpfDataplane({
      addresses: addressesOf(site),
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', site)),
      ...(site === 'a' && { pinDirectory }),
      fibBlocks: 2048,
      routes: 4096,
    })
    if (site === 'a') void follow(routers.a)
  }
  const follow = async ({ events }: EbpfDataplane): Promise<void> => {
    for await (const event of events) told.push(event)
  }

  beforeAll(async () => {
    sites = new TwoEbpfSites('narrow')
    sites.add('narrow-mid')
    const mid = (command: string): string => sites.in('narrow-mid', ...command.split(' '))
    sites.in('narrow-site-a', ...'ip link delete up0'.split(' '))
    for (const [site, mtu] of [
      ['a', 1500],
      ['b', NARROW],
    ] as const) {
      const inSite = (command: string): string => sites.in(sites.short('site', site), ...command.split(' '))
      mid(`ip link add to-${site} mtu ${mtu} type veth peer name up0 mtu ${mtu} netns ${sites.name(sites.short('site', site))}`)
      mid(`ip link set to-${site} up`)
      inSite('ip link set up0 up')
      for (const [at, family] of ([4, 6] as const).entries()) {
        const nodad = family === 6 ? ' nodad' : ''
        inSite(`ip address add ${UNDERLAY[site][at]}/${HOST[family]} dev up0${nodad}`)
        mid(`ip address add ${BETWEEN[site][at]}/${HOST[family]} dev to-${site}${nodad}`)
        inSite(`ip route add ${BETWEEN[site][at]} dev up0`)
        mid(`ip route add ${UNDERLAY[site][at]} dev to-${site}`)
        inSite(`ip route add ${UNDERLAY[site === 'a' ? 'b' : 'a'][at]} via ${BETWEEN[site][at]} src ${UNDERLAY[site][at]}`)
      }
    }
    mid('sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1')
    pinDirectory = join(makeFolder('narrow'), 'pins')
    mkdirSync(pinDirectory)
    for (const site of ['a', 'b'] as const) await open(site)
  }, 120_000 * PACE)
  afterAll(async () => {
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  /** Output of ping from a pod of site a; it never fails. */
  const ping = (address: string, ...options: string[]): Promise<string> =>
    run('ip', ['netns', 'exec', sites.name('narrow-red-a'), ...pingWords(2), '-W', '1', ...options, address]).then(
      ({ stdout }) => stdout,
      (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
    )

  it.each([
    [4, NARROW - 20 - 8 - 4],
    [6, NARROW - 40 - 8 - 4],
  ] as const)(
    'the path is learnt from what the router between says, over IPv%i, and streams get through',
    async (family, fits) => {
      const at = family === 4 ? 0 : 1
      for (const site of ['a', 'b'] as const) await sites.setUp(routers[site], site, ++generation, family, 'mpls-udp')
      told.length = 0
      // A pod remembers itself what it was told.
      for (const version of [4, 6]) sites.in('narrow-red-a', ...`ip -${version} route flush cache`.split(' '))
      for (const address of POD.b) expect(await ping(address)).toContain(' 2 received')
      // The first are lost on the way; what router between said of them is answered from then on.
      for (const address of POD.b) {
        await expect
          .poll(() => ping(address, '-M', 'do', '-s', '1330'), { timeout: 30_000 * PACE })
          .toMatch(new RegExp(`mtu ?= ?${fits}\\b|Packet too big: mtu=${fits}\\b`))
      }
      expect(told.filter(({ type }) => type === 'underlay-changed')).toEqual([
        { type: 'underlay-changed', local: IpAddress.parse(UNDERLAY.a[at]), mtu: NARROW, remote: IpAddress.parse(UNDERLAY.b[at]) },
      ])
      for (const address of POD.b) expect(await tcpStream(sites, ['narrow-red-a', 'narrow-red-b'], address, 1 << 20)).toBe(true)
    },
    120_000 * PACE,
  )

  it('is known to the dataplane that takes over', async () => {
    const path = { remote: IpAddress.parse(UNDERLAY.b[1]), mtu: NARROW }
    expect((await routers.a.dump()).pathMtus).toEqual([path])
    await routers.a.close({ keep: true })
    await open('a')
    expect((await routers.a.dump()).pathMtus).toEqual([path])
  })

  /** An ICMP error from the router between, about a packet of a tunnel from site a to site b, as anybody can make it up. */
  async function makeUp(mtu: number): Promise<void> {
    const [source, destination] = [IpAddress.parse(UNDERLAY.a[0]), IpAddress.parse(UNDERLAY.b[0])]
    const ends = { source, destination, protocol: 17, ttl: 60, trafficClass: 0, sourcePort: 50_000, destinationPort: 6635 }
    const quoted = writeOuter({ ...ends, payload: new Uint8Array(1200) }).subarray(0, 28)
    const message = Uint8Array.of(3, 4, 0, 0, 0, 0, mtu >> 8, mtu & 255, ...quoted)
    const sum = internetChecksum(message, 0, message.length)
    message.set([sum >> 8, sum & 255], 2)
    using socket = await RawSocket.open({ namespace: sites.path('narrow-mid'), family: 4, protocol: 1 })
    const descriptor = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
    descriptor[DATAGRAM_DESCRIPTOR.length] = message.length
    descriptor[DATAGRAM_DESCRIPTOR.remote] = source.w0
    expect(socket.sendBatch(message, descriptor, 1)).toBe(1)
  }

  it(
    'IPv6 goes on whatever somebody makes up of the path, which makes packets of IPv4 small',
    async () => {
      for (const site of ['a', 'b'] as const) await sites.setUp(routers[site], site, ++generation, 4, 'mpls-udp')
      await makeUp(100)
      const path = { remote: IpAddress.parse(UNDERLAY.b[0]), mtu: 552 }
      await expect.poll(async () => (await routers.a.dump()).pathMtus, { timeout: 30_000 * PACE }).toEqual([path])
      const [of4, of6] = POD.b
      for (const version of [4, 6]) sites.in('narrow-red-a', ...`ip -${version} route flush cache`.split(' '))
      expect(await ping(of4, '-M', 'do', '-s', '600')).toMatch(/mtu ?= ?520\b/)
      expect(await ping(of6, '-M', 'do', '-s', '1232')).toContain(' 2 received')
      expect(await tcpStream(sites, ['narrow-red-a', 'narrow-red-b'], of6, 1 << 20)).toBe(true)
    },
    120_000 * PACE,
  )
})
