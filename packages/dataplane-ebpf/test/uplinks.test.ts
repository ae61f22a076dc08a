// Uplinks that are devices upon others: a VLAN of a link, and a link whose routes are those of a VRF device.
import type { Encapsulation, LivenessObject, MirrorObject } from '@heddle/core'
import { ebpfDataplane, ebpfFeatures, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IP_PROTOCOL_GRE, IpAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { Capture } from '../../dataplane-tun/test/support/capture.js'
import { readOuter } from '../../dataplane-tun/test/support/ip-packet.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { missingInKernel } from '../../dataplane-tun/test/support/requirements.js'
import { tcpStream } from '../../dataplane-tun/test/support/tcp-stream.js'
import { emptyTransaction, POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { BEHIND_JOINT_LABELS, IN_VXLAN } from '../src/device/segment-merger.js'
import { call } from '../src/native/call.js'
import { isKernelSince } from '../src/probe.js'
import { BulkSites, whole } from './support/bulk.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { hasEthtool } from './support/hairpin.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites, UPLINKS } from './support/two-sites.js'

const run = promisify(execFile)
/** ERSPAN over GRE. */
const isCopy = ({ protocol, payload }: ReturnType<typeof readOuter>): boolean =>
  protocol === IP_PROTOCOL_GRE && payload[2] === 0x88 && payload[3] === 0xbe
const SITES = ['a', 'b'] as const
const ENCAPSULATIONS: readonly Encapsulation[] = ['mpls-udp', 'mpls-gre', 'vxlan']
const OCTETS = 2 << 20
/** Octets of a packet to an endpoint, on average, that was joined of four and more. */
const JOINED = 4 * 1400

const JOINERS = [
  { encapsulation: 'vxlan', needs: 'vxlan' },
  { encapsulation: 'mpls-udp-joint', needs: 'vxlan-gpe' },
] as const

const KINDS = [
  { kind: 'vlan', what: 'a VLAN device', probe: 'ip link add p0 type veth peer name p1 && ip link add link p0 name v0 type vlan id 7' },
  { kind: 'vrf', what: 'a VRF device', probe: 'ip link add v0 type vrf table 7' },
] as const

for (const { kind, what, probe } of KINDS) {
  const lack = missing() || missingInKernel(`${what}s`, probe, 'kernels')
  describe.skipIf(lack !== '')(titled(kind === 'vlan' ? `an uplink that is ${what}` : `an uplink in ${what}`, lack), () => {
    let sites: TwoEbpfSites
    const routers = {} as Record<Site, EbpfDataplane>
    let keeper: ReturnType<typeof bundledKeeper>
    /** Of site b, whose sessions are kept by a process of their own. */
    let pinDirectory: string
    let generation = 0
    let before: readonly string[]

    const site = (of: Site): string => sites.short('site', of)
    /** Names of links and their queueing disciplines: states of links come a moment later. */
    const seen = (): readonly string[] =>
      SITES.flatMap((of) => {
        const links = JSON.parse(sites.in(site(of), ...'ip -j link show'.split(' '))) as readonly { readonly ifname: string }[]
        return [links.map(({ ifname }) => ifname).join(), sites.in(site(of), ...'tc qdisc show'.split(' '))]
      })

    const openSite = (of: Site): Promise<EbpfDataplane> =>
      ebpfDataplane({
        addresses: UNDERLAY[of].map((address) => IpAddress.parse(address)),
        uplink: 'up0',
        underlayNetns: sites.path(site(of)),
        fibBlocks: 1024,
        routes: 1024,
        ...(of === 'b' && { pinDirectory, keeper }),
      })

    beforeAll(async () => {
      sites = new TwoEbpfSites(kind, kind)
      before = seen()
      keeper = bundledKeeper()
      pinDirectory = makeFolder('uplinks')
      // The kernel tells programs its routes only where the host forwards, which one of the two does.
      for (const version of [4, 6]) sites.in(site('a'), 'sysctl', '-qw', `net.ipv${version}.conf.up0.forwarding=1`)
      for (const of of SITES) routers[of] = await openSite(of)
    })
    afterAll(async () => {
      for (const router of Object.values(routers)) await router.close()
      sites?.close()
      keeper?.remove()
      if (pinDirectory !== undefined) rmSync(pinDirectory, { recursive: true, force: true })
    })

    /** Output of ping from a pod of site a; it never fails. */
    async function ping(pod: string, address: string): Promise<string> {
      const argv = ['netns', 'exec', sites.name(sites.short(pod, 'a')), ...pingWords(2), address]
      return run('ip', argv).then(
        ({ stdout }) => stdout,
        (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
      )
    }

    it.each(ENCAPSULATIONS.flatMap((encapsulation) => ([4, 6] as const).map((family) => ({ encapsulation, family }))))(
      'carries pings, and TCP streams in frames that nobody has cut, by $encapsulation over IPv$family',
      async ({ encapsulation, family }) => {
        for (const of of SITES) await sites.setUp(routers[of], of, ++generation, family, encapsulation)
        for (const pod of ['red', 'blue']) for (const address of POD.b) expect(await ping(pod, address)).toContain(' 2 received')
        const [from, to] = family === 4 ? SITES : SITES.toReversed()
        const sent = sites.sent(from)
        for (const address of POD[to]) {
          expect(await tcpStream(sites, [sites.short('red', from), sites.short('red', to)], address, OCTETS)).toBe(true)
        }
        const after = sites.sent(from)
        expect((after.octets - sent.octets) / (after.packets - sent.packets)).toBeGreaterThan(3000)
      },
    )

    // No address of a VRF's link is there for a socket of no VRF.
    it.each([4, 6] as const)('has copies for a collector sent over it, by IPv%i', async (family) => {
      await sites.setUp(routers.a, 'a', ++generation, family, 'mpls-udp')
      const [local, remote] = SITES.map((of) => IpAddress.parse(UNDERLAY[of][family === 4 ? 0 : 1]))
      const mirror: MirrorObject = { id: 1, ports: [{ port: 0, direction: 'egress' }], sink: { type: 'erspan', local, remote, session: 5 } }
      using wire = await Capture.open(sites.path(site('b')), 'up0')
      const applied = await routers.a.apply({ ...emptyTransaction(++generation), mirrors: { set: [mirror], remove: [] } })
      expect(applied).toMatchObject({ status: 'applied', failures: [] })
      await ping('red', POD.b[0])
      await expect.poll(() => wire.take().map(readOuter).some(isCopy)).toBe(true)
      await routers.a.apply({ ...emptyTransaction(++generation), mirrors: { set: [], remove: [1] } })
    })

    it('has sessions of BFD over it, of one hop and of more, kept here and by a process of their own', async () => {
      const path = (id: number, of: Site): LivenessObject => {
        const [local, remote] = [of, of === 'a' ? 'b' : 'a'].map((site) => IpAddress.parse(UNDERLAY[site as Site][id >> 1]))
        const interval = 200_000 * PACE
        return { id, local, remote, hops: id & 1 ? 'multiple' : 'single', desiredMinTx: interval, requiredMinRx: interval, multiplier: 15 }
      }
      generation++
      for (const of of SITES) {
        expect(routers[of].capabilities.features).toContain('liveness')
        const liveness = { set: [0, 1, 2, 3].map((id) => path(id, of)), remove: [] }
        expect(await routers[of].apply({ ...emptyTransaction(generation), liveness })).toMatchObject({ status: 'applied', failures: [] })
      }
      for (const of of SITES) await expect.poll(async () => (await routers[of].dump()).up?.toSorted()).toEqual([0, 1, 2, 3])
    })

    // Sockets are those of a device, and not of its name.
    if (kind === 'vrf')
      it('is heard by a keeper that is begun anew, and has its segments joined, once the VRF device is another one of its name', async () => {
        const inSite = (command: string): string => sites.in(site('b'), ...command.split(' '))
        const links = (): readonly (readonly [string, number])[] =>
          (JSON.parse(inSite('ip -j link show')) as readonly { readonly ifname: string; readonly ifindex: number }[])
            .filter(({ ifname }) => ifname === 'under0' || /^hd.*(?:vxlan|joint)$/.test(ifname))
            .map(({ ifname, ifindex }) => [ifname, ifindex] as const)
        const found = new Map(links())
        await routers.b.close({ keep: true })
        inSite('ip link delete under0')
        for (const command of UPLINKS.vrf.slice(1)) inSite(command)
        // What an address of IPv6 loses with its VRF, it gets again.
        inSite(`ip address replace ${UNDERLAY.b[1]}/64 dev up0 nodad`)
        routers.b = await openSite('b')
        const again = new Map(links())
        expect([...again.keys()].toSorted()).toEqual([...found.keys()].toSorted())
        expect([...again].filter(([name, index]) => found.get(name) === index)).toEqual([])
        await expect.poll(async () => (await routers.b.dump()).up?.toSorted(), { timeout: 20_000 * PACE }).toEqual([0, 1, 2, 3])
        await expect.poll(async () => (await routers.a.dump()).up?.toSorted(), { timeout: 20_000 * PACE }).toEqual([0, 1, 2, 3])
      })

    it('is left as it was by close()', async () => {
      const indexes = SITES.map((of) => {
        const [{ ifindex }] = JSON.parse(sites.in(site(of), ...'ip -j link show up0'.split(' '))) as [{ ifindex: number }]
        return ifindex
      })
      const programs = (): string[] =>
        SITES.flatMap((of, at) => call((native) => native.programsOn(sites.path(site(of)), indexes[at])).map(({ name }) => name))
      expect(programs()).toEqual(['ingress', 'ingress'])
      for (const of of SITES) await routers[of].close()
      expect(programs()).toEqual([])
      expect(seen()).toEqual(before)
      for (const of of SITES)
        for (const pod of ['red', 'blue']) expect(sites.in(sites.short(pod, of), ...'ip -o link show'.split(' '))).not.toContain('eth0')
    })
  })

  const lacksJoining = lack || (hasEthtool ? '' : 'needs ethtool')
  // GRO looks for sockets by where a frame came in: those of no VRF are none for what came in by one.
  describe.skipIf(lacksJoining !== '')(titled(`segments that a network has cut, and that come in by ${what}`, lacksJoining), () => {
    const [FROM, TO] = SITES.map((site) => ({ site, kind: 'red', port: 0 }) as const)
    let sites: BulkSites
    let generation = 0
    beforeAll(async () => {
      sites = new BulkSites(`${kind}cut`, kind)
      for (const of of SITES) await sites.openRouter(of)
      sites.cutFrames()
    })
    afterAll(() => sites?.closeAll())

    const isLeft = kind === 'vrf' && !isKernelSince(6, 5)
    describe.each(JOINERS)('are joined before the programs see them', ({ encapsulation, needs }) => {
      const hasFeature = missing() !== '' || ebpfFeatures().some(({ name, available }) => name === needs && available)
      const lacksFeature = isLeft ? 'needs Linux 6.5' : hasFeature ? '' : `needs ${needs}`
      it.skipIf(lacksFeature !== '').each([4, 6] as const)(titled(`${encapsulation} over IPv%i`, lacksFeature), async (family) => {
        generation++
        for (const of of SITES) await sites.setUp(sites.routers[of], of, generation, family, encapsulation)
        const { lines, mean } = await sites.send([FROM, TO], POD.b[0], (octets) => octets > JOINED, OCTETS)
        expect(lines).toEqual(whole(OCTETS))
        expect(mean).toBeGreaterThan(JOINED)
      })
    })

    if (isLeft)
      it.each(JOINERS)('come one by one, as is told, by $encapsulation', async ({ encapsulation }) => {
        await sites.setUp(sites.routers[TO.site], TO.site, ++generation, 4, encapsulation)
        await sites.setUp(sites.routers[FROM.site], FROM.site, generation, 4, encapsulation)
        const { lines, mean } = await sites.send([FROM, TO], POD.b[0], () => true, OCTETS)
        expect(lines).toEqual(whole(OCTETS))
        expect(mean).toBeLessThan(JOINED)
        const router = sites.routers[TO.site]
        expect(router.capabilities.features).not.toContain('joint-labels')
        const { what: of } = encapsulation === 'vxlan' ? IN_VXLAN : BEHIND_JOINT_LABELS
        const because = expect.stringContaining('the uplink is in a VRF device') as string
        expect((await router.inspectKernel()).choices).toContainEqual({ what: of, chosen: 'one by one', because })
      })
  })
}
