import { DataplaneError } from '@heddle/core'
import { DATAGRAM_DESCRIPTOR, LinuxError, UdpBatchSocket } from '@heddle/linux'
import { IpAddress } from '@heddle/wire'
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { emptyTransaction, UNDERLAY } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import { ebpfDataplane, type EbpfDataplane } from '../src/ebpf-dataplane.js'
import { call, callAsync } from '../src/native/call.js'
import { ebpfFeatures } from '../src/probe.js'
import { checkPrivileges, refusalOf } from '../src/privileges.js'
import { bundledKeeper } from './support/bundled-keeper.js'
import { CAPABILITIES, LeastProcess, LIMITED, LIMITED_NOBODY, type LeastProcessOptions } from './support/least-process.js'
import { HEARD, HERE, pathOf } from './support/least-world.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const status = (...bits: number[]): string => `CapEff:\t${bits.reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n).toString(16)}\n`

describe('capabilities', () => {
  it('are enough with CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON, or with CAP_SYS_ADMIN in place of the latter two', () => {
    expect(() => checkPrivileges(status(12, 38, 39))).not.toThrow()
    expect(() => checkPrivileges(status(12, 21))).not.toThrow()
  })

  it('that are missing are named', () => {
    const ways = (them: string): string =>
      `give ${them} to the process (AmbientCapabilities= of a systemd unit, capabilities.add of a container), or run it as root with all capabilities (dataplane.permission)`
    const messageOf = (found: string): string => {
      try {
        checkPrivileges(found)
        return ''
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(messageOf(status(38, 39))).toBe(`CAP_NET_ADMIN is missing: ${ways('it')}`)
    expect(messageOf(status())).toBe(
      `CAP_NET_ADMIN and CAP_BPF (or CAP_SYS_ADMIN) and CAP_PERFMON (or CAP_SYS_ADMIN) are missing: ${ways('them')}`,
    )
    expect(() => checkPrivileges(status(12))).toThrow(DataplaneError)
  })

  it('that the kernel asks for with a single call are named, where nothing else can be meant', () => {
    const entering = 'enter network namespace /run/netns/pod'
    const refusal = (code: string, operation: string): string => refusalOf(new LinuxError(code, 1, operation, 'refused'))
    expect(refusal('EPERM', entering)).toBe(
      `it needs CAP_SYS_ADMIN to enter the network namespace /run/netns/pod: ${entering}: refused (EPERM)`,
    )
    expect(refusal('EPERM', 'mount a BPF file system on /run/heddle')).toMatch(
      /^it needs CAP_SYS_ADMIN to mount .* on \/run\/heddle; .*\(mount -t bpf bpf \/run\/heddle\) it is not needed: mount a /,
    )
    expect(refusal('EACCES', entering)).toBe(`${entering}: refused (EACCES)`)
    expect(refusal('EPERM', 'make the directory /sys/fs/bpf/heddle')).toMatch(
      /^make the directory .*\(EPERM\): .*\(mount -t bpf bpf \/sys\/fs\/bpf\)$/,
    )
    expect(refusal('EPERM', 'set link eth0')).toBe('set link eth0: refused (EPERM)')
  })

  it('for making and entering namespaces are asked for in one file, which all other parts go by', () => {
    const ways = /\b(?:SYS_)?(?:setns|unshare(?:_unsafe)?)\b|UnshareFlags|CLONE_NEW|move_into_(?:link|thread)_name_space/
    for (const way of WAYS) expect(way).toMatch(ways)
    const packages = fileURLToPath(new URL('../..', import.meta.url))
    const going = globSync('*/native/**/*.{rs,c,h}', { cwd: packages, exclude: ['**/target'] }).filter((file) =>
      ways.test(readFileSync(join(packages, file), 'utf8')),
    )
    // The client of the plugin is a program of its own, which the runtime starts, and is no part of an agent.
    expect(going.toSorted()).toEqual(['cni/native/client/src/loopback.rs', 'linux/native/core/src/netns.rs'])
  })
})

/** How native code comes into another namespace. */
const WAYS = [
  'done(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) })',
  'libc::syscall(libc::SYS_setns, fd, 0)',
  'rustix::thread::move_into_link_name_space(file.as_fd(), None)',
  'move_into_thread_name_spaces(pid.as_fd(), kinds)',
  'let is_alone = unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.is_ok();',
  'unsafe { libc::unshare(flags) }',
  'Command::new("unshare")',
  'libc::clone(run, stack, libc::CLONE_NEWUSER, task)',
]

const features = missing() === '' ? ebpfFeatures() : []
const hasTcx = features.some(({ name, available }) => name === 'tcx' && available)
const succeeds = (...[file, ...args]: string[]): boolean => spawnSync(file, args, { stdio: 'ignore' }).status === 0
const hasSetpriv = existsSync('/usr/bin/setpriv')
const hasUserNamespaces = hasSetpriv && succeeds(...LIMITED, 'unshare', '-Un', 'true')
const isReadable =
  hasSetpriv && succeeds(...LIMITED_NOBODY, process.execPath, '-e', 'fs.accessSync(process.argv[1])', fileURLToPath(import.meta.url))
/** Features that are tried by making something, or on a device. */
const IN_A_NAMESPACE = ['tcx', 'clsact', 'netkit', 'xdp', 'vxlan', 'vxlan-gpe']

describe.skipIf(missing() !== '' || !hasSetpriv)(titled(`least privilege${hasSetpriv ? '' : ' (skipped: needs setpriv)'}`), () => {
  let sites: TwoEbpfSites
  let site: string
  let folder: string
  let unmounted: string
  let root: string
  let keeper: ReturnType<typeof bundledKeeper>
  let far: EbpfDataplane
  const processes: LeastProcess[] = []
  beforeAll(async () => {
    sites = new TwoEbpfSites('least')
    site = sites.short('site', 'a')
    sites.add('quiet')
    folder = makeFolder('least')
    unmounted = makeFolder('least')
    root = makeFolder('least')
    keeper = bundledKeeper()
    // Mounted by somebody who may.
    call((native) => native.bpffsEnsure(folder, 'mounted'))
    const addresses = UNDERLAY.b.map((address) => IpAddress.parse(address))
    far = await ebpfDataplane({
      addresses,
      uplink: 'up0',
      underlayNetns: sites.path(sites.short('site', 'b')),
      fibBlocks: 1024,
      routes: 1024,
    })
    await sites.setUp(far, 'b', 1, 4, 'mpls-udp')
    await far.apply({ ...emptyTransaction(2), liveness: { set: [pathOf('b')], remove: [] } })
    // Endpoints of site a share a namespace: each takes what another one of it sends.
    for (const name of ['accept_local=1', 'rp_filter=0']) sites.in(site, 'sysctl', '-qw', `net.ipv4.conf.all.${name}`)
  })
  afterAll(async () => {
    for (const each of processes) each.kill()
    await far?.close()
    call((native) => native.bpffsRelease(folder))
    for (const each of [folder, unmounted, root]) rmSync(each, { recursive: true, force: true })
    keeper?.remove()
    sites?.close()
  })

  /** Starts one in a namespace. */
  function start(options: Omit<LeastProcessOptions, 'netns'>, place: string): LeastProcess {
    const started = new LeastProcess({ ...options, netns: sites.path(place) })
    processes.push(started)
    return started
  }

  const startAgent = (): LeastProcess =>
    start({ script: 'least-agent', args: [join(folder, 'node'), sites.path(sites.short('red', 'a')), unmounted, keeper.script] }, site)

  /** A datagram from each endpoint of site a to the other one, none of which stays within the kernel's own tables: both sockets are bound to their devices. */
  async function exchangeHere(): Promise<void> {
    const ends = [HERE[0], HERE[2]].map(({ ifname, address }) => ({ link: ifname, bind: { address, port: 9000 } }))
    const namespace = sites.path(site)
    using one = await UdpBatchSocket.open({ namespace, ...ends[0], connect: ends[1].bind })
    using other = await UdpBatchSocket.open({ namespace, ...ends[1], connect: ends[0].bind })
    for (const [from, to] of [[one, other] as const, [other, one] as const]) {
      const descriptors = new Uint32Array(DATAGRAM_DESCRIPTOR.words)
      descriptors[DATAGRAM_DESCRIPTOR.length] = 8
      expect(from.sendBatch(new Uint8Array(8), descriptors, 1)).toBe(1)
      await expect.poll(() => to.receiveBatch(new Uint8Array(64), 64, 0, new Uint32Array(DATAGRAM_DESCRIPTOR.words))).toBe(1)
    }
  }

  /** Requests from the other site's endpoint, and their answers, each way by the tunnel. */
  const pingFromFar = (): string => sites.in(sites.short('red', 'b'), ...pingWords(3), HERE[0].address)

  it('is CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON: everything but other namespaces, and mounting', async () => {
    const pod = sites.path(sites.short('red', 'a'))
    const foreign = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 1024, flows: 1024 }))
    const [{ ifindex }] = JSON.parse(sites.in(site, 'ip', '-j', 'link', 'show', 'up0')) as [{ ifindex: number }]
    const place = { program: 'ingress', ifindex, usesTcx: true, namespace: sites.path(site) }
    const attachment = hasTcx ? await callAsync(() => foreign.attach(place)) : undefined

    const first = startAgent()
    const said = await first.says()
    const device = 'cannot be had: it needs CAP_SYS_ADMIN to enter the network namespace'
    const expected = {
      capabilities: CAPABILITIES,
      // Of a program that it did not load itself, the kernel tells a number.
      others: hasTcx ? ['unknown: ingress of uplink up0 by tcx, behind ours'] : [],
      report: { status: 'applied', failures: [] },
      choice: { uplink: hasTcx ? 'tcx' : 'clsact' },
      foreign: ['dataplane.permission', expect.stringContaining(`the device eth0 in ${pod} ${device} ${pod}: `)],
      mounted: [
        'dataplane.permission',
        expect.stringContaining(
          `the dataplane on up0 cannot be opened: it needs CAP_SYS_ADMIN to mount a BPF file system on ${unmounted}; with one that is mounted beforehand (mount -t bpf bpf ${unmounted}) it is not needed: `,
        ),
      ],
      programs: expect.arrayContaining(['egress', 'ingress']),
      links: ['uplink up0', 'port 0: eth0', 'port 2: eth2'],
    }
    expect(said).toMatchObject({ ...expected, found: { generation: 0, devices: [] } })

    await exchangeHere()
    expect(pingFromFar()).toContain(' 3 received')
    // A datagram of each, and the answers to three requests.
    expect(await first.end('keep')).toEqual([[4, 1], 0])

    // No agent is there.
    await exchangeHere()
    expect(pingFromFar()).toContain(' 3 received')

    const second = startAgent()
    expect(await second.says()).toMatchObject({ ...expected, found: { generation: 1, devices: ['eth0', 'eth2'] } })
    await exchangeHere()
    expect(pingFromFar()).toContain(' 3 received')
    expect((await far.dump()).up).toEqual([HEARD])
    expect(await second.end('end')).toEqual([[12, 3], 0])

    expect(sites.in(site, 'ip', '-br', 'link')).not.toMatch(/^(?:hd|eth)/m)
    expect(readdirSync(join(folder, 'node'))).toEqual([])
    expect(readFileSync('/proc/mounts', 'utf8')).toContain(` ${folder} bpf `)
    if (attachment !== undefined) await callAsync(() => foreign.detach(attachment))
    call(() => foreign.close())
  })

  const needsUserNamespaces = hasUserNamespaces ? '' : ' (skipped: no user namespaces here)'
  it.skipIf(!hasUserNamespaces)(
    `tries every feature of the kernel as CAP_SYS_ADMIN does, where nobody sees it${needsUserNamespaces}`,
    async () => {
      const seen = await seenWhile(async () => {
        const said = await start({ script: 'least-features' }, 'quiet').saysLast()
        expect(said).toEqual({ capabilities: CAPABILITIES, user: 0, features: features.map(({ name, reason }) => [name, reason]) })
      })
      expect(seen).toEqual([])
    },
  )

  const needsReadable = isReadable ? '' : ' (skipped: only root can read these files)'
  it.skipIf(!isReadable)(`is the same for somebody who is not root${needsReadable}`, async () => {
    const said = await start({ script: 'least-features', args: ['lo'], limited: LIMITED_NOBODY }, 'quiet').saysLast()
    expect(said).toMatchObject({ capabilities: CAPABILITIES, user: 65_534, choice: { uplink: hasTcx ? 'tcx' : 'clsact' } })
  })

  it('asks the kernel where nothing can be tried, and says of what it does not know that it was not tried', async () => {
    // In a root that is not the namespace's no user namespace can be made.
    const through = ['unshare', '-m', 'sh', '-c', 'mount --rbind / "$0" && exec chroot "$0" "$@"', root]
    const seen = await seenWhile(async () => {
      const said = await start({ script: 'least-features', through }, 'quiet').saysLast()
      const untried = expect.stringMatching(/^not tried: make a network namespace, by CAP_SYS_ADMIN or in a user namespace: .* \(EPERM\)$/)
      expect(said.features).toEqual(
        features.map(({ name, reason, available }) => {
          if (!IN_A_NAMESPACE.includes(name)) return [name, reason]
          if (['xdp', 'vxlan', 'vxlan-gpe'].includes(name)) return [name, untried]
          return [name, available ? '' : expect.stringMatching(/^(?:Invalid argument|Operation not supported)/)]
        }),
      )
    })
    expect(seen).toEqual([])
    // What is not tried is done without.
    const { choice } = await start({ script: 'least-features', args: ['lo'], through }, 'quiet').saysLast()
    expect(choice).toMatchObject({ uplink: hasTcx ? 'tcx' : 'clsact', endpoints: 'clsact', mergesVxlan: false, mergesJoint: false })
  })

  /** What the kernel tells of links, qdiscs and filters of a quiet namespace that come, go or change, while something is done. */
  async function seenWhile(work: () => Promise<unknown>): Promise<readonly string[]> {
    const seen = ['ip -o monitor link', 'tc monitor'].map((command) => {
      const child = sites.start('quiet', ...command.split(' '))
      const lines: string[] = []
      createInterface(child.stdout as Readable).on('line', (line) => lines.push(line))
      return { child, lines }
    })
    /** What tells of what was made here; by its number where it had gone when it was told of. */
    const marks = ['begin', 'end']
    /** Makes something that both tell, until they do: they begin at some time, and tell things in their order. */
    const mark = async (name: string): Promise<void> => {
      await expect
        .poll(() => {
          sites.in('quiet', ...`ip link add ${name} type veth peer name ${name}-far`.split(' '))
          const [{ ifindex }] = JSON.parse(sites.in('quiet', 'ip', '-j', 'link', 'show', name)) as [{ ifindex: number }]
          marks.push(`if${ifindex}`)
          sites.in('quiet', ...`tc qdisc add dev ${name} clsact`.split(' '))
          sites.in('quiet', ...`ip link delete ${name}`.split(' '))
          return seen.every(({ lines }) => lines.some((line) => line.includes(name)))
        })
        .toBe(true)
    }
    await mark('begin')
    await work()
    await mark('end')
    for (const { child } of seen) child.kill()
    return seen.flatMap(({ lines }) => lines.filter((line) => !marks.some((mark) => new RegExp(`\\b${mark}\\b`).test(line))))
  }
})
