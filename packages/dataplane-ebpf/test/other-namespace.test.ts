// A directory of pins whose dataplane comes to another network namespace: links there have the numbers that other tenants' have where it was.
import type { LivenessObject } from '@heddle/core'
import { labelled, testPacket } from '@heddle/dataplane-conformance'
import type { EbpfDataplane, EbpfDataplaneOptions, EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger, type Logger } from '@heddle/io'
import { IpPrefix } from '@heddle/wire'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { readOuter, writeOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { LAYOUT_VERSION } from '../src/layout/structs/config.js'
import { isKeeperAlive } from '../src/liveness/keeper-process.js'
import { call } from '../src/native/call.js'
import { pinsOf } from '../src/pins.js'
import { ebpfFeatures } from '../src/probe.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { isMounted, PODS, podTransaction } from './support/router-lab.js'

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
const LABEL = 1001
const PORTS = [...PODS.keys()]
/** Ways of packets to the second endpoint, by their UDP source ports. */
const FROM_POD = [1, 2].map((port) => port + 40_000)
const FROM_UPLINK = [1, 2].map((port) => port + 50_000)

/** A namespace of routers with two endpoints' beside it, made like any other. */
class Site {
  readonly #router: RouterNamespace
  #sockets: { readonly pod: Capture; readonly other: Capture; readonly wire: Capture } | undefined

  constructor(readonly name: string) {
    this.#router = new RouterNamespace(name)
    for (const port of PORTS) this.#router.namespaces.add(this.#pod(port))
    for (const address of [`${LOCAL[4]}/24`, `${LOCAL[6]}/64 nodad`]) this.in(...`ip address add ${address} dev up0`.split(' '))
  }

  get netns(): string {
    return this.#router.namespaces.path(this.name)
  }

  open(options: Partial<EbpfDataplaneOptions>): Promise<EbpfDataplane> {
    return this.#router.open(options)
  }

  in(...command: string[]): string {
    return this.#router.namespaces.in(this.name, ...command)
  }

  indexOf(link: string): number {
    const [{ ifindex }] = JSON.parse(this.in(...`ip -j link show ${link}`.split(' '))) as [{ ifindex: number }]
    return ifindex
  }

  /** Indexes of the router's ends of endpoints' devices. */
  devices(): number[] {
    const links = JSON.parse(this.in(...'ip -j link'.split(' '))) as { ifname: string; ifindex: number }[]
    return links.filter(({ ifname }) => /^hd\w+-/.test(ifname)).map(({ ifindex }) => ifindex)
  }

  programs(link: string): string[] {
    return call((native) => native.programsOn(this.netns, this.indexOf(link))).map(({ name, how }) => `${name} by ${how}`)
  }

  /** Has two endpoints of one tenant, and a label that leads to them. */
  async program(router: EbpfDataplane, generation: number): Promise<void> {
    const report = await router.apply({
      ...podTransaction(generation),
      tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.of(PEERS[4][0])] }], remove: [] },
      labels: { set: [{ label: LABEL, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 }], remove: [] },
    })
    expect(report).toMatchObject({ status: 'applied', failures: [] })
    for (const port of PORTS) await router.attachPort(port, { netns: this.#path(port), ifname: 'eth0', addresses: [PODS[port]], mtu: 1400 })
  }

  /** Sends packets to the second endpoint, of flows that are known and of others: both packets of all that are wanted, by their source ports, come, and no others. */
  async receives(wanted: readonly number[]): Promise<void> {
    this.#sockets ??= {
      pod: await Capture.open(this.#path(0), 'eth0'),
      other: await Capture.open(this.#path(1), 'eth0'),
      wire: await Capture.open(this.netns, 'up1'),
    }
    const { pod, other, wire } = this.#sockets
    other.take()
    const before = this.#received()
    const inner = (source: string, port: number): Uint8Array => testPacket({ source, destination: `${PODS[1]}`, sourcePort: port })
    // The second of a flow is a known one's.
    for (const port of [...FROM_POD, ...FROM_POD]) pod.send(inner(`${PODS[0]}`, port))
    for (const port of [...FROM_UPLINK, ...FROM_UPLINK])
      wire.send(
        writeOuter({
          source: PEERS[4][0],
          destination: LOCAL[4],
          protocol: 17,
          ttl: 64,
          trafficClass: 0,
          sourcePort: 50_000,
          destinationPort: 6635,
          payload: labelled([{ label: LABEL }], inner('10.9.9.9', port)),
        }),
        this.#uplinkMac,
      )
    await expect.poll(() => this.#received() - before).toBeGreaterThanOrEqual(FROM_UPLINK.length * 2)
    // They were counted before they were judged: a machine that is busy comes to that later, and to what ought not to come.
    if (wanted.length === 0) await sleep(500 * PACE)
    const came: number[] = []
    const look = (): number[] => {
      came.push(...other.take().map((packet) => readOuter(packet).sourcePort as number))
      return came.toSorted((a, b) => a - b)
    }
    await expect.poll(look, { timeout: 20_000 * PACE }).toEqual(wanted.flatMap((port) => [port, port]))
  }

  close(): void {
    for (const socket of Object.values(this.#sockets ?? {})) socket[Symbol.dispose]()
    this.#router.close()
  }

  #received(): number {
    const [{ stats64 }] = JSON.parse(this.in(...'ip -j -s link show up0'.split(' '))) as [{ stats64: { rx: { packets: number } } }]
    return stats64.rx.packets
  }

  get #uplinkMac(): string {
    const [{ address }] = JSON.parse(this.in(...'ip -j link show up0'.split(' '))) as [{ address: string }]
    return address
  }

  #path(port: number): string {
    return this.#router.namespaces.path(this.#pod(port))
  }

  #pod(port: number): string {
    return `${this.name}-pod-${port}`
  }
}

