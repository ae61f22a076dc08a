import { dropsOf, type DeviceFacts } from '@heddle/core'
import { echoRequest } from '@heddle/dataplane-conformance'
import { ebpfDataplane, type EbpfDataplane, type EbpfDeviceKind } from '@heddle/dataplane-ebpf'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { POD, siteTransaction, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { missingNetkit } from '../src/probe.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const lack = missing() === '' ? missingNetkit() : ''
const NEIGHBOUR = IpAddress.parse('10.1.0.9')

describe.skipIf(missing() !== '' || lack !== '')(
  lack === '' ? titled('devices of netkit') : `devices of netkit (skipped: needs ${lack})`,
  () => {
    let sites: TwoEbpfSites
    let directory: string
    const routers = {} as Record<Site, EbpfDataplane>

    /** @param devices what new endpoints get; what a dataplane chooses by itself when left out */
    const open = (site: Site, devices?: EbpfDeviceKind): Promise<EbpfDataplane> =>
      ebpfDataplane({
        addresses: UNDERLAY[site].map((text) => IpAddress.parse(text)),
        uplink: 'up0',
        underlayNetns: sites.path(sites.short('site', site)),
        fibBlocks: 1024,
        routes: 1024,
        ...(devices !== undefined && { devices }),
        ...(site === 'a' && { pinDirectory: join(directory, 'bpf') }),
      })
    const inPod = async (kind: string, ...argv: string[]): Promise<string> =>
      (await run('ip', ['netns', 'exec', sites.name(sites.short(kind, 'a')), ...argv])).stdout
    const ping = (kind: string, address: string): Promise<string> =>
      inPod(kind, ...pingWords(2), address).catch((error: { stdout: string }) => error.stdout)
    const attachedBy = async (): Promise<readonly string[]> =>
      (await routers.a.inspectKernel()).parts.filter(({ name }) => name.startsWith('port ')).map(({ details }) => details ?? '')

    const attach = (kind: string, port: number): Promise<DeviceFacts> => {
      const addresses = POD.a.map((text) => IpAddress.parse(text))
      return routers.a.attachPort(port, { netns: sites.path(sites.short(kind, 'a')), ifname: 'eth0', addresses, mtu: 1400 })
    }

    /** The blue endpoint comes into the red VRF, with another address, and answers the red one. */
    async function isReached(): Promise<void> {
      const { generation } = await routers.a.dump()
      const { ports, nextHops, routes, ...rest } = siteTransaction('a', generation + 1)
      const [red, blue] = ports.set
      const moved = { ...blue, vrf: 0, allowedSources: [IpPrefix.of(NEIGHBOUR)] }
      routes.push(0, IpPrefix.of(NEIGHBOUR), 1)
      expect(await routers.a.apply({ ...rest, nextHops, ports: { set: [red, moved], remove: [] }, routes })).toMatchObject({ failures: [] })
      // Both VRFs have the same addresses: it would take what comes from the red one for its own.
      await inPod('blue', 'ip', 'address', 'flush', 'dev', 'eth0')
      await inPod('blue', 'ip', 'address', 'add', `${NEIGHBOUR}/32`, 'dev', 'eth0')
      await inPod('blue', 'ip', 'route', 'replace', 'default', 'dev', 'eth0')
      expect(await ping('red', String(NEIGHBOUR))).toContain(' 2 received')
    }

    beforeAll(async () => {
      sites = new TwoEbpfSites('netkit')
      directory = makeFolder('netkit')
      for (const site of ['a', 'b'] as const) {
        routers[site] = await open(site)
        await sites.setUp(routers[site], site, 1, 4, 'mpls-udp')
      }
    })
    afterAll(async () => {
      for (const router of Object.values(routers)) await router.close()
      sites?.close()
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true })
    })

    it('are what endpoints get, and carry their packets between routers', async () => {
      expect(routers.a.choice.devices).toBe('netkit')
      expect((await routers.a.inspectKernel()).choices).toContainEqual(
        expect.objectContaining({ what: 'devices of new endpoints', chosen: 'netkit' }),
      )
      expect(await inPod('red', 'ip', '-d', 'link', 'show', 'eth0')).toContain('netkit')
      expect(await attachedBy()).toEqual(['ingress by netkit', 'ingress by netkit'])
      for (const address of POD.b) expect(await ping('red', address)).toContain(' 2 received')
    })

    it('pass packets between endpoints of one router', isReached)

    // Programs get what an endpoint sends before the kernel has read its type, and one that said IPv4 of any frame had it delivered to another endpoint.
    it('send nothing whose frame says something else than the socket that it came from', async () => {
      const red = sites.path(sites.short('red', 'a'))
      const request = echoRequest(IpAddress.parse(POD.a[0]), NEIGHBOUR)
      const frame = (etherType: number) => Uint8Array.of(...new Uint8Array(12).fill(2), etherType >> 8, etherType & 255, ...request)
      const refused = async (): Promise<number> => dropsOf(await routers.a.counters(), 'family-unsupported')
      const before = await refused()
      using capture = await Capture.open(red, 'eth0')
      using socket = await Capture.open(red, 'eth0', { frames: true })
      // Both say IPv4 of what they send.
      socket.send(frame(0x88b5))
      socket.send(frame(0x0800))
      const answers: Uint8Array[] = []
      await expect.poll(() => answers.push(...capture.take())).toBeGreaterThan(0)
      expect((await refused()) - before).toBe(1)
    })

    it('go on behind the process, and belong to the next one, which may make others', async () => {
      const { ifindex } = await attach('red', 0)
      for (const devices of ['veth', undefined] as const) {
        await routers.a.close({ keep: true })
        expect(await ping('red', POD.b[0])).toContain(' 2 received')
        routers.a = await open('a', devices)
        expect(await attachedBy()).toEqual(['ingress by netkit', 'ingress by netkit'])
        expect((await attach('red', 0)).ifindex).toBe(ifindex)
        expect(await ping('red', POD.b[0])).toContain(' 2 received')
        expect(await ping('red', String(NEIGHBOUR))).toContain(' 2 received')
      }
    })

    it('are what new endpoints get on a node that had none, whose endpoints keep their veth pairs', async () => {
      await routers.a.close()
      routers.a = await open('a', 'veth')
      await sites.setUp(routers.a, 'a', 1, 4, 'mpls-udp')
      const veth = expect.stringMatching(/^ingress by (clsact|tcx)$/)
      expect(await attachedBy()).toEqual([veth, veth])
      const { ifindex } = await attach('blue', 1)
      await routers.a.close({ keep: true })

      routers.a = await open('a')
      expect((await attach('blue', 1)).ifindex).toBe(ifindex)
      await routers.a.detachPort(0)
      await attach('red', 0)
      expect(await attachedBy()).toEqual(['ingress by netkit', veth])
      for (const kind of ['red', 'blue']) for (const address of POD.b) expect(await ping(kind, address)).toContain(' 2 received')
      // From the one kind to the other, and back.
      await isReached()
    })

    it('go with their port', async () => {
      await routers.a.detachPort(0)
      expect(await inPod('red', 'ip', '-o', 'link')).not.toContain('eth0')
    })
  },
)
