import { dropsOf, type DataplaneEvent, type DeviceFacts, type FibTransaction } from '@heddle/core'
import { ebpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress, MacAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endProcess } from '../../dataplane-tun/test/support/end-process.js'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { POD, siteTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { EndlessStream } from './support/endless-stream.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

/*
 * The pod of site a is Linux's own on an Ethernet: it asks for its neighbours by ARP and Neighbor Discovery, and looks for duplicates of its addresses.
 * That of site b takes every frame to the router.
 */

const run = promisify(execFile)
const script = (name: string): string => fileURLToPath(new URL(`../../dataplane-tun/test/support/${name}`, import.meta.url))
const ROUTER = MacAddress.parse('02:00:00:00:00:fe')
const GATEWAY = { 4: '10.1.0.254', 6: 'fd00:1::fe' } as const

describe.skipIf(missing() !== '')(titled('endpoints on Ethernet'), () => {
  let sites: TwoEbpfSites
  let directory: string
  let near: EbpfRouter
  let far: EbpfRouter
  let facts: DeviceFacts
  let generation = 0
  const events: DataplaneEvent[] = []

  const pod = (site: Site): string => sites.name(sites.short('red', site))
  const open = async (site: Site): Promise<EbpfRouter> => {
    const router = await ebpfDataplane({
      addresses: UNDERLAY[site].map((text) => IpAddress.parse(text)),
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', site)),
      fibBlocks: 1024,
      routes: 1024,
      ...(site === 'a' && { pinDirectory: join(directory, 'bpf') }),
    })
    void (async () => {
      if (site === 'a') for await (const event of router.events) events.push(event)
    })()
    return router as EbpfRouter
  }
  /** Site a, its red port with a link or without one. */
  const transaction = (hasLink: boolean): FibTransaction => {
    const { ports, ...rest } = siteTransaction('a', ++generation)
    const gateways = Object.values(GATEWAY).map((text) => IpAddress.parse(text))
    const [first, ...others] = ports.set
    return { ...rest, ports: { set: [{ ...first, gateways, ...(hasLink && { link: { mac: ROUTER } }) }, ...others], remove: [] } }
  }
  const attach = (): Promise<DeviceFacts> => {
    const addresses = POD.a.map((text) => IpAddress.parse(text))
    return near.attachPort(0, { netns: sites.path(sites.short('red', 'a')), ifname: 'eth0', addresses, mtu: 1400 })
  }

  beforeAll(async () => {
    sites = new TwoEbpfSites('ethernet')
    directory = makeFolder('ethernet')
    far = await open('b')
    await sites.setUp(far, 'b', 1, 4, 'mpls-udp')
    near = await open('a')
    expect(near.capabilities.features).toContain('ethernet')
    expect(await near.apply(transaction(true))).toMatchObject({ status: 'applied', failures: [] })
    facts = await attach()
  })
  afterAll(async () => {
    await near?.close()
    await far?.close()
    sites?.close()
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  })

  const inPod = (site: Site, ...argv: string[]) => run('ip', ['netns', 'exec', pod(site), ...argv])
  const ping = async (site: Site, address: string): Promise<string> => (await inPod(site, ...pingWords(3), address)).stdout
  const neighbours = async (): Promise<string> => (await inPod('a', 'ip', 'neighbour', 'show')).stdout

  /** Sends octets over a TCP connection from the pod of `site` to the other's `address`; what arrived is what was sent. */
  async function stream(site: Site, address: string, octets: number): Promise<void> {
    const server = sites.start(sites.short('red', site === 'a' ? 'b' : 'a'), process.execPath, script('tcp-server.mjs'), address)
    try {
      await once(server.stdout as NodeJS.ReadableStream, 'data')
      const [answer, wanted] = (await inPod(site, process.execPath, script('tcp-client.mjs'), address, `${octets}`)).stdout
        .trim()
        .split(' ')
      expect(answer).toBe(wanted)
    } finally {
      await endProcess(server)
    }
  }

  it('get what comes before they have said a word, and then answer it', async () => {
    expect(facts.mac).toBeDefined()
    await stream('b', POD.a[0], 1000)
  })

  it.each([...POD.b, ...Object.values(GATEWAY)])('find %s at the router’s address', async (address) => {
    expect(await ping('a', address)).toContain(' 3 received')
    const { stdout } = await inPod('a', 'ip', 'neighbour', 'show', address)
    expect(stdout).toContain(`lladdr ${ROUTER}`)
  })

  it.each([4, 6] as const)('go by a gateway of IPv%i as well', async (family) => {
    const other = POD.b[family === 4 ? 0 : 1]
    const ip = (...argv: string[]) => inPod('a', 'ip', `-${family}`, 'route', ...argv)
    await ip('replace', GATEWAY[family], 'dev', 'eth0')
    await ip('replace', other, 'via', GATEWAY[family], 'dev', 'eth0')
    expect(await ping('a', other)).toContain(' 3 received')
    await ip('delete', other)
    await ip('delete', GATEWAY[family])
  })

  it('find no duplicate of their own address, and one of the gateway’s', async () => {
    // How long Linux waits for an answer, and before it asks.
    for (const setting of [`neigh.eth0.retrans_time_ms=${300 * PACE}`, 'conf.eth0.router_solicitation_delay=0']) {
      await inPod('a', 'sysctl', '-qw', `net.ipv6.${setting}`)
    }
    const added = async (address: string): Promise<string> => {
      await inPod('a', 'ip', 'address', 'add', `${address}/128`, 'dev', 'eth0')
      const shown = async () => (await inPod('a', 'ip', '-6', '-o', 'address', 'show', 'dev', 'eth0', 'to', address)).stdout
      let last = ''
      await expect
        .poll(async () => (last = await shown()).includes('tentative') && !last.includes('dadfailed'), { timeout: 20_000 * PACE })
        .toBe(false)
      await inPod('a', 'ip', 'address', 'delete', `${address}/128`, 'dev', 'eth0')
      return last
    }
    expect(await added('fd00:1::77')).not.toContain('dadfailed')
    expect(await added(GATEWAY[6])).toContain('dadfailed')
  })

  it.each(['a', 'b'] as const)('carry TCP streams from site %s whole, in frames that nobody has cut', async (site) => {
    const before = sites.sent(site)
    for (const address of POD[site === 'a' ? 'b' : 'a']) await stream(site, address, 8 << 20)
    const after = sites.sent(site)
    expect((after.octets - before.octets) / (after.packets - before.packets)).toBeGreaterThan(3000)
    for (const router of [near, far]) expect(dropsOf(await router.counters(), 'queue-full')).toBe(0)
  })

  it('are known by the address that they sent from last, in the middle of a flow and behind a new dataplane', async () => {
    const heard = (): string => {
      const link = new View(LINK, near.parts.maps.get('links', 0))
      return String(MacAddress.fromBytes(link.octets('endpoint_mac').subarray(0, 6)))
    }
    const goesOn = async (): Promise<void> => {
      const { octets } = sites.sent('a')
      await expect.poll(() => sites.sent('a').octets - octets).toBeGreaterThan(1 << 20)
    }
    // Flows that are known beforehand are told too.
    const flow = await EndlessStream.start(sites, [sites.short('red', 'a'), sites.short('red', 'b')], POD.b[0], '9000')
    try {
      await goesOn()
      await inPod('a', 'ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:77:77')
      await goesOn()
      expect(await flow.end()).toMatch(/^\d+ octets, as they were sent$/)
      expect(await ping('a', POD.b[0])).toContain(' 3 received')
      expect(heard()).toBe('02:00:00:00:77:77')
    } finally {
      await flow.close()
    }
    await near.close({ keep: true })
    near = await open('a')
    expect(heard()).toBe('02:00:00:00:77:77')
    expect((await attach()).mac?.toString()).toBe('02:00:00:00:77:77')
    expect(heard()).toBe('02:00:00:00:77:77')
    // Whoever sends nothing is still known.
    expect(await ping('b', POD.a[0])).toContain(' 3 received')
  })

  it('keep their device when their link goes, and when it comes again, and look for neighbours as long as it is there', async () => {
    const { ifindex } = await attach()
    for (const hasLink of [false, true]) {
      expect(await near.apply(transaction(hasLink))).toMatchObject({ status: 'applied', failures: [] })
      const { stdout } = await inPod('a', 'ip', '-o', 'link', 'show', 'eth0')
      expect(stdout.includes('NOARP')).toBe(!hasLink)
      for (const address of POD.b) expect(await ping('a', address)).toContain(' 3 received')
      expect((await neighbours()).includes(String(ROUTER))).toBe(hasLink)
      expect((await near.dump()).ports.find(({ id }) => id === 0)?.link?.mac.toString()).toBe(hasLink ? String(ROUTER) : undefined)
    }
    expect((await attach()).ifindex).toBe(ifindex)
    expect(events.filter(({ type }) => type === 'port-down')).toEqual([])
  })

  it('learn of a link that changed while no dataplane was there to tell them', async () => {
    // As one leaves it that is killed between its tables and its device.
    await inPod('a', 'ip', 'link', 'set', 'eth0', 'arp', 'off')
    near.parts.maps.set('links', 0, new View(LINK, near.parts.maps.get('links', 0)).set('resolves', 0).bytes)
    await near.close({ keep: true })
    near = await open('a')
    await expect
      .poll(async () => (await inPod('a', 'ip', '-o', 'link', 'show', 'eth0')).stdout.includes('NOARP'), { timeout: 20_000 * PACE })
      .toBe(false)
    expect(await ping('a', POD.b[0])).toContain(' 3 received')
  })
})
