import type { Dataplane } from '@heddle/core'
import { tunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { missing, titled } from './support/requirements.js'
import { POD, TwoSites, UNDERLAY, setUp, type Site } from './support/two-sites.js'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

describe.skipIf(missing() !== '').each([4, 6] as const)(titled('two sites over an IPv%i underlay'), (family) => {
  let sites: TwoSites
  const routers: Dataplane[] = []

  beforeAll(async () => {
    sites = new TwoSites()
    for (const site of ['a', 'b'] as const) {
      const addresses = UNDERLAY[site].map((address) => IpAddress.parse(address))
      const dataplane = await tunDataplane({ addresses, inProcess: true, underlayNetns: sites.path(`site-${site}`) })
      routers.push(dataplane)
      await setUp(dataplane, sites, site, family)
    }
  })

  afterAll(async () => {
    for (const router of routers) await router.close()
    sites?.close()
  })

  const other: Record<Site, Site> = { a: 'b', b: 'a' }

  it.each(['a', 'b'] as const)('ping from pod %s, IPv4 and IPv6', async (site) => {
    for (const address of POD[other[site]]) {
      const { stdout } = await run('ip', ['netns', 'exec', sites.name(`pod-${site}`), 'ping', '-c', '3', '-i', '0.1', '-W', '2', address])
      expect(stdout).toContain('3 received')
    }
  })
})
