import { RouteBatch, type DataplaneState, type FibTransaction, type MirrorObject, type PortObject } from '@heddle/core'
import { comparable } from '@heddle/dataplane-conformance'
import { ebpfDataplane, EbpfVerifierError, type EbpfAttachment, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { LinuxError } from '@heddle/linux'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { BPF_OBJECT } from '../src/bpf-object.js'
import { LAYOUT_VERSION } from '../src/layout/structs/config.js'
import { call } from '../src/native/call.js'
import { MOUNTED, pinsOf } from '../src/pins.js'
import { ebpfFeatures } from '../src/probe.js'
import { lacksAsking, leftOf, openHere, type Numbers } from './support/in-kernel.js'
import { missing, titled } from './support/requirements.js'
import { LOCAL, PEERS, RouterNamespace } from './support/router.js'
import { codeOf, isMounted, PODS, podTransaction, RouterLab } from './support/router-lab.js'
import { unlikeDump } from './support/unlike-dump.js'

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)

const SECOND_AGENT = fileURLToPath(new URL('support/second-agent.ts', import.meta.url))

/** The two endpoints, and a tunnel to a peer. */
function transaction(generation: number): FibTransaction {
  const pods = podTransaction(generation)
  pods.routes.push(1, IpPrefix.parse('fd00::/64'), 2)
  const tunnel = {
    type: 'tunnel',
    encapsulation: 'mpls-udp',
    local: LOCAL[4],
    remote: PEERS[4][0],
    labels: [100, 200],
    ttlModel: 'pipe',
    trafficClassModel: 'uniform',
  } as const
  return {
    ...pods,
    nextHops: { set: [...pods.nextHops.set, { id: 2, action: tunnel }], remove: [] },
    groups: { set: [...pods.groups.set, { id: 2, members: [{ nextHop: 2, weight: 1 }], seed: 7 }], remove: [] },
    tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.parse('192.0.2.0/28'), IpPrefix.of(PEERS[6][0])] }], remove: [] },
    labels: { set: [{ label: 1001, action: { type: 'pop-lookup', vrf: 1 }, sources: 1 }], remove: [] },
  }
}

const withoutDevices = ({ generation, ...state }: DataplaneState): unknown => ({ generation, ...comparable(state) })

