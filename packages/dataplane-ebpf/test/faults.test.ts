import { RouteBatch, type FibTransaction } from '@heddle/core'
import type { EbpfDataplaneOptions, EbpfFeatureName } from '@heddle/dataplane-ebpf'
import { silentLogger } from '@heddle/io'
import { LinuxError, Netlink } from '@heddle/linux'
import { IpAddress, IpPrefix, MacAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { Ports } from '../src/device/ports.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { View } from '../src/layout/struct.js'
import { LINK } from '../src/layout/structs/objects.js'
import { Liveness } from '../src/liveness/liveness.js'
import { ebpfFeatures } from '../src/probe.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'

const run = promisify(execFile)
const hasTcx = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'tcx' && available)
const PODS = ['10.1.0.1', '10.1.0.2'].map((text) => IpAddress.parse(text))

/** Two endpoints of one VRF. */
function transaction(generation: number): FibTransaction {
  const routes = new RouteBatch()
  for (const [index, pod] of PODS.entries()) routes.push(1, IpPrefix.of(pod), index)
  return {
    ...emptyTransaction(generation),
    vrfs: { set: [{ id: 1, name: 'red' }], remove: [] },
    ports: {
      set: PODS.map((pod, id) => ({ id, kind: 'endpoint', vrf: 1, allowedSources: [IpPrefix.of(pod)], gateways: [], mtu: 1400 })),
      remove: [],
    },
    nextHops: { set: PODS.map((_, id) => ({ id, action: { type: 'port', port: id } })), remove: [] },
    groups: { set: PODS.map((_, id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 7 })), remove: [] },
    routes,
  }
}

describe.skipIf(missing() !== '')(titled('an eBPF dataplane to which something happens'), () => {
  let space: RouterNamespace
  let folder: string
  const opened = new Set<EbpfRouter>()

  beforeAll(() => {
    space = new RouterNamespace('faults')
    for (const pod of ['faults-pod-0', 'faults-pod-1']) space.namespaces.add(pod)
    folder = mkdtempSync(join(tmpdir(), 'hd-faults-'))
  })
  afterEach(async () => {
    for (const router of opened) await router.close()
    opened.clear()
  })
  afterAll(() => {
    space?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const open = async (options: Partial<EbpfDataplaneOptions> = {}): Promise<EbpfRouter> => {
    const router = await space.open({ fibBlocks: 1024, routes: 1024, ...options })
    opened.add(router)
    return router
  }
  const isMounted = (directory: string): boolean => readFileSync('/proc/mounts', 'utf8').includes(` ${directory} bpf `)
  const attach = async (router: EbpfRouter, port: number): Promise<unknown> =>
    router.attachPort(port, { netns: space.namespaces.path(`faults-pod-${port}`), ifname: 'eth0', addresses: [PODS[port]], mtu: 1400 })
  const ping = async (): Promise<string> => {
    const argv = ['netns', 'exec', space.namespaces.name('faults-pod-0'), ...pingWords(2), '-W', '10', `${PODS[1]}`]
    return (await run('ip', argv).catch((error: { stdout: string }) => error)).stdout
  }

  it.each<[EbpfFeatureName[]]>(hasTcx ? [[['tcx']], [['clsact']]] : [[['tcx']]])(
    'has its program on a device that it makes anew for a request that it had, when somebody took the old one away (without %s)',
    async (without) => {
      const router = await open({ pinDirectory: join(folder, `anew-${without[0]}`), without })
      await router.apply(transaction(1))
      for (const port of PODS.keys()) await attach(router, port)
      // Whoever asks again comes before the next look.
      const look = vi.spyOn(Ports.prototype, 'look').mockResolvedValue()
      try {
        space.namespaces.in('faults-pod-0', 'ip', 'link', 'delete', 'eth0')
        await attach(router, 0)
        expect(await ping()).toContain(' 2 received')
        const { devices } = await router.dump()
        expect(devices.map(({ port }) => port)).toEqual([0, 1])
        const known = [...router.parts.maps.numbered('devices')].map(([index]) => index)
        const there = JSON.parse(space.namespaces.in('faults', 'ip', '-j', 'link')) as { ifindex: number; ifname: string }[]
        const ours = there.filter(({ ifname }) => ifname.startsWith('hd'))
        expect(new Set(known)).toEqual(new Set(ours.map(({ ifindex }) => ifindex)))
      } finally {
        look.mockRestore()
      }
    },
  )

  it('keeps what programs heard of an endpoint while it is told to look for its neighbours', async () => {
    const router = await open()
    await router.apply(transaction(1))
    await attach(router, 0)
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
      const { ports, ...rest } = transaction(2)
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

  it('takes away all the rest when one thing cannot be, and says which', async () => {
    const pinDirectory = join(folder, 'stuck')
    const router = await open({ pinDirectory })
    const broken = new LinuxError('EIO', 5, 'take devices away', 'Input/output error')
    const detach = vi.spyOn(Ports.prototype, 'detachAll').mockRejectedValueOnce(broken)
    try {
      await expect(router.close()).rejects.toBe(broken)
    } finally {
      detach.mockRestore()
    }
    expect(isMounted(pinDirectory)).toBe(false)
    // Its uplink is free.
    await (await open({ pinDirectory })).close()
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
      await expect(open({ without: ['tcx'] })).rejects.toMatchObject({ code: 'dataplane.device' })
    } finally {
      openLiveness.mockRestore()
    }
    expect(liveness.close).toHaveBeenCalledWith(true)
    expect(space.namespaces.in('faults', 'tc', 'qdisc', 'show')).not.toContain('clsact')
  })

  it('looks on when a look fails by what nobody foresaw', async () => {
    const error = vi.fn()
    const look = vi.spyOn(Ports.prototype, 'look').mockRejectedValueOnce(new TypeError('nobody foresaw this'))
    try {
      await open({ logger: { ...silentLogger, error } })
      await expect.poll(() => error.mock.calls.length, { timeout: 20_000 * PACE }).toBe(1)
      await expect.poll(() => look.mock.calls.length, { timeout: 20_000 * PACE }).toBeGreaterThan(1)
    } finally {
      look.mockRestore()
    }
  })
})
