import { dropsOf } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { pingWords } from '../../dataplane-tun/test/support/ping.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const run = promisify(execFile)
const SITES = ['a', 'b'] as const
/** Less than the pods' MTU of 1,400 by more than the tunnel's headers. */
const UNDERLAY_MTU = 1300
/** Octets of data: more than a tunnel takes, and less than a pod's MTU. */
const DATA = 1350

describe.skipIf(missing() !== '')(titled('packets of pods that are larger than the underlay takes'), () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, EbpfDataplane>
  const children: ChildProcessWithoutNullStreams[] = []

  beforeAll(async () => {
    sites = new TwoEbpfSites('cut')
    for (const site of SITES) {
      sites.in(sites.short('site', site), ...`ip link set up0 mtu ${UNDERLAY_MTU}`.split(' '))
      const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
      const underlayNetns = sites.path(sites.short('site', site))
      routers[site] = await ebpfDataplane({ addresses, uplink: 'up0', underlayNetns, fibBlocks: 2048, routes: 4096, flows: 1024 })
      await sites.setUp(routers[site], site, 1, 4, 'mpls-udp')
    }
  })
  afterAll(async () => {
    for (const child of children) child.kill()
    for (const router of Object.values(routers)) await router.close()
    sites?.close()
  })

  function start(pod: string, script: string): ChildProcessWithoutNullStreams {
    const path = fileURLToPath(new URL(`support/${script}`, import.meta.url))
    const child = spawn('ip', ['netns', 'exec', sites.name(pod), process.execPath, path, POD.b[0], '9000', String(DATA)])
    children.push(child)
    return child
  }

  it('are cut, both ways, and made whole by pods', async () => {
    const argv = ['netns', 'exec', sites.name(sites.short('red', 'a')), ...pingWords(2), '-M', 'dont']
    const { stdout } = await run('ip', [...argv, '-s', String(DATA), POD.b[0]])
    expect(stdout).toContain(' 2 received')
  })

  it('are cut by the pod itself when they wait for the checksum of its device, of which it is told', async () => {
    const [near, far] = SITES.map((site) => sites.short('red', site))
    // Its datagrams may be cut, then.
    sites.in(near, ...'sysctl -qw net.ipv4.ip_no_pmtu_disc=1'.split(' '))
    const before = dropsOf(await routers.a.counters(), 'mtu-exceeded')
    const lines = createInterface(start(far, 'udp-once.mjs').stdout)[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('listening')
    start(near, 'udp-large.mjs')
    expect((await lines.next()).value).toBe(`${DATA} octets, as they were sent`)
    expect(dropsOf(await routers.a.counters(), 'mtu-exceeded')).toBeGreaterThan(before)
  })
})
