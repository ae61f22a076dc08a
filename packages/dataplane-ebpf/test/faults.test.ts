import type { FibTransaction } from '@heddle/core'
import { EbpfVerifierError, type EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger, type Logger } from '@heddle/io'
import { LinuxError, NativeUnavailableError, Netlink } from '@heddle/linux'
import { IpPrefix, MacAddress } from '@heddle/wire'
import { readdirSync, rmSync, symlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { afterEach, describe, expect, it, vi, type Mock } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { Ports } from '../src/device/ports.js'
import { hostNamesOf } from '../src/device/written-devices.js'
import { FibFullError } from '../src/fib/block-memory.js'
import { macOf } from '../src/layout/objects.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { Liveness } from '../src/liveness/liveness.js'
import { call } from '../src/native/call.js'
import { native } from '../src/native/load.js'
import { Mirrors } from '../src/observe/mirrors.js'
import { pinsOf } from '../src/pins.js'
import { ebpfFeatures } from '../src/probe.js'
import { KernelMaps } from '../src/tables/kernel-maps.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { codeOf, isMounted, PODS, podTransaction, RouterLab } from './support/router-lab.js'

const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)

describe.skipIf(missing() !== '')(titled('an eBPF dataplane to which something happens'), () => {
  const lab = new RouterLab('faults', { fibBlocks: 1024, routes: 1024 })

  it.each<[EbpfFeatureName[]]>(hasTcx ? [[['tcx']], [['clsact']]] : [[['tcx']]])(
    'has its program on a device that it makes anew for a request that it had, when somebody took the old one away (without %s)',
    async (without) => {
      const router = await lab.open({ pinDirectory: lab.path(`anew-${without[0]}`), without })
      await router.apply(podTransaction(1))
      for (const port of PODS.keys()) await lab.attach(router, port)
      // Whoever asks again comes before the next look.
      const look = vi.spyOn(Ports.prototype, 'look').mockResolvedValue()
      try {
        lab.inPod(0, 'ip', 'link', 'delete', 'eth0')
        await lab.attach(router, 0)
        expect(await lab.ping()).toContain(' 2 received')
        const { devices } = await router.dump()
        expect(devices.map(({ port }) => port)).toEqual([0, 1])
        const known = [...router.parts.maps.numbered('devices')].map(([index]) => index)
        const there = JSON.parse(lab.inHost('ip', '-j', 'link')) as { ifindex: number; ifname: string }[]
        const ours = there.filter(({ ifname }) => /^hd\w+-\w+$/.test(ifname))
        expect(new Set(known)).toEqual(new Set(ours.map(({ ifindex }) => ifindex)))
      } finally {
        look.mockRestore()
      }
    },
  )

  // It got another name, and was deleted.
  it('leaves a device alone that has the number of its own, when a path led to another namespace before it was opened', async () => {
    const netns = lab.path('adopted-pod')
    symlinkSync(lab.podNetns(0), netns)
    const pinDirectory = lab.path('led')
    const first = await lab.open({ pinDirectory })
    await first.apply(podTransaction(1))
    lab.inPod(0, ...'ip link add filler0 type veth peer name filler1'.split(' '))
    await first.attachPort(0, { netns, ifname: 'eth0', addresses: [PODS[0]], mtu: 1400 })
    const [{ ifindex }] = (await first.dump()).devices
    await first.close({ keep: true })
    lab.inPod(1, ...`ip link add other0 index ${ifindex} type veth peer name other1`.split(' '))
    rmSync(netns)
    symlinkSync(lab.podNetns(1), netns)
    try {
      const second = await lab.open({ pinDirectory })
      expect((await second.dump()).devices).toHaveLength(1)
      await second.detachPort(0)
      expect(lab.inPod(1, ...'ip -br link show other0'.split(' '))).toContain('other0@other1')
      await second.close()
      expect(lab.inPod(1, ...'ip -br link show other0'.split(' '))).toContain('other0@other1')
      await expect.poll(() => lab.inPod(0, ...'ip -br link'.split(' '))).not.toContain('eth0')
    } finally {
      rmSync(netns)
      lab.inPod(1, 'ip', 'link', 'delete', 'other0')
      lab.inPod(0, 'ip', 'link', 'delete', 'filler0')
    }
  })

  // It stayed in the host, up and without its program.
  it('takes a device away that got another name, when its path led to another namespace before it was opened', async () => {
    const netns = lab.path('renamed-pod')
    symlinkSync(lab.podNetns(0), netns)
    const request = { netns, ifname: 'eth0', addresses: [PODS[0]], mtu: 1400 }
    const pinDirectory = lab.path('led-renamed')
    try {
      const first = await lab.open({ pinDirectory })
      await first.apply(podTransaction(1))
      await first.attachPort(0, request)
      const index = new View(LINK, first.parts.maps.get('links', 0)).get('ifindex')
      await first.close({ keep: true })
      const name = new RegExp(`^${index}: ([^@:]+)`, 'm').exec(lab.inHost('ip', '-o', 'link'))?.[1] ?? ''
      for (const words of [`${name} down`, `${name} name renamed`, 'renamed up']) lab.inHost(...`ip link set ${words}`.split(' '))
      rmSync(netns)
      symlinkSync(lab.podNetns(1), netns)
      const second = await lab.open({ pinDirectory })
      await second.attachPort(0, request)
      expect(lab.inHost('ip', '-o', 'link')).not.toContain('renamed')
      expect((await second.dump()).devices).toMatchObject([{ port: 0 }])
      expect(lab.inPod(1, ...'ip -br link'.split(' '))).toContain('eth0')
      const rows = [...second.parts.maps.numbered('devices')].map(([device]) => device)
      expect(rows).toEqual([new View(LINK, second.parts.maps.get('links', 0)).get('ifindex')])
      await lab.close(second)
      expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: (hd|gone)/)
    } finally {
      rmSync(netns)
    }
    expect(lab.inPod(0, ...'ip -br link'.split(' '))).not.toContain('eth0')
  })

  it('takes devices over that got another MAC address, or another name, meanwhile', async () => {
    const pinDirectory = lab.path('changed')
    const first = await lab.open({ pinDirectory })
    await first.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(first, port)
    const indexes = [...PODS.keys()].map((port) => new View(LINK, first.parts.maps.get('links', port)).get('ifindex'))
    const names = indexes.map((index) => new RegExp(`^${index}: ([^@:]+)`, 'm').exec(lab.inHost('ip', '-o', 'link'))?.[1] ?? '')
    await first.close({ keep: true })
    lab.inHost(...`ip link set ${names[0]} address 02:00:00:00:00:77`.split(' '))
    lab.inHost(...`ip link set ${names[1]} down`.split(' '))
    lab.inHost(...`ip link set ${names[1]} name renamed up`.split(' '))
    const second = await lab.open({ pinDirectory })
    expect((await second.dump()).devices.map(({ port }) => port)).toEqual([...PODS.keys()])
    expect(await lab.ping()).toContain(' 2 received')
    await second.close()
    expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/renamed|: hd/)
  })

  // What the endpoint called its address by then was taken for another device's, whose name stayed taken.
  it("frees the name of an endpoint's end that it took over, whose MAC address the endpoint has changed", async () => {
    const pinDirectory = lab.path('own-address')
    const first = await lab.open({ pinDirectory })
    await first.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(first, port)
    await first.close({ keep: true })
    lab.inPod(0, ...'ip link set eth0 address 02:00:00:00:00:78'.split(' '))
    const second = await lab.open({ pinDirectory })
    expect((await second.dump()).devices.map(({ port }) => port)).toEqual([...PODS.keys()])
    for (const port of PODS.keys()) await second.detachPort(port)
    // The endpoint has the other port by now.
    const request = { netns: lab.podNetns(0), ifname: 'eth0', addresses: [PODS[1]], mtu: 1400 }
    expect(await codeOf(second.attachPort(1, request))).toBe('nothing')
    await second.close()
  })

  // It got this one's program, by whose tables its endpoint was another tenant's.
  it("leaves another dataplane's device alone that is of a port of the same number, and has the numbers that were written down", async () => {
    const pinDirectory = lab.path('numbers')
    lab.inHost(...'ip link add up2 type veth peer name up3'.split(' '))
    lab.inHost(...'ip link set up2 up'.split(' '))
    try {
      const first = await lab.open({ pinDirectory, without: ['tcx'] })
      await first.apply(podTransaction(1))
      await lab.attach(first, 0)
      const other = await lab.open({ uplink: 'up2' })
      await other.apply(podTransaction(1))
      await other.attachPort(0, { netns: lab.podNetns(1), ifname: 'eth0', addresses: [PODS[1]], mtu: 1400 })
      const theirs = new View(LINK, other.parts.maps.get('links', 0))
      const index = theirs.get('ifindex')
      const written = new View(LINK, first.parts.maps.get('links', 0)).set('ifindex', index)
      first.parts.maps.set('links', 0, written.set('peer_ifindex', theirs.get('peer_ifindex')).bytes)
      await first.close({ keep: true })
      const programs = (): number[] => call((native) => native.programsOn(lab.netns, index)).map(({ id }) => id)
      const before = programs()
      const second = await lab.open({ pinDirectory, without: ['tcx'] })
      expect([(await second.dump()).devices, programs()]).toEqual([[], before])
      await second.close()
      expect([programs(), (await other.dump()).devices.length]).toEqual([before, 1])
      await other.close()
      expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
    } finally {
      lab.inHost(...'ip link delete up2'.split(' '))
    }
  })

  // What came in by it was judged as an endpoint's, and it went with the port.
  it.each(['of its own', 'of that one'])(
    'leaves a device alone that has the number of one that has gone, and a MAC address %s',
    async (whose) => {
      const pinDirectory = lab.path(`number-${whose.length}`)
      const first = await lab.open({ pinDirectory })
      await first.apply(podTransaction(1))
      for (const port of PODS.keys()) await lab.attach(first, port)
      const view = new View(LINK, first.parts.maps.get('links', 0))
      const [index, mac] = [view.get('ifindex'), macOf(view.octets('mac'))]
      await first.close({ keep: true })
      lab.inPod(0, 'ip', 'link', 'delete', 'eth0')
      lab.inHost(
        ...`ip link add other0 index ${index} ${whose === 'of that one' ? `address ${mac} ` : ''}type veth peer name other1`.split(' '),
      )
      try {
        const second = await lab.open({ pinDirectory })
        expect((await second.dump()).devices.map(({ port }) => port)).toEqual([1])
        expect(call((native) => native.programsOn(lab.netns, index))).toEqual([])
        await lab.attach(second, 0)
        expect(await lab.ping()).toContain(' 2 received')
        await second.close()
        expect(lab.inHost(...'ip -br link show other0'.split(' '))).toContain('other0@other1')
      } finally {
        lab.inHost('ip', 'link', 'delete', 'other0')
      }
    },
  )

  // It could not be opened at all.
  it.each<[EbpfFeatureName[]]>(hasTcx ? [[['tcx']], [['clsact']]] : [[['tcx']]])(
    'takes over the other devices when one goes as it is taken over (without %s)',
    async (without) => {
      const pinDirectory = lab.path(`goes-${without[0]}`)
      const first = await lab.open({ pinDirectory, without })
      await first.apply(podTransaction(1))
      for (const port of PODS.keys()) await lab.attach(first, port)
      await first.close({ keep: true })
      const original = Reflect.get(KernelMaps.prototype, 'numbered')
      const numbered = vi.spyOn(KernelMaps.prototype, 'numbered').mockImplementation(function (this: KernelMaps, map) {
        // The links of the namespace were listed.
        if (map === 'links' && lab.inPod(0, 'ip', '-o', 'link').includes('eth0')) lab.inPod(0, 'ip', 'link', 'delete', 'eth0')
        return original.call(this, map)
      })
      try {
        const second = await lab.open({ pinDirectory, without })
        expect((await second.dump()).devices.map(({ port }) => port)).toEqual([1])
        for (const map of ['links', 'devices', 'requests']) expect([...second.parts.maps.entries(map)]).toHaveLength(1)
        expect(readdirSync(pinsOf(pinDirectory)).filter((name) => name.includes('link-'))).toEqual(['link-1'])
        await lab.attach(second, 0)
        expect(await lab.ping()).toContain(' 2 received')
      } finally {
        numbered.mockRestore()
      }
    },
  )

  // It was forgotten, and its program taken away: its endpoint was cut off.
  it('takes a device over that a listing of links has left out', async () => {
    const pinDirectory = lab.path('left-out')
    const first = await lab.open({ pinDirectory })
    await first.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(first, port)
    const index = new View(LINK, first.parts.maps.get('links', 0)).get('ifindex')
    await first.close({ keep: true })
    const original = Netlink.open.bind(Netlink)
    const openNetlink = vi.spyOn(Netlink, 'open').mockImplementationOnce(async (...args) => {
      const netlink = await original(...args)
      const list = netlink.links.list.bind(netlink.links)
      // As Linux before 6.9 does when another one goes meanwhile.
      vi.spyOn(netlink.links, 'list').mockImplementationOnce(async () => (await list()).filter((link) => link.index !== index))
      return netlink
    })
    try {
      const second = await lab.open({ pinDirectory })
      expect((await second.dump()).devices.map(({ port }) => port)).toEqual([0, 1])
    } finally {
      openNetlink.mockRestore()
    }
    expect(await lab.ping()).toContain(' 2 received')
  })

  // It stayed with its endpoint, without a program, and the error was none of the contract.
  it('takes a device back that its maps have no room for, and says so by code', async () => {
    const router = await lab.open()
    await router.apply(podTransaction(1))
    const { maps } = router.parts
    const original = maps.set.bind(maps)
    const set = vi.spyOn(maps, 'set').mockImplementation((map, key, value) => {
      if (map === 'links') throw new LinuxError('ENOMEM', 12, 'write map links', 'Cannot allocate memory')
      original(map, key, value)
    })
    try {
      await expect(lab.attach(router, 0)).rejects.toMatchObject({
        code: 'dataplane.device',
        message: expect.stringContaining('the device of port 0 cannot be written down') as string,
      })
    } finally {
      set.mockRestore()
    }
    await expect.poll(() => lab.inPod(0, 'ip', '-o', 'link')).not.toContain('eth0')
    for (const map of ['links', 'devices', 'requests']) expect([map, [...router.parts.maps.entries(map)]]).toEqual([map, []])
    for (const port of PODS.keys()) await lab.attach(router, port)
    expect(await lab.ping()).toContain(' 2 received')
  })

  // It stayed, as what was written could not be taken back either, and the error was none of the contract.
  it('takes a device back whose program is refused, also where its maps are refused to be put right', async () => {
    const router = await lab.open()
    await router.apply(podTransaction(1))
    const { maps } = router.parts
    const refusal = (what: string): LinuxError => new LinuxError('ENOMEM', 12, what, 'Cannot allocate memory')
    const attach = vi.spyOn(maps.object, 'attach').mockRejectedValueOnce(refusal('attach'))
    const original = maps.delete.bind(maps)
    let isRefused = true
    const remove = vi.spyOn(maps, 'delete').mockImplementation((map, key) => {
      if (isRefused && map === 'links') throw refusal('write map links')
      return original(map, key)
    })
    try {
      await expect(lab.attach(router, 0)).rejects.toMatchObject({
        code: 'dataplane.device',
        message: expect.stringContaining('the program of port 0 cannot be attached') as string,
      })
      await expect.poll(() => lab.inPod(0, 'ip', '-o', 'link')).not.toContain('eth0')
      isRefused = false
      await router.parts.ports.look()
      for (const map of ['links', 'devices', 'requests']) expect([map, [...maps.entries(map)]]).toEqual([map, []])
    } finally {
      remove.mockRestore()
      attach.mockRestore()
    }
    for (const port of PODS.keys()) await lab.attach(router, port)
    expect(await lab.ping()).toContain(' 2 received')
  })

  // The error was none of the contract.
  it('says by code that what is asked anew of a device cannot be written, and lets it go on', async () => {
    const router = await lab.open()
    await router.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(router, port)
    const set = vi.spyOn(router.parts.maps, 'set').mockImplementation((map) => {
      throw new LinuxError('ENOMEM', 12, `write map ${map}`, 'Cannot allocate memory')
    })
    try {
      expect(await codeOf(lab.attach(router, 0))).toBe('dataplane.device')
    } finally {
      set.mockRestore()
    }
    expect(await lab.ping()).toContain(' 2 received')
    await lab.attach(router, 0)
    expect((await router.dump()).devices.map(({ port }) => port)).toEqual([0, 1])
  })

  // It was deleted, with the addresses, routes and connections of its endpoint.
  it('leaves the device of a running endpoint that cannot be told what is asked anew of it, and takes back one that it has just made', async () => {
    const router = await lab.open()
    await router.apply(podTransaction(1))
    const refused = vi.spyOn(native(), 'deviceMakeEndpoint')
    const refuse = (): unknown => refused.mockRejectedValueOnce(new LinuxError('EMFILE', 24, 'enter a namespace', 'Too many open files'))
    try {
      refuse()
      expect(await codeOf(lab.attach(router, 0))).toBe('dataplane.device')
      expect(lab.inPod(0, 'ip', '-o', 'link')).not.toContain('eth0')
      for (const port of PODS.keys()) await lab.attach(router, port)
      const before = lab.inPod(0, 'ip', '-o', 'address')
      refuse()
      expect(await codeOf(lab.attach(router, 0))).toBe('dataplane.device')
      expect(lab.inPod(0, 'ip', '-o', 'address')).toBe(before)
      expect(await lab.ping()).toContain(' 2 received')
    } finally {
      refused.mockRestore()
    }
    expect(await codeOf(lab.attach(router, 0))).toBe('nothing')
    expect((await router.dump()).devices.map(({ port }) => port)).toEqual([0, 1])
  })

  // It was taken away first.
  it('leaves the device of a port for which another one is asked that cannot be', async () => {
    const router = await lab.open()
    await router.apply(podTransaction(1))
    for (const port of PODS.keys()) await lab.attach(router, port)
    const { devices } = await router.dump()
    const other = { netns: lab.podNetns(0), ifname: 'eth9', addresses: [PODS[0]], mtu: 1400 }
    expect(await codeOf(router.attachPort(0, { ...other, mtu: 60 }))).toBe('dataplane.device')
    expect(await codeOf(router.attachPort(0, { ...other, netns: lab.path('there-is-none') }))).toBe('dataplane.netns-missing')
    expect((await router.dump()).devices).toEqual(devices)
    expect(await lab.ping()).toContain(' 2 received')
    await router.attachPort(0, other)
    expect(lab.inPod(0, 'ip', '-o', 'link')).not.toContain('eth0')
  })

  // It was told of as a port that had not been programmed.
  it('says nothing of a port that a transaction removes, whose Ethernet endpoint has gone with its namespace', async () => {
    const netns = lab.path('gone-pod')
    symlinkSync(lab.podNetns(0), netns)
    const router = await lab.open()
    const { vrfs, ports } = podTransaction(1)
    const [gone, left] = ports.set.map((port) => ({ ...port, link: { mac: MacAddress.parse('02:00:00:00:00:01') } }))
    const transaction = (generation: number, changes: Partial<FibTransaction>): FibTransaction => ({
      ...emptyTransaction(generation),
      ...changes,
    })
    try {
      await router.apply(transaction(1, { vrfs, ports: { set: [gone, left], remove: [] } }))
      await router.attachPort(0, { netns, ifname: 'eth0', addresses: [PODS[0]], mtu: 1400 })
      rmSync(netns)
      const report = await router.apply(transaction(2, { ports: { set: [left], remove: [gone.id] } }))
      expect(report).toMatchObject({ status: 'applied', failures: [] })
      expect((await router.dump()).devices).toEqual([])
    } finally {
      rmSync(netns, { force: true })
    }
    await expect.poll(() => lab.inPod(0, 'ip', '-o', 'link')).not.toContain('eth0')
  })

  // It went on meanwhile: what it made stayed for good, or it failed by what is no error of the contract.
  it.each([false, true])('makes nothing for a transaction behind close({ keep: %s })', async (keep) => {
    const pinDirectory = lab.path(`behind-${keep}`)
    const router = await lab.open({ pinDirectory, encapsulations: ['vxlan'] })
    const original = Reflect.get(Mirrors.prototype, 'program')
    let goOn = (): void => undefined
    const held = new Promise<void>((resolve) => (goOn = resolve))
    const program = vi.spyOn(Mirrors.prototype, 'program').mockImplementation(async function (this: Mirrors, changes) {
      const failures = await original.call(this, changes)
      await held
      return failures
    })
    try {
      const applied = router.apply({
        ...podTransaction(1),
        vnis: { set: [{ vni: 7, vrf: 1, routerMac: MacAddress.parse('02:00:00:00:00:01'), sources: 1 }], remove: [] },
        tunnelSources: { set: [{ id: 1, prefixes: [IpPrefix.parse('192.0.2.0/28')] }], remove: [] },
        mirrors: { set: [{ id: 1, ports: [{ port: 0, direction: 'both' }], sink: { type: 'stream' } }], remove: [] },
      })
      await vi.waitUntil(() => program.mock.calls.length > 0)
      const closed = router.close({ keep })
      setTimeout(goOn, 500)
      expect(await codeOf(applied)).toBe('dataplane.closed')
      await closed
    } finally {
      program.mockRestore()
    }
    expect(lab.inHost('ip', '-o', 'link')).not.toMatch(/: hd/)
    expect(isMounted(pinDirectory)).toBe(keep)
    if (keep) await (await lab.open({ pinDirectory })).close()
  })

  // It was deleted: a former name may be that of a port of another uplink, 901 of the first and 1 of the 61st.
  it('takes over an endpoint that has a former name, and leaves what is not for the port', async () => {
    const router = await lab.open()
    await router.apply(podTransaction(1))
    const uplink = router.parts.tables.config.get('uplink')
    const [[name, former], [, foreign]] = [hostNamesOf(uplink, 0), hostNamesOf(uplink, 1)]
    lab.inHost(...`ip link add ${former} type veth peer name eth0 netns`.split(' '), basename(lab.podNetns(0)))
    lab.inHost(...`ip link add ${foreign} type veth peer name other`.split(' '))
    try {
      const indexOf = (link: string): number =>
        (JSON.parse(lab.inHost('ip', '-j', 'link', 'show', link)) as [{ ifindex: number }])[0].ifindex
      const [adopted, left] = [indexOf(former), indexOf(foreign)]
      for (const port of PODS.keys()) await lab.attach(router, port)
      expect(await lab.ping()).toContain(' 2 received')
      expect([indexOf(former), indexOf(foreign)]).toEqual([adopted, left])
      expect(lab.inHost('ip', '-o', 'link')).not.toContain(` ${name}@`)
      const known = [...router.parts.maps.numbered('devices')].map(([index]) => index)
      expect(new Set(known)).toEqual(new Set([adopted, indexOf(hostNamesOf(uplink, 1)[0])]))
    } finally {
      lab.inHost('ip', 'link', 'delete', 'other')
    }
  })

  it('keeps what programs heard of an endpoint while it is told to look for its neighbours', async () => {
    const router = await lab.open()
    await router.apply(podTransaction(1))
    await lab.attach(router, 0)
    const { maps } = router.parts
    const heard = [2, 0, 0, 0, 0, 99, 0, 0]
    const original = Netlink.open.bind(Netlink)
    const openNetlink = vi.spyOn(Netlink, 'open').mockImplementationOnce(async (...args) => {
      const row = new View(LINK, maps.get('links', 0))
      row.octets('endpoint_mac').set(heard)
      maps.set('links', 0, row.bytes)
      return original(...args)
    })
    try {
      const { ports, ...rest } = podTransaction(2)
      const set = ports.set.map((port) => ({ ...port, link: { mac: MacAddress.parse('02:00:00:00:00:01') } }))
      expect(await router.apply({ ...rest, ports: { set, remove: [] } })).toMatchObject({ status: 'applied', failures: [] })
      expect(openNetlink).toHaveBeenCalled()
    } finally {
      openNetlink.mockRestore()
    }
    const row = new View(LINK, maps.get('links', 0))
    expect([...row.octets('endpoint_mac')]).toEqual(heard)
    expect(row.get('resolves')).toBe(1)
  })

  describe('behind an uplink whose administrator changes the size of its segments', () => {
    const SIZE = 32_768
    const sizeOf = async (netns: string, link = 'eth0'): Promise<number | undefined> => {
      using netlink = await Netlink.open(netns)
      return (await netlink.links.get(link)).gsoMaxSize
    }
    const setUplink = async (size: number): Promise<void> => {
      using netlink = await Netlink.open(lab.netns)
      await netlink.links.setUp('up0', { gsoMaxSize: size, gsoIpv4MaxSize: size })
    }
    const ofDevices = (warn: Mock<Logger['warn']>): unknown[] =>
      warn.mock.calls.filter(([, fields]) => fields !== undefined && 'port' in fields)
    afterEach(() => setUplink(65_536))

    it('tells devices that it takes over, whatever became of the uplink while nobody looked', async () => {
      const pinDirectory = lab.path('sizes')
      const first = await lab.open({ pinDirectory })
      await first.apply(podTransaction(1))
      await lab.attach(first, 0)
      await first.close({ keep: true })
      await setUplink(SIZE)
      await lab.open({ pinDirectory })
      await expect.poll(() => sizeOf(lab.podNetns(0)), { timeout: 60_000 * PACE }).toBe(SIZE)
    })

    it('tells a device again that could not be told, and warns of it once', async () => {
      const warn = vi.fn<Logger['warn']>()
      const router = await lab.open({ logger: { ...silentLogger, warn } })
      await router.apply(podTransaction(1))
      for (const port of PODS.keys()) await lab.attach(router, port)
      let attempts = 0
      const original = Netlink.open.bind(Netlink)
      const openNetlink = vi.spyOn(Netlink, 'open').mockImplementation(async (netns, ...rest) => {
        if (netns !== lab.podNetns(0) || ++attempts > 2) return original(netns, ...rest)
        throw new LinuxError('ENOBUFS', 105, 'open netlink', 'No buffer space available')
      })
      try {
        await setUplink(SIZE)
        await expect.poll(() => attempts, { timeout: 60_000 * PACE }).toBeGreaterThan(2)
      } finally {
        openNetlink.mockRestore()
      }
      for (const port of PODS.keys()) await expect.poll(() => sizeOf(lab.podNetns(port)), { timeout: 60_000 * PACE }).toBe(SIZE)
      expect(ofDevices(warn)).toEqual([[expect.stringContaining('No buffer space available'), { port: 0 }]])
    })

    // It got the sizes of the endpoint's, lost its offloads for tunnels, and resolved nothing any more.
    it('leaves a device alone that has the number of one that it takes over, when the path leads to another namespace', async () => {
      const netns = lab.path('told-pod')
      symlinkSync(lab.podNetns(0), netns)
      const pinDirectory = lab.path('told')
      const { ports, ...rest } = podTransaction(1)
      const onEthernet = ports.set.map((port) => ({ ...port, link: { mac: MacAddress.parse('02:00:00:00:00:01') } }))
      const first = await lab.open({ pinDirectory })
      await first.apply({ ...rest, ports: { set: onEthernet, remove: [] } })
      lab.inPod(0, ...'ip link add filler0 type veth peer name filler1'.split(' '))
      await first.attachPort(0, { netns, ifname: 'eth0', addresses: [PODS[0]], mtu: 1400 })
      const [{ ifindex }] = (await first.dump()).devices
      await first.close({ keep: true })
      lab.inPod(1, ...`ip link add other0 index ${ifindex} type veth peer name other1`.split(' '))
      rmSync(netns)
      symlinkSync(lab.podNetns(1), netns)
      await setUplink(SIZE)
      const makeEndpoint = vi.spyOn(native(), 'deviceMakeEndpoint')
      const warn = vi.fn<Logger['warn']>()
      const elsewhere = expect.stringContaining(`${netns} is no longer the namespace of the device eth0`) as string
      try {
        const second = await lab.open({ pinDirectory, logger: { ...silentLogger, warn } })
        for (let look = 0; look < 2; look++) await second.parts.ports.fitSegments(SIZE)
        expect([await sizeOf(lab.podNetns(1), 'other0'), makeEndpoint.mock.calls]).toEqual([65_536, []])
        expect(ofDevices(warn)).toEqual([[elsewhere, { port: 0 }]])
        // Its endpoint is to resolve nothing any more.
        const report = await second.apply(podTransaction(2))
        const object = { kind: 'port', key: '0' }
        expect(report.failures).toEqual([{ object, code: 'dataplane.netns-missing', message: elsewhere }])
        expect(lab.inPod(1, ...'ip -o link show other0'.split(' '))).not.toContain('NOARP')
        await second.close()
      } finally {
        makeEndpoint.mockRestore()
        rmSync(netns)
        lab.inPod(1, 'ip', 'link', 'delete', 'other0')
        lab.inPod(0, 'ip', 'link', 'delete', 'filler0')
      }
      await expect.poll(() => lab.inPod(0, ...'ip -br link'.split(' '))).not.toContain('eth0')
    })

    it('leaves the device of somebody else alone, when a path leads to another namespace', async () => {
      const netns = lab.path('pod')
      symlinkSync(lab.podNetns(0), netns)
      const warn = vi.fn<Logger['warn']>()
      const router = await lab.open({ logger: { ...silentLogger, warn } })
      await router.apply(podTransaction(1))
      // For an index that the other namespace has free.
      lab.inPod(0, ...'ip link add filler0 type veth peer name filler1'.split(' '))
      await router.attachPort(0, { netns, ifname: 'eth0', addresses: [PODS[0]], mtu: 1400 })
      await lab.attach(router, 1)
      const [{ ifindex }] = (await router.dump()).devices
      lab.inPod(1, ...`ip link add other0 index ${ifindex} type veth peer name other1`.split(' '))
      rmSync(netns)
      symlinkSync(lab.podNetns(1), netns)
      try {
        await setUplink(SIZE)
        // Devices are told in order of their ports.
        await expect.poll(() => sizeOf(lab.podNetns(1)), { timeout: 60_000 * PACE }).toBe(SIZE)
        expect(await sizeOf(lab.podNetns(1), 'other0')).toBe(65_536)
        expect(ofDevices(warn)).toEqual([[expect.stringContaining(`${netns} is no longer the namespace of the device eth0`), { port: 0 }]])
        await router.detachPort(0)
        expect(lab.inPod(1, ...'ip -br link show other0'.split(' '))).toContain('other0@other1')
        await expect.poll(() => lab.inPod(0, ...'ip -br link'.split(' '))).not.toContain('eth0')
      } finally {
        rmSync(netns)
        symlinkSync(lab.podNetns(0), netns)
        lab.inPod(1, 'ip', 'link', 'delete', 'other0')
        lab.inPod(0, 'ip', 'link', 'delete', 'filler0')
      }
    })
  })

  it('takes away all the rest when one thing cannot be, and says which', async () => {
    const pinDirectory = lab.path('stuck')
    const router = await lab.open({ pinDirectory })
    const broken = new LinuxError('EIO', 5, 'take devices away', 'Input/output error')
    const detach = vi.spyOn(Ports.prototype, 'detachAll').mockRejectedValueOnce(broken)
    try {
      await expect(router.close()).rejects.toBe(broken)
    } finally {
      detach.mockRestore()
    }
    expect(isMounted(pinDirectory)).toBe(false)
    // Its uplink is free.
    await (await lab.open({ pinDirectory })).close()
  })

  it('takes back what it attached and started when it cannot be opened', async () => {
    const broken = new LinuxError('EIO', 5, 'read tables', 'Input/output error')
    const liveness = {
      close: vi.fn(),
      dump: () => {
        throw broken
      },
    }
    const openLiveness = vi.spyOn(Liveness, 'open').mockResolvedValueOnce(liveness as unknown as Liveness)
    try {
      await expect(lab.open({ without: ['tcx'] })).rejects.toMatchObject({ code: 'dataplane.device' })
    } finally {
      openLiveness.mockRestore()
    }
    expect(liveness.close).toHaveBeenCalledWith(true)
    expect(lab.inHost('tc', 'qdisc', 'show')).not.toContain('clsact')
  })

  // Whoever opens it has what loading takes, as was looked at before: a program that is refused with EPERM is refused for what it does.
  it.each([
    ['dataplane.permission', new LinuxError('EPERM', 1, 'make a BPF map', 'Operation not permitted'), 'make a BPF map'],
    ['dataplane.device', new LinuxError('EPERM', 1, "load program 'egress'", 'Operation not permitted'), 'egress'],
    ['dataplane.device', new LinuxError('ENODEV', 19, 'attach', 'No such device'), 'No such device'],
    ['dataplane.busy', new LinuxError('EADDRINUSE', 98, 'take the lock', 'Address already in use'), 'another dataplane has the uplink up0'],
    ['dataplane.device', new NativeUnavailableError([], 'install it'), 'install it'],
    ['dataplane.device', new FibFullError('all blocks are taken'), 'all blocks are taken'],
  ])('is %s when it cannot be opened for %s', async (code, cause, message) => {
    const openNetlink = vi.spyOn(Netlink, 'open').mockRejectedValueOnce(cause)
    try {
      await expect(lab.open()).rejects.toMatchObject({ code, cause, message: expect.stringContaining(message) })
    } finally {
      openNetlink.mockRestore()
    }
  })

  it('is refused by the verifier, by EPERM too, and by what nobody foresaw as it is', async () => {
    const says = 'Operation not permitted; the verifier says:\n7: (95) exit\nR0 !read_ok'
    const [verifier, unforeseen] = [new LinuxError('EPERM', 1, "load program 'egress'", says), new TypeError('nobody foresaw this')]
    const openNetlink = vi.spyOn(Netlink, 'open').mockRejectedValueOnce(verifier).mockRejectedValueOnce(unforeseen)
    try {
      const refused = await lab.open().catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(EbpfVerifierError)
      expect(refused).toMatchObject({ code: 'dataplane.device', program: 'egress', reason: 'R0 !read_ok' })
      await expect(lab.open()).rejects.toBe(unforeseen)
    } finally {
      openNetlink.mockRestore()
    }
  })

  it('looks on when a look fails by what nobody foresaw', async () => {
    const error = vi.fn()
    const look = vi.spyOn(Ports.prototype, 'look').mockRejectedValueOnce(new TypeError('nobody foresaw this'))
    try {
      await lab.open({ logger: { ...silentLogger, error } })
      await expect.poll(() => error.mock.calls.length, { timeout: 20_000 * PACE }).toBe(1)
      await expect.poll(() => look.mock.calls.length, { timeout: 20_000 * PACE }).toBeGreaterThan(1)
    } finally {
      look.mockRestore()
    }
  })
})
