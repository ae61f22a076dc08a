// Devices of ports, and what is left of them when something fails or changes on the way.
import type { DataplaneEvent, DeviceRequest } from '@heddle/core'
import { LinkAddresses } from '@heddle/forwarding'
import { EventQueue, silentLogger } from '@heddle/io'
import { LinuxError, Netlink } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { openDevice } from '../src/forwarder/device.js'
import { Ports } from '../src/forwarder/ports.js'
import type { Lanes } from '../src/lanes/lanes.js'
import { makeFolder } from './support/folders.js'
import { Namespaces } from './support/namespaces.js'
import { missing, titled } from './support/requirements.js'

const none = async (): Promise<void> => undefined
/** Nothing is forwarded. */
const LANES: Lanes = {
  program: async (_transaction, commit) => commit(),
  addPort: none,
  removePort: none,
  setUnderlayMtu: () => undefined,
  setPathMtu: () => undefined,
  setLiveness: () => undefined,
  counters: () => Promise.reject(new RangeError('nothing is counted')),
  addCounters: none,
  pause: none,
  resume: none,
  close: none,
}

describe.skipIf(missing() !== '')(titled('devices of ports'), () => {
  let namespaces: Namespaces
  let request: DeviceRequest
  beforeAll(() => {
    namespaces = new Namespaces()
    namespaces.add('pod')
    request = { netns: namespaces.path('pod'), ifname: 'eth0', addresses: [IpAddress.parse('10.1.0.1')], mtu: 1400 }
  })
  afterAll(() => namespaces?.close())
  afterEach(() => vi.restoreAllMocks())

  const links = (): string[] =>
    namespaces
      .in('pod', 'ls', '/sys/class/net')
      .split('\n')
      .filter((name) => name !== '' && name !== 'lo')

  describe('whose link changes', () => {
    let ports: Ports
    let hasLink: boolean
    let asked: () => void = () => undefined
    let events: EventQueue<DataplaneEvent>
    const attach = () => ports.attach(0, request)
    beforeAll(() => {
      events = new EventQueue()
      ports = new Ports({
        lanes: LANES,
        events,
        hasPort: () => true,
        hasLink: () => {
          asked()
          return hasLink
        },
        addresses: new LinkAddresses(new SharedArrayBuffer(LinkAddresses.octets(8))),
        logger: silentLogger,
      })
    })
    afterAll(async () => {
      await ports?.close(false)
      events?.end()
    })

    it.each([true, false])('are made anew in the same place (Ethernet %s)', async (link) => {
      hasLink = !link
      expect((await attach()).mac !== undefined).toBe(!link)
      hasLink = link
      expect((await attach()).mac !== undefined).toBe(link)
      expect(ports.devices).toHaveLength(1)
    })

    it.each([true, false])('go when they come to be of the kind that was wanted before (Ethernet %s)', async (link) => {
      await ports.detach(0, 'for the test')
      hasLink = !link
      const begun = new Promise<void>((resolve) => (asked = resolve))
      const attaching = attach()
      await begun
      hasLink = link
      await ports.settleKind(0, link)
      await attaching
      expect(ports.devices).toEqual([])
    })
  })

  // Whatever had its number there was deleted: as a rule what had come in its place.
  describe('whose path comes to lead to another namespace', () => {
    let folder: string
    let ports: Ports
    const events = new EventQueue<DataplaneEvent>()
    const [before, after] = ['led-before', 'led-after']
    const named = (pod: string): string => namespaces.in(pod, ...'ip -br link'.split(' '))
    beforeEach(async () => {
      folder = makeFolder('led')
      for (const pod of [before, after]) namespaces.add(pod)
      const addresses = new LinkAddresses(new SharedArrayBuffer(LinkAddresses.octets(8)))
      vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
      ports = new Ports({ lanes: LANES, events, hasPort: () => true, hasLink: () => false, addresses, logger: silentLogger })
      symlinkSync(namespaces.path(before), join(folder, 'pod'))
      await ports.attach(0, { ...request, netns: join(folder, 'pod') })
      rmSync(join(folder, 'pod'))
      symlinkSync(namespaces.path(after), join(folder, 'pod'))
    })
    afterEach(async () => {
      vi.useRealTimers()
      await ports.close(false)
      rmSync(folder, { recursive: true })
      for (const pod of [before, after]) namespaces.delete(pod)
    })

    it('go, and leave the device that comes in their place', async () => {
      const [{ ifindex }] = ports.devices
      expect(await ports.attach(0, { ...request, netns: join(folder, 'pod') })).toMatchObject({ ifindex })
      expect(named(after)).toMatch(/^eth0 /m)
      await vi.waitFor(() => expect(named(before)).not.toMatch(/^(eth0|gone)/m))
    })

    it('go, and leave a device of their number', async () => {
      const [{ ifindex }] = ports.devices
      namespaces.in(after, ...`ip link add other0 index ${ifindex} type veth peer name other1 index 77`.split(' '))
      vi.advanceTimersByTime(1000)
      await ports.detach(7, 'for its turn')
      expect(ports.devices).toEqual([])
      expect(named(after)).toMatch(/^other0@/m)
      await vi.waitFor(() => expect(named(before)).not.toMatch(/^(eth0|gone)/m))
    })
  })

  describe('that cannot be looked up', () => {
    const refuseOnce = () =>
      vi.spyOn(Netlink, 'open').mockRejectedValueOnce(new LinuxError('EMFILE', 24, 'open a netlink socket', 'Too many open files'))
    const failing = async (): Promise<void> => {
      const open = refuseOnce()
      await expect(openDevice(request, true)).rejects.toMatchObject({
        code: 'dataplane.device',
        message: expect.stringContaining('EMFILE') as string,
      })
      expect(open).toHaveBeenCalledTimes(1)
    }

    it('are taken away again', async () => {
      await failing()
      expect(links()).toEqual([])
    })

    it('stay when they were there before, and outlive their descriptor when nothing fails', async () => {
      const { device } = await openDevice(request, true)
      await device.release()
      expect(links()).toEqual(['eth0'])
      await failing()
      expect(links()).toEqual(['eth0'])
      namespaces.in('pod', 'ip', 'link', 'delete', 'eth0')
    })
  })
})
