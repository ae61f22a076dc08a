// Programs of others on the links of a dataplane: before it and behind it, and some that take it away.
import type { PortObject } from '@heddle/core'
import { silentLogger, type Logger } from '@heddle/io'
import { ebpfDataplane, ebpfFeatures, type EbpfDataplaneOptions } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { emptyTransaction, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import type { NativeAttachOptions, NativeObject } from '../src/native/binding.js'
import { call, callAsync } from '../src/native/call.js'
import { pinsOf } from '../src/pins.js'
import { capacityOf, mapSizes } from '../src/tables/map-sizes.js'
import { foreignPrograms } from './support/foreign-programs.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const lacksTcx = missing() !== '' || ebpfFeatures().some(({ name, available }) => name === 'tcx' && available) ? missing() : 'needs tcx'
const CAPACITY = { fibBlocks: 1024, routes: 1024, flows: 1024 }
/** Ports of a site's pods: red, blue. */
const PORTS = [0, 1]

describe.skipIf(missing() !== '')(titled('the program on the uplink, and those of others'), () => {
  let sites: TwoEbpfSites
  let far: EbpfRouter
  let folder: string
  let netns: string
  let ifindex: number
  let generation = 0
  /** What ends what a test leaves, the last one first. */
  const ends: (() => unknown)[] = []

  beforeAll(async () => {
    folder = makeFolder('beside-others')
    sites = new TwoEbpfSites('others')
    netns = sites.path('others-site-a')
    ;[{ ifindex }] = JSON.parse(inSite('ip -j link show up0')) as [{ ifindex: number }]
    far = await open('b')
  })
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end()
    vi.restoreAllMocks()
  })
  afterAll(async () => {
    await far?.close()
    sites?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const inSite = (command: string, ...words: string[]): string => sites.in('others-site-a', ...command.split(' '), ...words)

  async function open(site: Site, options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfRouter> {
    const router = (await ebpfDataplane({
      addresses: UNDERLAY[site].map((address) => IpAddress.parse(address)),
      uplink: 'up0',
      underlayNetns: sites.path(`others-site-${site}`),
      ...CAPACITY,
      devices: 'veth',
      ...options,
    })) as EbpfRouter
    if ((await router.dump()).generation === 0) await sites.setUp(router, site, ++generation, 4, 'mpls-udp')
    return router
  }

  /** The router of site a, with what it warns of. */
  async function openNear(
    options: Partial<EbpfDataplaneOptions> = {},
  ): Promise<{ router: EbpfRouter; warnings: (text: string) => unknown[] }> {
    const warn = vi.fn<Logger['warn']>()
    const router = await open('a', { logger: { ...silentLogger, warn }, ...options })
    ends.push(() => router.close())
    return { router, warnings: (text) => warn.mock.calls.filter(([message]) => message.includes(text)).map(([, fields]) => fields) }
  }

  /** What a ping from a pod of site a to one of site b says. */
  async function ping(kind = 'red', seconds = 10): Promise<string> {
    const argv = ['netns', 'exec', sites.name(`others-${kind}-a`), ...pingWords(2), '-W', `${seconds}`, POD.b[0]]
    return (await run('ip', argv).catch((error: { stdout: string }) => error)).stdout
  }

  /** Pings from pod to pod 500 times a second, until what is returned is called: how many answers there were, how many were missing, and how many too many. */
  function flood(): () => Promise<{ readonly answers: number; readonly lost: number; readonly twice: number }> {
    const pinging = sites.start('others-red-a', 'ping', '-n', '-i', '0.002', POD.b[0])
    ends.push(() => pinging.kill())
    let output = ''
    pinging.stdout?.on('data', (chunk) => (output += String(chunk)))
    return async () => {
      const closed = once(pinging, 'close')
      pinging.kill('SIGINT')
      await closed
      const sequences = Array.from(output.matchAll(/icmp_seq=(\d+) ttl=/g), ([, sequence]) => Number(sequence))
      const answered = new Set(sequences)
      expect(answered.size).toBeGreaterThan(0)
      // The last one may be under way.
      return { answers: answered.size, lost: Math.max(...answered) - answered.size, twice: sequences.length - answered.size }
    }
  }

  /** Attaches somebody else's program to the uplink of site a by tcx; what detaches it. */
  async function attachForeign(isLast: boolean, place: Partial<NativeAttachOptions> = {}): Promise<() => Promise<void>> {
    const object = foreignPrograms(isLast)
    ends.push(() => call(() => object.close()))
    const attachment = await callAsync(() => object.attach({ program: 'sweep', namespace: netns, ifindex, usesTcx: true, ...place }))
    return () => callAsync(() => object.detach(attachment)).then(() => call(() => object.close()))
  }

  /** Programs on the uplink of site a, the first to see packets first. */
  const order = (): string[] => call((native) => native.programsOn(netns, ifindex)).map(({ name, how }) => `${name} by ${how}`)
  const foreign = async (router: EbpfRouter): Promise<string[]> =>
    (await router.inspectKernel()).parts.filter(({ kind }) => kind === 'foreign').map(({ name, details }) => `${name}: ${details}`)
  const hasQdisc = (device: string): boolean => inSite(`tc qdisc show dev ${device}`).includes('clsact')

  /** Waits until the links were looked at as often from now on, each time to the end. */
  async function looks(router: EbpfRouter, count: number): Promise<void> {
    const moveOne = vi.spyOn(router.parts.ports, 'moveOne')
    await expect.poll(() => moveOne.mock.calls.length).toBeGreaterThan(count)
    moveOne.mockRestore()
  }

  describe.skipIf(lacksTcx !== '')(titled('by tcx', lacksTcx), () => {
    // Every tunnel packet was the host's, and nobody said so.
    it('comes before one that was there, and gives all packets to the host', async () => {
      await attachForeign(true)
      const { router, warnings } = await openNear()
      expect(order()).toEqual(['ingress by tcx', 'sweep by tcx'])
      expect(await ping()).toContain(' 2 received')
      expect(await foreign(router)).toEqual(['sweep: ingress of uplink up0 by tcx, behind ours'])
      await looks(router, 1)
      expect(warnings('')).toEqual([])
    })

    it('tells once of one that came before it, by its name, and comes first again with the next process', async () => {
      const pinDirectory = join(folder, 'first')
      const { router, warnings } = await openNear({ pinDirectory })
      const detach = await attachForeign(true, { isFirst: true })
      expect(await ping('red', 1)).toContain(' 0 received')
      await looks(router, 2)
      const told = { uplink: 'up0', before: ['sweep by tcx'], remedy: expect.stringContaining('restart this process') }
      expect(warnings('see what comes in by the uplink first')).toEqual([told])
      expect(await foreign(router)).toEqual(['sweep: ingress of uplink up0 by tcx, before ours'])
      await router.close({ keep: true })

      const { router: next, warnings: ofNext } = await openNear({ pinDirectory })
      // The one that was there ends a little later.
      await expect.poll(order).toEqual(['ingress by tcx', 'sweep by tcx'])
      expect(await ping()).toContain(' 2 received')
      await looks(next, 1)
      expect(ofNext('')).toEqual([])
      expect(readdirSync(pinsOf(pinDirectory)).filter((name) => name.includes('uplink'))).toEqual(['uplink'])
      await detach()
      await next.close()
      expect([order(), existsSync(pinDirectory) && readdirSync(pinDirectory)]).toEqual([[], []])
    })

    it('tells anew of one that came back', async () => {
      const { router, warnings } = await openNear()
      for (const count of [1, 2]) {
        const detach = await attachForeign(false, { isFirst: true })
        await expect.poll(() => warnings('first').length).toBe(count)
        await detach()
        await looks(router, 1)
      }
      expect(warnings('first').length).toBe(2)
    })

    it('takes the first place from behind one that passes packets on, and no packet is lost or comes twice', async () => {
      const pinDirectory = join(folder, 'hitless')
      const { router } = await openNear({ pinDirectory })
      await attachForeign(false, { isFirst: true })
      expect(order()).toEqual(['sweep by tcx', 'ingress by tcx'])
      const end = flood()
      await expect.poll(() => ping()).toContain(' 2 received')
      await router.close({ keep: true })
      await openNear({ pinDirectory })
      await expect.poll(order).toEqual(['ingress by tcx', 'sweep by tcx'])
      expect(await end()).toEqual({ answers: expect.any(Number), lost: 0, twice: 0 })
    })

    it.each(['before the former one has ended', 'once its pin was renamed'])(
      'is there once, and first, when a process ended that was taking the first place: %s',
      async (when) => {
        const pinDirectory = join(folder, when.replaceAll(' ', '-'))
        const pin = (name: string): string => join(pinsOf(pinDirectory), name)
        const { router } = await openNear({ pinDirectory })
        await attachForeign(true, { isFirst: true })
        const place = { program: 'ingress', namespace: netns, ifindex, usesTcx: true, isFirst: true, pin: pin('next-uplink') }
        await router.close({ keep: true })
        const killed = openAside(pinDirectory)
        await callAsync(() => killed.attach(place))
        call(() => killed.close())
        expect(order()).toEqual(['ingress by tcx', 'sweep by tcx', 'ingress by tcx'])
        expect(await ping()).toContain(' 2 received')
        if (when.includes('renamed')) renameSync(pin('next-uplink'), pin('uplink'))

        const { router: next } = await openNear({ pinDirectory })
        await expect.poll(order).toEqual(['ingress by tcx', 'sweep by tcx'])
        expect(await ping()).toContain(' 2 received')
        expect(readdirSync(pinsOf(pinDirectory)).filter((name) => name.includes('uplink'))).toEqual(['uplink'])
        await next.close()
        expect(order()).toEqual(['sweep by tcx'])
      },
    )

    /** The programs once more, with the tables that are pinned. */
    function openAside(pinDirectory: string): NativeObject {
      const sizes = mapSizes(capacityOf({ ...CAPACITY, ports: undefined }))
      return call((native) => native.objectLoad(readBpfObject(), sizes, pinsOf(pinDirectory)))
    }
  })

  describe('by filters of clsact', () => {
    const options = { without: ['tcx'] } as const
    const delQdisc = (device: string): string => inSite(`tc qdisc delete dev ${device} clsact`)
    const deviceOf = (port: number): string => {
      const found = new RegExp(`: (hd[0-9a-z]+-${port.toString(36)})@`).exec(inSite('ip -o link show'))
      return found?.[1] ?? ''
    }

    it('tells once of a filter that comes before it', async () => {
      const { router, warnings } = await openNear(options)
      inSite('tc filter add dev up0 ingress pref 7 protocol all bpf bytecode', '1,6 0 0 0')
      await looks(router, 2)
      const told = {
        uplink: 'up0',
        before: [expect.stringContaining(' by clsact')],
        remedy: expect.stringContaining('preference above 49'),
      }
      expect(warnings('see what comes in by the uplink first')).toEqual([told])
      expect(await foreign(router)).toEqual([expect.stringMatching(/by clsact, before ours$/)])
      expect(await ping()).toContain(' 2 received')
      inSite('tc filter delete dev up0 ingress pref 7')
      inSite('tc filter add dev up0 ingress pref 70 protocol all bpf bytecode', '1,6 0 0 0')
      expect(await foreign(router)).toEqual([expect.stringMatching(/by clsact, behind ours$/)])
      inSite('tc filter delete dev up0 ingress pref 70')
    })

    // It stayed away for good, and nobody said so.
    it.each([undefined, 'taken'])(
      'is attached anew on the uplink, with a warning, when somebody has deleted its qdisc (pins: %s)',
      async (name) => {
        const pins = name === undefined ? {} : { pinDirectory: join(folder, name) }
        const { router, warnings } = await openNear({ ...options, ...pins })
        expect(await ping()).toContain(' 2 received')
        for (let count = 1; count <= 2; count++) {
          delQdisc('up0')
          await expect.poll(order).toEqual(['ingress by clsact'])
          await expect.poll(() => warnings('took the program on the uplink away').length).toBe(count)
          expect(await ping()).toContain(' 2 received')
        }
        expect(warnings('took the program')[0]).toEqual({ uplink: 'up0', program: 'ingress' })
        if (name !== undefined) {
          await router.close({ keep: true })
          expect(await ping()).toContain(' 2 received')
          const { router: next } = await openNear({ ...options, ...pins })
          await next.close()
        } else await router.close()
        expect(hasQdisc('up0')).toBe(false)
      },
    )

    it.each([undefined, 'theirs'])('leaves a qdisc to somebody who has made it in place of its own (pins: %s)', async (name) => {
      const pins = name === undefined ? {} : { pinDirectory: join(folder, name) }
      const { router } = await openNear({ ...options, ...pins })
      delQdisc('up0')
      inSite('tc qdisc add dev up0 clsact')
      await expect.poll(order).toEqual(['ingress by clsact'])
      if (name !== undefined) {
        await router.close({ keep: true })
        const { router: next } = await openNear({ ...options, ...pins })
        await next.close()
      } else await router.close()
      expect([order(), hasQdisc('up0')]).toEqual([[], true])
      delQdisc('up0')
    })

    // What the endpoint sent was the host's, who judged nothing of it.
    it.each<[string, Partial<EbpfDataplaneOptions>]>([
      ['without tcx', options],
      ['before they are moved to tcx', {}],
    ])('is attached anew on devices of endpoints, with a warning each (%s)', async (_, some) => {
      const pinDirectory = join(folder, `devices-${some.without?.join() ?? ''}`)
      const { router, warnings } = await openNear({ ...some, pinDirectory })
      for (const port of PORTS) expect(hasQdisc(deviceOf(port))).toBe(true)
      for (const port of PORTS) delQdisc(deviceOf(port))
      await expect.poll(() => warnings("took a device's program away")).toEqual(PORTS.map((port) => ({ port, program: 'egress' })))
      for (const kind of ['red', 'blue']) expect(await ping(kind)).toContain(' 2 received')
      expect(readdirSync(pinsOf(pinDirectory)).filter((name) => name.startsWith('link-'))).toEqual(['link-0', 'link-1'])
      await looks(router, 1)
      expect(warnings("device's").length).toBe(2)
      expect(warnings('gone')).toEqual([])
    })

    it('is not attached to another device that has the number of one that has gone', async () => {
      const { router, warnings } = await openNear(options)
      const [{ ifindex: index }] = JSON.parse(inSite(`ip -j link show ${deviceOf(0)}`)) as [{ ifindex: number }]
      const look = vi.spyOn(router.parts.ports, 'look').mockResolvedValue()
      inSite(`ip link delete ${deviceOf(0)}`)
      inSite(`ip link add other0 index ${index} type veth peer name other1`)
      await looks(router, 1)
      expect(call((native) => native.programsOn(netns, index))).toEqual([])
      inSite('ip link delete other0')
      look.mockRestore()
      await expect.poll(() => warnings('A device is gone')).toEqual([{ port: 0 }])
      expect(warnings("device's")).toEqual([])
    })

    it('is attached anew on all devices in turn, of which some are looked at each time', async () => {
      const { router, warnings } = await openNear(options)
      const ids = Array.from({ length: 40 }, (_, index) => 100 + index)
      const port = (id: number): PortObject => ({ id, kind: 'endpoint', vrf: 0, allowedSources: [], gateways: [], mtu: 1400 })
      await router.apply({ ...emptyTransaction(++generation), ports: { set: ids.map(port), remove: [] } })
      for (const id of ids) {
        await router.attachPort(id, { netns: sites.path('others-red-a'), ifname: `eth${id}`, addresses: [], mtu: 1400 })
      }
      const lost = vi.spyOn(router.parts.maps.object, 'lost')
      const devices = ids.map((id) => deviceOf(id))
      for (const device of devices) delQdisc(device)
      const restored = (): number[] => warnings("took a device's program away").map((fields) => (fields as { port: number }).port)
      await expect.poll(() => restored().toSorted((a, b) => a - b)).toEqual(ids)
      for (const device of devices) expect(hasQdisc(device)).toBe(true)
      const asked = lost.mock.calls.map(([numbers]) => numbers.length)
      expect(Math.max(...asked)).toBeLessThan(PORTS.length + ids.length)
    })
  })
})
