import { dropsOf } from '@heddle/core'
import { ebpfDataplane, type EbpfDataplane } from '@heddle/dataplane-ebpf'
import { IpAddress } from '@heddle/wire'
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POD, UNDERLAY, type Site } from '../../dataplane-tun/test/support/two-sites.js'
import { PACE } from './support/pace.js'
import { missing, titled } from './support/requirements.js'
import { TwoEbpfSites } from './support/two-sites.js'

const SCRIPT = fileURLToPath(new URL('support/sctp-bulk.py', import.meta.url))
const SITES = ['a', 'b'] as const
const [MESSAGES, SIZE, PORT] = [10_000, 200, '9000']

/** What there is no SCTP here for want of; empty when there is. */
function missingSctp(): string {
  if (missing() !== '') return missing()
  try {
    execFileSync('python3', [SCRIPT, 'ask'], { stdio: 'pipe' })
    return ''
  } catch {
    return 'needs python3, and sctp of the kernel'
  }
}
const lack = missingSctp()

describe.skipIf(lack !== '')(titled('SCTP between pods', lack), () => {
  let sites: TwoEbpfSites
  const routers = {} as Record<Site, EbpfDataplane>
  const children: ChildProcessWithoutNullStreams[] = []

  beforeAll(async () => {
    sites = new TwoEbpfSites('sctp')
    for (const site of SITES) {
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

  function start(site: Site, ...words: readonly string[]): ChildProcessWithoutNullStreams {
    const child = spawn('ip', ['netns', 'exec', sites.name(sites.short('red', site)), 'python3', SCRIPT, ...words])
    children.push(child)
    return child
  }

  // Of the packets that it makes of many messages, none came through: that they are to be cut is told by no size.
  it('comes whole, and none of it is too large for the tunnel', { timeout: 120_000 * PACE }, async () => {
    const lines = createInterface(start('b', 'take', POD.b[0], PORT).stdout)[Symbol.asyncIterator]()
    expect((await lines.next()).value).toBe('listening')
    const before = dropsOf(await routers.a.counters(), 'mtu-exceeded')
    start('a', 'send', POD.b[0], PORT, String(MESSAGES))
    expect((await lines.next()).value).toBe(`${MESSAGES * SIZE} octets, as they were sent`)
    expect(dropsOf(await routers.a.counters(), 'mtu-exceeded')).toBe(before)
  })
})
