// A virtual router over TUN against the tunnels of a Linux kernel: VXLAN on this one, MPLS over UDP and GRE where the kernel has MPLS (npm run peers:kernel
// boots one), both ways, IPv4 and IPv6 inside and outside.
import { dropsOf, DROP_REASONS } from '@heddle/core'
import { tunDataplane, type TunDataplane } from '@heddle/dataplane-tun'
import { IpAddress } from '@heddle/wire'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { kernelLacks, makeKernelPeer } from './support/kernel-peer.js'
import { missing } from './support/requirements.js'
import { POD, TwoSites, UNDERLAY, setUp, siteTransaction } from './support/two-sites.js'

const run = promisify(execFile)

/** Families inside, with the place of their addresses. */
const INNER = [
  [4, 0],
  [6, 1],
] as const

/**
 * What becomes of what Linux says of itself through its tunnels, by multicast: it is no packet of a VRF. Pods say the like, from addresses that are not theirs.
 */
const CHATTER = { 'mpls-udp': 'label-unknown', 'mpls-gre': 'outer-malformed', vxlan: 'destination-invalid' } as const

const cases = (['mpls-udp', 'mpls-gre', 'vxlan'] as const).flatMap((encapsulation) =>
  ([4, 6] as const).map((family) => ({ encapsulation, family, lack: missing() === '' ? kernelLacks(encapsulation) : missing() })),
)

for (const { encapsulation, family, lack } of cases) {
  const title = `Linux as a peer by ${encapsulation} over IPv${family}${lack === '' ? '' : ` (skipped: needs ${lack})`}`
  describe.skipIf(lack !== '')(title, () => {
    let sites: TwoSites
    let router: TunDataplane | undefined

    beforeAll(async () => {
      sites = new TwoSites()
      makeKernelPeer(sites, encapsulation, family)
      const addresses = UNDERLAY.a.map((address) => IpAddress.parse(address))
      router = await tunDataplane({ addresses, inProcess: true, underlayNetns: sites.path('site-a') })
      await setUp(router, sites, 'a', family)
      const report = await router.apply(siteTransaction('a', 2, family, encapsulation))
      expect(report).toMatchObject({ status: 'applied', failures: [] })
    })
    afterAll(async () => {
      await router?.close()
      sites?.close()
    })

    /** Output of ping, which ends when it has three answers or has waited for half a minute; it never fails. */
    async function ping(from: string, ...words: string[]): Promise<string> {
      const argv = ['netns', 'exec', sites.name(from), 'ping', '-c', '3', '-w', '30', '-i', '0.2', ...words]
      return run('ip', argv).then(
        ({ stdout }) => stdout,
        (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
      )
    }

    it.each(INNER)(
      'is reached by a pod and reaches it (IPv%i inside)',
      async (_inner, index) => {
        expect(await ping('pod-a', POD.b[index])).toContain(' 3 received')
        expect(await ping('site-b', '-I', POD.b[index], POD.a[index])).toContain(' 3 received')
      },
      120_000,
    )

    it.each(INNER)(
      'takes packets as large as the tunnel carries, and none of them is dropped (IPv%i inside)',
      async (_inner, index) => {
        const headers = index === 0 ? 28 : 48
        // Behind the outer headers, the labels or the inner Ethernet header, of a 1,500-octet underlay.
        const overhead = (family === 4 ? 20 : 40) + { 'mpls-udp': 12, 'mpls-gre': 8, vxlan: 30 }[encapsulation]
        const size = String(Math.min(1400, 1500 - overhead) - headers)
        expect(await ping('pod-a', '-s', size, '-M', 'do', POD.b[index])).toContain(' 3 received')
        const counters = await router?.counters()
        const drops = DROP_REASONS.filter((reason) => counters !== undefined && dropsOf(counters, reason) > 0)
        expect(drops.filter((reason) => reason !== 'source-address' && reason !== CHATTER[encapsulation])).toEqual([])
      },
      120_000,
    )
  })
}