describe.skipIf(missing() !== '')(titled('an eBPF dataplane whose pins are of another network namespace'), () => {
  const EVERYTHING = [...FROM_POD, ...FROM_UPLINK]
  let directory: string
  let sites: readonly [here: Site, there: Site]
  const opened: EbpfDataplane[] = []
  beforeEach(() => {
    directory = makeFolder('elsewhere')
    sites = [new Site('ns-a'), new Site('ns-b')]
  })
  afterEach(async () => {
    for (const router of opened.splice(0)) await router.close()
    for (const site of sites) site.close()
    rmSync(directory, { recursive: true, force: true })
  })
  async function open(site: Site, options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfDataplane> {
    const router = await site.open({ pinDirectory: join(directory, 'pins'), devices: 'veth', ...options })
    opened.push(router)
    return router
  }

  // Programs that stayed had the tables of the next dataplane, where links of another tenant have the numbers of theirs.
  it.each<EbpfFeatureName[][]>(hasTcx ? [[[]], [['tcx']]] : [[[]]])(
    'has tables of its own, and lets nothing pass by what stays there (without %s)',
    async (without) => {
      const [here, there] = sites
      const first = await open(here, { without })
      await here.program(first, 7)
      await here.receives(EVERYTHING)
      await first.close({ keep: true })
      await here.receives(EVERYTHING)

      const warn = vi.fn<Logger['warn']>()
      const second = await open(there, { without, logger: { ...silentLogger, warn } })
      expect(warn.mock.calls).toEqual([
        [
          expect.stringContaining('another network namespace'),
          expect.objectContaining({ found: [`layout-${LAYOUT_VERSION}`], effect: expect.stringContaining('as they are') }),
        ],
      ])
      expect(await second.dump()).toMatchObject({ generation: 0, vrfs: [], ports: [], labels: [], devices: [] })
      expect([readdirSync(join(directory, 'pins')).filter((name) => name.startsWith('layout')), there.programs('up0')]).toEqual([
        [`layout-${LAYOUT_VERSION}`],
        [`ingress by ${without.length > 0 || !hasTcx ? 'clsact' : 'tcx'}`],
      ])
      if (without.length === 0 && hasTcx) await expect.poll(() => here.programs('up0')).toEqual([])
      else expect(here.programs('up0')).toEqual(['ingress by clsact'])
      await here.receives([])
      await there.program(second, 1)
      expect([there.indexOf('up0'), there.devices()]).toEqual([here.indexOf('up0'), here.devices()])
      await here.receives([])
      await there.receives(EVERYTHING)

      // From now on they are those of its own.
      await second.close({ keep: true })
      const third = await open(there, { without, logger: { ...silentLogger, warn } })
      expect([await third.dump(), warn.mock.calls.length]).toEqual([expect.objectContaining({ generation: 1 }), 1])
      await here.receives([])
      await there.receives(EVERYTHING)
      await third.close()
      expect([there.programs('up0'), isMounted(join(directory, 'pins')), here.devices().length]).toEqual([[], false, PORTS.length])
    },
  )

  // What did not run for a while did not see what it was told, and went on with the rows of the next one.
  it('ends the keeper of BFD sessions there whenever it comes to look', async () => {
    const keeper = bundledKeeper()
    const info = vi.fn<Logger['info']>()
    const started = (): number[] => info.mock.calls.flatMap(([, facts]) => (typeof facts?.pid === 'number' ? [facts.pid] : []))
    const interval = 200_000 * PACE
    const watched: LivenessObject = {
      id: 1,
      local: LOCAL[4],
      remote: PEERS[4][0],
      hops: 'single',
      desiredMinTx: interval,
      requiredMinRx: interval,
      multiplier: 3,
    }
    const options = { keeper, logger: { ...silentLogger, info } }
    try {
      const alive = (site: Site): boolean =>
        isKeeperAlive({ pins: '', underlayNetns: site.netns, vrf: undefined, addresses: [], uplink: site.indexOf('up0') })
      for (const site of sites) {
        const router = await open(site, options)
        expect(await router.apply({ ...podTransaction(1), liveness: { set: [watched], remove: [] } })).toMatchObject({ failures: [] })
        await expect.poll(() => alive(site), { timeout: 20_000 * PACE }).toBe(true)
        if (site === sites[0]) process.kill(started()[0], 'SIGSTOP')
        await router.close({ keep: true })
      }
      expect([alive(sites[0]), started().length]).toEqual([true, 2])
      process.kill(started()[0], 'SIGCONT')
      await expect.poll(() => alive(sites[0]), { timeout: 20_000 * PACE }).toBe(false)
      expect(alive(sites[1])).toBe(true)
      await (await open(sites[1], options)).close()
    } finally {
      for (const pid of started()) if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL')
      keeper.remove()
    }
  })

  // Numbers of the other namespace's links were taken for those of this one's, and what had them here lost its devices and its program.
  it.each(['of this layout', 'of another one'])(
    'leaves others here as they are, which have the numbers of links there, by pins %s',
    async (which) => {
      const [here, there] = sites
      const first = await open(here, { without: ['tcx'] })
      await here.program(first, 7)
      await first.close({ keep: true })
      if (which !== 'of this layout') renameSync(pinsOf(join(directory, 'pins')), join(directory, 'pins', 'layout-1'))
      const other = await open(there, { pinDirectory: join(directory, 'others'), without: ['tcx'] })
      await there.program(other, 1)
      await other.close({ keep: true })
      there.in(...'ip link add up2 type veth peer name up3'.split(' '))
      for (const link of ['up2', 'up3']) there.in(...`ip link set ${link} up`.split(' '))
      const moved = await open(there, { uplink: 'up2', without: ['tcx'] })
      expect((await moved.dump()).generation).toBe(0)
      await here.receives([])
      await there.receives(EVERYTHING)
      await moved.close()
      expect(there.devices()).toHaveLength(PORTS.length)
      await there.receives(EVERYTHING)
      await (await open(there, { pinDirectory: join(directory, 'others'), without: ['tcx'] })).close()
    },
  )

  it('takes up again what broke off behind all maps', async () => {
    const [here, there] = sites
    await (await open(here)).close({ keep: true })
    const pins = pinsOf(join(directory, 'pins'))
    for (const name of readdirSync(pins)) if (!name.startsWith('netns-')) rmSync(join(pins, name), { recursive: true })
    mkdirSync(`${pins}-next`)
    const router = await open(there)
    expect([(await router.dump()).generation, there.programs('up0').length]).toEqual([0, 1])
    await router.close()
    expect(isMounted(join(directory, 'pins'))).toBe(false)
  })
})