describe.skipIf(missing() !== '')(titled('the life of an eBPF dataplane'), () => {
  const lab = new RouterLab('life')

  it('forwards on behind close({ keep: true }); the next one takes tables, counters, devices and generation over', async () => {
    const pinDirectory = lab.path('kept')
    const first = await lab.open({ pinDirectory })
    expect(first.capabilities.survivesClose).toBe(true)
    await first.apply(transaction(41))
    await lab.attach(first, 0)
    await lab.attach(first, 1)
    expect(await lab.ping()).toContain(' 2 received')
    const before = await first.dump()
    await first.close({ keep: true })
    expect(await lab.ping()).toContain(' 2 received')

    const second = await lab.open({ pinDirectory })
    const after = await second.dump()
    expect(await unlikeDump(second)).toEqual([])
    expect(withoutDevices(after)).toEqual(withoutDevices(before))
    expect(after.generation).toBe(41)
    expect(after.devices).toEqual(before.devices)
    expect(await lab.ping()).toContain(' 2 received')
    const { portIds, ports } = await second.counters()
    expect(ports[portIds.indexOf(0) * 5]).toBeGreaterThanOrEqual(6)

    // It judges by what it took over, and changes it.
    expect((await second.apply({ ...emptyTransaction(42), groups: { set: [], remove: [1] } })).status).toBe('refused')
    const routes = new RouteBatch()
    routes.push(1, IpPrefix.of(PODS[1]), 0xffffffff)
    expect((await second.apply({ ...emptyTransaction(43), routes })).status).toBe('applied')
    expect(await lab.ping(1)).toContain(' 0 received')
    await second.detachPort(1)
    await second.close()
    expect(isMounted(pinDirectory)).toBe(false)
    expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
  })

  it('judged on as if nothing was there, when a transaction broke off half written', async () => {
    const router = await lab.open()
    const { maps, tables } = router.parts
    const broken = new TypeError('what nobody foresaw')
    const tell = vi.spyOn(tables.policies, 'tell').mockImplementationOnce(() => {
      throw broken
    })
    const forget = vi.spyOn(maps, 'forgetDecisions')
    await expect(router.apply(transaction(1))).rejects.toBe(broken)
    expect(forget.mock.invocationCallOrder.at(-1)).toBeGreaterThan(tell.mock.invocationCallOrder[0])
    // Its VRF and its group are in the kernel.
    const routes = new RouteBatch()
    routes.push(1, IpPrefix.of(PODS[0]), 0)
    expect(await router.apply({ ...emptyTransaction(2), routes })).toMatchObject({ status: 'applied', failures: [] })
  })

  it('gives an endpoint a device that needs no neighbour, no gateway and no forwarding host', async () => {
    const router = await lab.open()
    await router.apply(transaction(1))
    await lab.attach(router, 0)
    const facts = await router.attachPort(1, {
      netns: lab.podNetns(1),
      ifname: 'eth0',
      addresses: [PODS[1], IpAddress.parse('fd00::2')],
      mtu: 1400,
    })
    expect(facts).toMatchObject({ mtu: 1400, mac: MacAddress.parse('02:58:0a:01:00:02') })
    const inPod = (...words: string[]): string => lab.inPod(1, 'ip', ...words)
    expect(inPod('-o', 'link', 'show', 'eth0')).toMatch(/<[^>]*NOARP[^>]*UP[^>]*> mtu 1400 .*link\/ether 02:58:0a:01:00:02/)
    expect(inPod('-o', 'address', 'show', 'eth0')).toMatch(/inet 10\.1\.0\.2\/32[^]*inet6 fd00::2\/128/)
    expect(inPod('-o', 'address', 'show', 'eth0')).not.toMatch(/tentative|fe80/)
    expect([inPod('route', 'show'), inPod('-6', 'route', 'show', 'default')]).toEqual([
      expect.stringMatching(/^default dev eth0/),
      expect.stringMatching(/^default dev eth0/),
    ])
    // The programs carry packets whatever the host would do with them.
    lab.inHost('sysctl', '-qw', 'net.ipv4.ip_forward=0', 'net.ipv4.conf.all.rp_filter=1', 'net.ipv4.conf.all.proxy_arp=0')
    expect(await lab.ping()).toContain(' 2 received')
    expect(inPod('neighbour', 'show', 'nud', 'reachable')).toBe('')
    expect(lab.inHost('ip', '-o', 'address', 'show')).not.toMatch(/: hd/)
  })

  it('does the same by filters of clsact, and leaves no qdisc behind that it has made', async () => {
    const pinDirectory = lab.path('clsact')
    const qdiscs = (): string => lab.inHost('tc', 'qdisc', 'show')
    const first = await lab.open({ pinDirectory, without: ['tcx'], devices: 'veth' })
    expect(first.choice).toMatchObject({ uplink: 'clsact', endpoints: 'clsact' })
    await first.apply(transaction(1))
    await lab.attach(first, 0)
    await lab.attach(first, 1)
    expect(await lab.ping()).toContain(' 2 received')
    await first.close({ keep: true })
    expect(await lab.ping()).toContain(' 2 received')

    const second = await lab.open({ pinDirectory, without: ['tcx'], devices: 'veth' })
    expect(await lab.ping()).toContain(' 2 received')
    await second.close({ keep: true })
    // From one to the other and back, no packet is seen twice.
    const turns: readonly (readonly EbpfFeatureName[])[] = hasTcx ? [['clsact'], ['tcx'], [], ['clsact'], []] : [['tcx']]
    let isByFilters = true
    for (const without of turns) {
      const next = await lab.open({ pinDirectory, without, devices: 'veth' })
      const of = (wanted: EbpfAttachment, other: EbpfAttachment): EbpfAttachment => (without.includes(wanted) ? other : wanted)
      const choice = { uplink: of('tcx', 'clsact'), endpoints: of('clsact', 'tcx') }
      expect(next.choice).toMatchObject(choice)
      const devices = [...qdiscs().matchAll(/^qdisc clsact \S+ dev (\S+)/gm)].map(([, device]) =>
        device === 'up0' ? 'uplink' : 'endpoint',
      )
      // What is on tcx already stays there.
      isByFilters = without.includes('tcx') || (isByFilters && !without.includes('clsact'))
      expect(devices.toSorted()).toEqual([
        ...(isByFilters ? ['endpoint', 'endpoint'] : []),
        ...(choice.uplink === 'clsact' ? ['uplink'] : []),
      ])
      const before = (await next.counters()).ports[0]
      expect(await lab.ping()).toContain(' 2 received')
      expect((await next.counters()).ports[0] - before).toBe(2)
      await next.close({ keep: true })
    }
    await (await lab.open({ pinDirectory, without: ['tcx'], devices: 'veth' })).close()
    expect(qdiscs()).not.toContain('clsact')
  })

  it('forgets a device that went away while nobody looked', async () => {
    const pinDirectory = lab.path('gone')
    const first = await lab.open({ pinDirectory })
    await first.apply(transaction(1))
    await lab.attach(first, 0)
    await first.close({ keep: true })
    lab.inPod(0, 'ip', 'link', 'delete', 'eth0')
    const second = await lab.open({ pinDirectory })
    expect((await second.dump()).devices).toEqual([])
    expect(existsSync(join(pinDirectory, `layout-${LAYOUT_VERSION}`, 'link-0'))).toBe(false)
    // Its number may become that of another device.
    for (const map of ['links', 'devices', 'requests']) expect([map, [...second.parts.maps.entries(map)]]).toEqual([map, []])
    await second.close()
  })

  // It was deaf until it was attached again: nothing told which port it is of.
  it('hears an endpoint whose device was half written down by a process that ended', async () => {
    const pinDirectory = lab.path('half-written')
    const first = await lab.open({ pinDirectory })
    await first.apply(transaction(1))
    for (const port of PODS.keys()) await lab.attach(first, port)
    const { maps } = first.parts
    for (const [index, port] of maps.numbered('devices')) if (port[0] === 0) maps.delete('devices', index)
    expect(await lab.ping(1)).toContain(' 0 received')
    await first.close({ keep: true })
    const second = await lab.open({ pinDirectory })
    expect(await lab.ping()).toContain(' 2 received')
    await second.close()
  })

  it('can be closed when its namespace has gone, with all that was there', async () => {
    const pinDirectory = lab.path('ended')
    const gone = new RouterNamespace('life-ends')
    try {
      const router = await gone.open({ pinDirectory, xdp: 'native' })
      const vnis = { set: [{ vni: 7, vrf: 1, routerMac: MacAddress.parse('02:00:00:00:00:01'), sources: 1 }], remove: [] }
      expect(await router.apply({ ...transaction(1), vnis })).toMatchObject({ status: 'applied', failures: [] })
      await lab.attach(router, 0)
      gone.close()
      await router.close()
      expect(isMounted(pinDirectory)).toBe(false)
      await expect.poll(() => lab.inPod(0, 'ip', '-o', 'link')).not.toContain('eth0')
    } finally {
      gone.close()
    }
  })

  /** What the kernel has in the namespaces of the router and of an endpoint, and where its pins are. */
  const inventory = (pinDirectory: string): unknown => {
    const everywhere = (...command: string[]): string[] => [lab.inHost(...command), lab.inPod(0, ...command)]
    const links = everywhere(...'ip -d -j link'.split(' ')).map((text) => {
      const found = JSON.parse(text) as { ifname: string; mtu: number; xdp?: unknown }[]
      return found.map(({ ifname, mtu, xdp }) => ({ ifname, mtu, xdp: xdp !== undefined }))
    })
    const words = ['tc qdisc', 'ip -4 rule', 'ip -6 rule', 'ip -4 route show table all', 'ip -6 route show table all']
    // The uplink looks for duplicates of its own addresses meanwhile.
    const rest = words.map((line) => everywhere(...line.split(' ')).map((text) => text.replaceAll(/^.*fe80::.*\n/gm, '')))
    const pins = existsSync(pinDirectory) ? readdirSync(pinDirectory) : []
    return { links, rest, pins, isMounted: isMounted(pinDirectory) }
  }

  it.each<[EbpfFeatureName[]]>(hasTcx ? [[[]], [['tcx']]] : [[['tcx']]])(
    `takes everything away with close(): programs, maps, devices, pins, the file system (without %s)${lacksAsking === '' ? '' : `, the kernel not asked: ${lacksAsking}`}`,
    async (without) => {
      const pinDirectory = lab.path(`closed-${without.join()}`)
      const before = inventory(pinDirectory)
      const ours = await openAndClose(pinDirectory, without, before)
      expect(isMounted(pinDirectory)).toBe(false)
      expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
      expect(existsSync(join(pinDirectory, `layout-${LAYOUT_VERSION}`))).toBe(false)
      // Links go a little later than their names.
      await expect.poll(() => inventory(pinDirectory)).toEqual(before)
      if (lacksAsking === '') await expect.poll(() => leftOf(ours)).toEqual({ programs: [], maps: [] })
    },
  )

  /** What a router had in the kernel, of which nothing here holds anything any more. */
  async function openAndClose(pinDirectory: string, without: readonly EbpfFeatureName[], before: unknown): Promise<Numbers> {
    const router = await lab.open({ pinDirectory, without, xdp: 'native' })
    await router.apply({
      ...transaction(1),
      vnis: { set: [{ vni: 7, vrf: 1, routerMac: MacAddress.parse('02:00:00:00:00:01'), sources: 1 }], remove: [] },
    })
    await lab.attach(router, 0)
    expect(isMounted(pinDirectory)).toBe(true)
    expect(inventory(pinDirectory)).not.toEqual(before)
    const ours = openHere()
    const { programs, maps } = router.inspect()
    expect([new Set(ours.programs).size, new Set(ours.maps).size]).toEqual([programs.length, maps.length])
    if (lacksAsking === '') expect(leftOf(ours)).toEqual(ours)
    await lab.close(router)
    return ours
  }

  it('leaves no file system and no pin behind when it cannot be opened, and lets be what was there', async () => {
    const [fresh, kept] = [lab.path('refused'), lab.path('refused-later')]
    const first = await lab.open({ pinDirectory: kept })
    await first.apply(transaction(1))
    await first.close({ keep: true })
    process.env['HEDDLE_EBPF_OBJECT_PATH'] = lab.path('no-such-object')
    try {
      for (const pinDirectory of [fresh, kept]) expect(await codeOf(lab.open({ pinDirectory }))).toBe('dataplane.device')
    } finally {
      delete process.env['HEDDLE_EBPF_OBJECT_PATH']
    }
    expect([fresh, kept].map(isMounted)).toEqual([false, true])
    expect((await (await lab.open({ pinDirectory: kept })).dump()).generation).toBe(1)
  })

  // The tables of the other layout were taken away first.
  it('lets go on what a version with other layouts has left, when it cannot be opened', async () => {
    const pinDirectory = lab.path('older-refused')
    const older = await lab.open({ pinDirectory })
    await older.apply(transaction(7))
    for (const port of PODS.keys()) await lab.attach(older, port)
    await older.close({ keep: true })
    const [layout, other] = [LAYOUT_VERSION, LAYOUT_VERSION - 1].map((version) => join(pinDirectory, `layout-${version}`))
    renameSync(layout, other)
    const pins = readdirSync(other)
    process.env['HEDDLE_EBPF_OBJECT_PATH'] = lab.path('refused-later.o')
    writeFileSync(lab.path('refused-later.o'), withFirstInstruction(readFileSync(BPF_OBJECT), [0x95, 0, 0, 0, 0, 0, 0, 0]))
    try {
      expect(await codeOf(lab.open({ pinDirectory }))).toBe('dataplane.device')
    } finally {
      delete process.env['HEDDLE_EBPF_OBJECT_PATH']
    }
    expect([existsSync(layout), readdirSync(other)]).toEqual([false, pins])
    expect(await lab.ping()).toContain(' 2 received')
    renameSync(other, layout)
    const again = await lab.open({ pinDirectory })
    expect((await again.dump()).generation).toBe(7)
    await again.close()
  })

  // udev gave the router's end another address than the one that was noted.
  it('makes devices with MAC addresses that udev leaves as they are', async () => {
    const router = await lab.open()
    await router.apply(transaction(1))
    await router.attachPort(0, { netns: lab.podNetns(0), ifname: 'eth0', addresses: [], mtu: 1400 })
    await lab.attach(router, 1)
    const given = '3' // NET_ADDR_SET
    const ends = Array.from(lab.inHost('ip', '-o', 'link').matchAll(/: (hd\w+-\w+)@/g), ([, name]) => name)
    expect(ends).toHaveLength(2)
    const read = (place: (...words: string[]) => string, device: string): string =>
      place('cat', `/sys/class/net/${device}/addr_assign_type`).trim()
    expect(ends.map((end) => read((...words) => lab.inHost(...words), end))).toEqual([given, given])
    for (const port of PODS.keys()) expect(read((...words) => lab.inPod(port, ...words), 'eth0')).toBe(given)
    const macs = (JSON.parse(lab.inHost('ip', '-j', 'link')) as { ifname: string; address: string }[])
      .filter(({ ifname }) => ends.includes(ifname))
      .map(({ address }) => MacAddress.parse(address))
    expect(macs.map(({ isMulticast, high }) => [isMulticast, (high >> 17) & 1])).toEqual([
      [false, 1],
      [false, 1],
    ])
    expect(macs[0].equals(macs[1])).toBe(false)
    await router.close()
  })

  // As long as any link was gone, nothing was told at all: just when it is wanted.
  it('tells what it has in the kernel while a link is gone, and which', async () => {
    const router = await lab.open()
    await router.apply(transaction(1))
    for (const port of PODS.keys()) await lab.attach(router, port)
    vi.spyOn(router.parts.ports, 'look').mockResolvedValue()
    lab.inPod(0, 'ip', 'link', 'delete', 'eth0')
    const { parts } = await router.inspectKernel()
    expect(parts.flatMap(({ kind, name, details }) => (kind === 'link' ? [[name.slice(0, 6), details]] : []))).toEqual([
      ['uplink', expect.stringMatching(/^ingress by /)],
      ['port 0', 'the link is gone'],
      ['port 1', expect.stringMatching(/^ingress by /)],
    ])
    await router.close()
  })

  it('tells of a device whose namespace ends', async () => {
    const router = await lab.open()
    await router.apply(transaction(1))
    lab.space.namespaces.add('life-short')
    await router.attachPort(0, { netns: lab.space.namespaces.path('life-short'), ifname: 'eth0', addresses: [PODS[0]], mtu: 1400 })
    const events = router.events[Symbol.asyncIterator]()
    lab.space.namespaces.delete('life-short')
    expect((await events.next()).value).toMatchObject({ type: 'port-down', port: 0 })
    await router.close()
  })

  it('has an uplink to itself: a second one is dataplane.busy', async () => {
    const router = await lab.open()
    expect(await codeOf(lab.open())).toBe('dataplane.busy')
    await router.close()
    await (await lab.open()).close()
  })

  describe('beside another uplink', () => {
    beforeAll(() => {
      lab.inHost(...'ip link add other0 type veth peer name other1'.split(' '))
      for (const link of ['other0', 'other1']) lab.inHost('ip', 'link', 'set', link, 'up')
    })
    afterAll(() => lab.inHost('ip', 'link', 'delete', 'other0'))

    // Each was refused: it had the name that came with the uplink before.
    it('gives endpoints that it takes over their devices again', async () => {
      const pinDirectory = lab.path('uplinks')
      const first = await lab.open({ pinDirectory })
      await first.apply(transaction(1))
      for (const port of PODS.keys()) await lab.attach(first, port)
      const { devices } = await first.dump()
      await first.close({ keep: true })
      const second = await lab.open({ pinDirectory, uplink: 'other0' })
      for (const port of PODS.keys()) await lab.attach(second, port)
      expect((await second.dump()).devices).toEqual(devices)
      expect(await lab.ping()).toContain(' 2 received')
      await second.close()
      expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
    })

    /** Names of the router's ends of devices. */
    const ends = (): string[] => Array.from(lab.inHost('ip', '-o', 'link').matchAll(/: (hd\w+-\w+)@/g), ([, name]) => name)

    // Neither the name nor the address was the one that was known: none was taken over, and none could be made in its place.
    it('knows devices by the names that they have from the one before, whatever MAC address udev has given them', async () => {
      const pinDirectory = lab.path('renumbered')
      const first = await lab.open({ pinDirectory })
      await first.apply(transaction(1))
      for (const port of PODS.keys()) await lab.attach(first, port)
      const { devices } = await first.dump()
      await first.close({ keep: true })
      for (const [port, end] of ends().entries()) lab.inHost('ip', 'link', 'set', end, 'address', `02:00:00:00:00:7${port}`)
      // A second time, when the names are those of no uplink that tables were of.
      for (let time = 0; time < 2; time++) {
        const router = await lab.open({ pinDirectory, uplink: 'other0' })
        expect((await router.dump()).devices).toEqual(devices)
        expect(await lab.ping()).toContain(' 2 received')
        await router.close({ keep: true })
      }
      const last = await lab.open({ pinDirectory, uplink: 'other0' })
      for (const port of PODS.keys()) await lab.attach(last, port)
      expect(await lab.ping()).toContain(' 2 received')
      await last.close()
      expect(ends()).toEqual([])
    })

    // It stayed for good, and its endpoint had no other: its name was that of an uplink that nobody had any more.
    it.each([false, true])('takes away what nobody knows of the one before, unless another dataplane has that (%s)', async (isTaken) => {
      const pinDirectory = lab.path(`unclaimed-${isTaken}`)
      const first = await lab.open({ pinDirectory })
      await first.apply(transaction(1))
      for (const port of PODS.keys()) await lab.attach(first, port)
      const { maps } = first.parts
      // As a process leaves it that ends before it has written the device down.
      for (const map of ['links', 'requests']) maps.delete(map, 1)
      await first.close({ keep: true })
      const other = isTaken ? await lab.open() : undefined
      const devices = (): number => [...lab.inHost('ip', '-o', 'link').matchAll(/: hd\w+-/g)].length
      const merger = (): boolean => /: hd\w+joint/.test(lab.inHost('ip', '-o', 'link'))
      const second = await lab.open({ pinDirectory, uplink: 'other0' })
      expect(devices()).toBe(isTaken ? 2 : 1)
      if (!isTaken) {
        for (const port of PODS.keys()) await lab.attach(second, port)
        expect(await lab.ping()).toContain(' 2 received')
      }
      await second.close()
      expect([devices(), merger()]).toEqual([isTaken ? 1 : 0, isTaken && other?.parts.mergers.joint.isMerging === true])
      await other?.close()
      expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
    })

    // It was given to the one that it left, by the pin that was beside its own.
    it.skipIf(!hasTcx)(
      titled('has its program, where a move from a filter to tcx broke off on the one before', hasTcx ? '' : 'needs tcx'),
      async () => {
        const pinDirectory = lab.path('broken-off')
        await (await lab.open({ pinDirectory })).close({ keep: true })
        const pins = pinsOf(pinDirectory)
        renameSync(join(pins, 'uplink'), join(pins, 'next-uplink'))
        const second = await lab.open({ pinDirectory, uplink: 'other0' })
        const links = JSON.parse(lab.inHost('ip', '-j', 'link')) as { ifname: string; ifindex: number }[]
        const on = (wanted: string): string[] =>
          links
            .filter(({ ifname }) => ifname === wanted)
            .flatMap(({ ifindex }) => call((native) => native.programsOn(lab.netns, ifindex)).map(({ name }) => name))
        expect(on('other0')).toEqual(['ingress'])
        await expect.poll(() => on('up0')).toEqual([])
        await second.close()
      },
    )

    // The second one wrote the tables of the first, and took its program off the uplink.
    it('has a directory of pins to itself: a second one gets dataplane.busy', async () => {
      const pinDirectory = lab.path('shared')
      const first = await lab.open({ pinDirectory })
      await first.apply(transaction(7))
      const [{ ifindex }] = JSON.parse(lab.inHost(...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
      const programs = (): string[] => call((native) => native.programsOn(lab.netns, ifindex)).map(({ name }) => name)
      const before = programs()
      expect(await codeOf(lab.open({ pinDirectory, uplink: 'other0' }))).toBe('dataplane.busy')
      expect([programs(), (await first.dump()).generation]).toEqual([before, 7])
      await first.close({ keep: true })
      await (await lab.open({ pinDirectory, uplink: 'other0' })).close()
      expect(isMounted(pinDirectory)).toBe(false)
    })
  })

  // Neither heard of the other, and both wrote the same tables.
  it('has a directory of pins to itself, whichever network namespace another process is in', async () => {
    const pinDirectory = lab.path('across')
    const first = await lab.open({ pinDirectory })
    await first.apply(transaction(7))
    const argv = [`--net=${lab.podNetns(1)}`, process.execPath, ...RUN_SOURCES, SECOND_AGENT, pinDirectory]
    // What Node.js says when it breaks is told, and by what signal: it has broken in emulated machines.
    const second = (): unknown => {
      const { stdout, stderr, status, signal } = spawnSync('nsenter', argv, { encoding: 'utf8' })
      return status === 0 ? stdout : { stdout, stderr, status, signal }
    }
    expect(second()).toBe('dataplane.busy')
    expect((await first.dump()).generation).toBe(7)
    await first.close()
    expect(second()).toBe('opened')
    expect(isMounted(pinDirectory)).toBe(false)
  })

  it('has its pins behind a link to a directory', async () => {
    const [directory, pinDirectory] = [lab.path('linked'), lab.path('link')]
    mkdirSync(directory)
    symlinkSync(directory, pinDirectory)
    const router = await lab.open({ pinDirectory })
    expect(isMounted(directory)).toBe(true)
    await router.close()
    expect(isMounted(directory)).toBe(false)
  })

  // The mark by which it is known came behind it.
  it('takes a file system away that a dataplane has mounted which ended before it did anything more', async () => {
    const pinDirectory = lab.path('mounted-only')
    expect(call((native) => native.bpffsEnsure(pinDirectory, MOUNTED))).toBe(true)
    await (await lab.open({ pinDirectory })).close()
    expect(isMounted(pinDirectory)).toBe(false)
  })

  it('refuses what it cannot be, by code', async () => {
    const addresses = [LOCAL[4]]
    const underlayNetns = lab.netns
    expect(await codeOf(ebpfDataplane({ addresses, uplink: 'none', underlayNetns }))).toBe('dataplane.device')
    const without = ['tcx', 'clsact'] as const
    expect(await codeOf(ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, without }))).toBe('dataplane.device')
    expect(await codeOf(ebpfDataplane({ addresses: [], uplink: 'up0', underlayNetns }))).toBe('dataplane.device')
    expect(await codeOf(ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, encapsulations: ['mpls'] }))).toBe('dataplane.device')
    expect(await codeOf(ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, pinDirectory: 'relative' }))).toBe('dataplane.device')
    const router = await lab.open()
    await router.apply(transaction(1))
    const request = { netns: '/run/netns/there-is-none', ifname: 'eth0', addresses: [], mtu: 1400 }
    expect(await codeOf(router.attachPort(0, request))).toBe('dataplane.netns-missing')
    expect(await codeOf(router.attachPort(0, { ...request, ifname: 'a/b' }))).toBe('dataplane.device')
    await router.close()
  })

  it('says what the verifier said of a program that it refuses, and of which instruction', async () => {
    const object = readFileSync(BPF_OBJECT)
    // `exit` first of all: the program returns what it never set.
    const changed = withFirstInstruction(object, [0x95, 0, 0, 0, 0, 0, 0, 0])
    const attempt = (): unknown => call((native) => native.objectLoad(changed, { fib: 1024, routes: 1 }))
    expect(attempt).toThrow(LinuxError)
    expect(attempt).toThrow(/load program 'egress': .*the verifier says:\n[^]*unreachable insn/)
    process.env['HEDDLE_EBPF_OBJECT_PATH'] = lab.path('refused.o')
    writeFileSync(lab.path('refused.o'), changed)
    try {
      const refused = await lab.open().catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(EbpfVerifierError)
      expect(refused).toMatchObject({ code: 'dataplane.device', program: 'egress', instruction: { index: 1 } })
    } finally {
      delete process.env['HEDDLE_EBPF_OBJECT_PATH']
    }
  })

  // An agent whose uplink had been gone looks at the tables that it comes back to, and ended by any other error.
  it('says by code that the kernel does not tell what it holds', async () => {
    const router = await lab.open()
    await router.apply(transaction(1))
    const refused = vi.spyOn(router.parts.maps, 'entries').mockImplementation(() => {
      throw new LinuxError('ENOMEM', 12, 'list a map', 'Cannot allocate memory')
    })
    try {
      await expect(router.dump()).rejects.toMatchObject({ code: 'dataplane.device', message: expect.stringContaining('ENOMEM') as string })
      await expect(router.counters()).rejects.toMatchObject({ code: 'dataplane.device' })
    } finally {
      refused.mockRestore()
    }
    expect((await router.dump()).generation).toBe(1)
    await router.close()
  })

  // One prefix too many behind one endpoint, or one endpoint too many in a mirror: with it nothing was programmed any more, whatever it was about.
  it('refuses objects that its maps have no room for, which stay as they are, and programs all others', async () => {
    const router = await lab.open()
    const sources = (count: number) => Array.from({ length: count }, (_, host) => IpPrefix.of(IpAddress.v4(0x0a000000 + host)))
    const port = (id: number, count: number): PortObject => ({
      id,
      kind: 'endpoint',
      vrf: 1,
      allowedSources: sources(count),
      gateways: [],
      mtu: 1400,
    })
    const mirror = (length: number): MirrorObject => ({
      id: 3,
      ports: Array.from({ length }, () => ({ port: 1, direction: 'both' })),
      sink: { type: 'stream' },
    })
    const failures = [{ object: { kind: 'port', key: '0' }, code: 'dataplane.limit' }]
    const first = await router.apply({
      ...transaction(1),
      ports: { set: [port(0, 17), port(1, 16)], remove: [] },
      mirrors: { set: [mirror(1)], remove: [] },
    })
    expect(first).toMatchObject({ status: 'applied', failures })
    const programmed = { ports: [port(1, 16)], mirrors: [mirror(1)], labels: transaction(1).labels.set }
    expect(await router.dump()).toMatchObject({ generation: 1, ...programmed })
    expect((await router.dump()).routes.count).toBe(transaction(1).routes.count)
    const second = await router.apply({
      ...emptyTransaction(2),
      vrfs: { set: [{ id: 2, name: 'green' }], remove: [] },
      ports: { set: [port(0, 17), port(1, 17)], remove: [1] },
      mirrors: { set: [mirror(500)], remove: [] },
    })
    expect(second.status).toBe('applied')
    expect(second.failures.map(({ object, code }) => `${object.kind} ${object.key} ${code}`)).toEqual([
      'mirror 3 dataplane.limit',
      'port 0 dataplane.limit',
      'port 1 dataplane.limit',
    ])
    const { vrfs, ...others } = await router.dump()
    expect(others).toMatchObject({ generation: 2, ...programmed })
    expect(new Set(vrfs.map(({ id }) => id))).toEqual(new Set([1, 2]))
    expect(await router.apply({ ...emptyTransaction(3), ports: { set: [port(0, 1)], remove: [] } })).toMatchObject({ failures: [] })
    expect((await router.dump()).ports).toHaveLength(2)
    await router.close()
  })
})

/** The object with another first instruction in its section of tc programs. */
function withFirstInstruction(object: Uint8Array, instruction: readonly number[]): Uint8Array {
  const copy = object.slice()
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength)
  const table = Number(view.getBigUint64(0x28, true))
  const [size, count, names] = [0x3a, 0x3c, 0x3e].map((at) => view.getUint16(at, true))
  const offset = (index: number): number => Number(view.getBigUint64(table + index * size + 0x18, true))
  for (let index = 0; index < count; index++) {
    const at = offset(names) + view.getUint32(table + index * size, true)
    if (new TextDecoder().decode(copy.subarray(at, at + 11)) === 'classifier\0') copy.set(instruction, offset(index))
  }
  return copy
}
