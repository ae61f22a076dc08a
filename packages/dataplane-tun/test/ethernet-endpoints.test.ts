import { dropsOf, PORT_COUNTERS, type CounterSnapshot, type DataplaneEvent, type DeviceFacts, type FibTransaction } from '@heddle/core'
import { tunDataplane, type TunDataplane } from '@heddle/dataplane-tun'
import { IpAddress, MacAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from './support/folders.js'
import { bundledForwarder } from './support/bundled.js'
import { floodWords, lossOf, pingWords } from './support/ping.js'
import { missing, titled } from './support/requirements.js'
import { POD, TwoSites, UNDERLAY, emptyTransaction, setUp, siteTransaction, type Site } from './support/two-sites.js'

/*
 *   pod-a ─ TAP ─ [router a: a process, two threads] ══ underlay ══ [router b] ─ TUN ─ pod-b
 *
 * The pod on the TAP device is Linux's own: it asks for its neighbours by ARP and Neighbor Discovery, and looks for duplicates of its addresses.
 */

const run = promisify(execFile)
const script = (name: string): string => fileURLToPath(new URL(`./support/${name}`, import.meta.url))
const ROUTER = MacAddress.parse('02:00:00:00:00:fe')
const GATEWAY = { 4: '10.1.0.254', 6: 'fd00:1::fe' } as const

describe.skipIf(missing() !== '')(titled('endpoints on Ethernet'), () => {
  let sites: TwoSites
  let directory: string
  let near: TunDataplane
  let far: TunDataplane
  let forwarder: ReturnType<typeof bundledForwarder>
  let facts: DeviceFacts
  const events: DataplaneEvent[] = []
  let generation = 1

  const options = (site: Site) => ({
    addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
    underlayNetns: sites.path(`site-${site}`),
  })
  const open = async (upgrade = false): Promise<TunDataplane> => {
    const opened = await tunDataplane({ ...options('a'), stateDir: directory, forwarder, upgrade })
    void (async () => {
      for await (const event of opened.events) events.push(event)
    })()
    return opened
  }
  const attachTo = (dataplane: TunDataplane, site: Site): Promise<DeviceFacts> => {
    const addresses = POD[site].map((text) => IpAddress.parse(text))
    return dataplane.attachPort(0, { netns: sites.path(`pod-${site}`), ifname: 'eth0', addresses, mtu: 1400 })
  }
  const attach = (): Promise<DeviceFacts> => attachTo(near, 'a')
  /** A site, port 0 with a link or without one. */
  const transaction = (hasLink: boolean, site: Site = 'a'): FibTransaction => {
    const { ports, ...rest } = siteTransaction(site, generation++)
    const gateways = Object.values(GATEWAY).map((text) => IpAddress.parse(text))
    const [first, ...others] = ports.set
    return { ...rest, ports: { set: [{ ...first, gateways, ...(hasLink && { link: { mac: ROUTER } }) }, ...others], remove: [] } }
  }

  beforeAll(async () => {
    sites = new TwoSites()
    forwarder = bundledForwarder()
    directory = makeFolder('ethernet')
    far = await tunDataplane({ ...options('b'), inProcess: true })
    await setUp(far, sites, 'b')
    near = await open()
    expect(near.capabilities.features).toContain('ethernet')
    expect(await near.apply(transaction(true))).toMatchObject({ status: 'applied' })
    facts = await attach()
  })

  afterAll(async () => {
    await near?.close()
    await far?.close()
    sites?.close()
    forwarder?.remove()
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
  })

  const inPod = (pod: 'pod-a' | 'pod-b', ...argv: string[]) => run('ip', ['netns', 'exec', sites.name(pod), ...argv])
  const ping = async (pod: 'pod-a' | 'pod-b', address: string): Promise<string> => (await inPod(pod, ...pingWords(3), address)).stdout

  /** Sends so many octets over a TCP connection, from `pod` to a server at `address`; what arrived is what was sent. */
  async function stream(pod: 'pod-a' | 'pod-b', address: string, octets: number): Promise<void> {
    const server = sites.start(pod === 'pod-a' ? 'pod-b' : 'pod-a', process.execPath, script('tcp-server.mjs'), address)
    try {
      await once(server.stdout as NodeJS.ReadableStream, 'data')
      const { stdout } = await inPod(pod, process.execPath, script('tcp-client.mjs'), address, `${octets}`)
      const [answer, wanted] = stdout.trim().split(' ')
      expect(answer).toBe(wanted)
    } finally {
      server.kill('SIGKILL')
    }
  }

  it('get what comes before they have said a word: a frame for their device', async () => {
    expect(facts.mac).toBeDefined()
    expect((await near.dump()).devices).toMatchObject([{ port: 0, mac: facts.mac }])
    await stream('pod-b', POD.a[0], 1000)
  })

  it.each([...POD.b, ...Object.values(GATEWAY)])('find %s at the router’s address', async (address) => {
    expect(await ping('pod-a', address)).toContain(' 3 received')
    const { stdout } = await inPod('pod-a', 'ip', 'neighbour', 'show', address)
    expect(stdout).toContain(`lladdr ${ROUTER}`)
  })

  it.each([4, 6] as const)('go by a gateway of IPv%i as well', async (family) => {
    const index = family === 4 ? 0 : 1
    const ip = (...argv: string[]) => inPod('pod-a', 'ip', `-${family}`, 'route', ...argv)
    await ip('replace', GATEWAY[family], 'dev', 'eth0')
    await ip('replace', POD.b[index], 'via', GATEWAY[family], 'dev', 'eth0')
    expect(await ping('pod-a', POD.b[index])).toContain(' 3 received')
    await ip('delete', POD.b[index])
    await ip('delete', GATEWAY[family])
  })

  it('find no duplicate of their own address, and one of the gateway’s', async () => {
    const set = (setting: string): Promise<unknown> => inPod('pod-a', 'sysctl', '-qw', `net.ipv6.${setting}`)
    /** How long Linux waits for an answer, milliseconds. */
    const waits = (time: number): Promise<unknown> => set(`neigh.eth0.retrans_time_ms=${time}`)
    // And before it asks.
    await set('conf.eth0.router_solicitation_delay=0')
    const added = async (address: string): Promise<string> => {
      await inPod('pod-a', 'ip', 'address', 'add', `${address}/128`, 'dev', 'eth0')
      const shown = async () => (await inPod('pod-a', 'ip', '-6', '-o', 'address', 'show', 'dev', 'eth0', 'to', address)).stdout
      let last = ''
      await expect
        .poll(async () => (last = await shown()).includes('tentative') && !last.includes('dadfailed'), { timeout: 20_000 })
        .toBe(false)
      await inPod('pod-a', 'ip', 'address', 'delete', `${address}/128`, 'dev', 'eth0')
      return last
    }
    await waits(300)
    expect(await added('fd00:1::77')).not.toContain('dadfailed')
    // The forwarder answers, which a busy machine may keep from it for longer.
    await waits(15_000)
    expect(await added(GATEWAY[6])).toContain('dadfailed')
    await waits(300)
  })

  it.each(['pod-a', 'pod-b'] as const)('carry TCP streams from %s whole, in trains', async (pod) => {
    const [before, index] = [await near.counters(), pod === 'pod-a' ? 'rx' : 'tx'] as const
    const octets = 8 << 20
    for (const address of pod === 'pod-a' ? POD.b : POD.a) await stream(pod, address, octets)
    const moved = await near.counters()
    const [packets, bytes] = (['packets', 'octets'] as const).map((what) => at(moved, `${index}-${what}`) - at(before, `${index}-${what}`))
    expect(bytes).toBeGreaterThan(2 * octets)
    expect(bytes / packets).toBeGreaterThan(1414)
    expect(dropsOf(moved, 'inner-malformed')).toBe(0)
  })

  it('keep what they were heard with, and the forwarder its counters, when a new one succeeds it', async () => {
    await inPod('pod-a', 'ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:77:77')
    expect(await ping('pod-a', POD.b[0])).toContain(' 3 received')
    const flood = lossOf(sites.start('pod-a', ...floodWords(300, 0.005, POD.b[0])))
    await expect.poll(async () => at(await near.counters(), 'rx-packets'), { timeout: 20_000 }).toBeGreaterThan(10)
    const before = await near.counters()
    await near.close({ keep: true })
    near = await open(true)
    const after = await near.counters()
    for (const counter of PORT_COUNTERS) expect(at(after, counter)).toBeGreaterThanOrEqual(at(before, counter))
    after.drops.forEach((count, reason) => expect(count).toBeGreaterThanOrEqual(before.drops[reason]))
    for (const rows of ['vrfs', 'labels', 'nextHops'] as const) {
      expect(after[rows]?.ids).toEqual(before[rows]?.ids)
      after[rows]?.values.forEach((count, slot) => expect(count).toBeGreaterThanOrEqual(before[rows]?.values[slot] ?? 0))
    }
    expect(await flood).toBe(0)
    // Whoever sends nothing is still known.
    const { stdout } = await inPod('pod-b', 'ping', '-q', '-c', '1', '-W', '5', POD.a[0])
    expect(stdout).toContain(' 1 received')
    await stream('pod-b', POD.a[0], 1000)
  })

  it('get a device of the other kind when their link goes, and when it comes again', async () => {
    for (const hasLink of [false, true]) {
      expect(await near.apply(transaction(hasLink))).toMatchObject({ status: 'applied' })
      await expect.poll(() => events.at(-1), { timeout: 20_000 }).toEqual({ type: 'port-down', port: 0, reason: 'its link changed' })
      expect((await attach()).mac !== undefined).toBe(hasLink)
      expect(await ping('pod-a', POD.b[0])).toContain(' 3 received')
    }
  })

  it.each([0, 1, 2, 4])('keep no device that was asked for when their link changed, %i steps apart', async (steps) => {
    for (const hasLink of [true, false]) {
      await far.detachPort(0)
      const attaching = steps > 0 ? undefined : attachTo(far, 'b')
      const applying = far.apply(transaction(hasLink, 'b'))
      for (let step = 0; step < steps; step++) await Promise.resolve()
      await Promise.all([attaching ?? attachTo(far, 'b'), applying])
      const kept = (await far.dump()).devices.filter(({ port }) => port === 0)
      expect(kept.filter(({ mac }) => (mac !== undefined) !== hasLink)).toEqual([])
      expect((await attachTo(far, 'b')).mac !== undefined).toBe(hasLink)
    }
    expect(await ping('pod-a', POD.b[0])).toContain(' 3 received')
  })

  it('get one of the right kind where a forwarder that is no more has left one of the other', async () => {
    await inPod('pod-a', 'ip', 'link', 'show', 'eth0')
    const pod = sites.name('pod-a')
    expect(await near.apply({ ...emptyTransaction(generation++), ports: { set: [], remove: [] } })).toMatchObject({ status: 'applied' })
    await near.detachPort(0)
    await run('ip', ['netns', 'exec', pod, 'ip', 'tuntap', 'add', 'dev', 'eth0', 'mode', 'tun', 'vnet_hdr'])
    expect((await attach()).mac).toBeDefined()
    expect(await ping('pod-a', POD.b[0])).toContain(' 3 received')
  })
})

/** A counter of port 0. */
function at({ portIds, ports }: CounterSnapshot, counter: (typeof PORT_COUNTERS)[number]): number {
  return ports[portIds.indexOf(0) * PORT_COUNTERS.length + PORT_COUNTERS.indexOf(counter)]
}
