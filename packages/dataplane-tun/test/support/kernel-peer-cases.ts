import { DROP_REASONS, dropsOf, type Dataplane } from '@heddle/core'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeKernelPeer, missingTunnels, type KernelPeerOptions } from './kernel-peer.js'
import { POD, setUp, siteTransaction, TwoSites } from './two-sites.js'
import { tcpStream } from './tcp-stream.js'

const run = promisify(execFile)
const hasEthtool = existsSync('/usr/sbin/ethtool')

/** Families inside, with the place of their addresses. */
const INNER = [
  [4, 0],
  [6, 1],
] as const

/** Octets of a TCP stream, which a machine in software carries as well. */
const OCTETS = 2 << 20

/**
 * What becomes of what Linux says of itself through its tunnels, by multicast: it is no packet of a VRF. Pods say the like, from addresses that are not theirs.
 */
const CHATTER = { 'mpls-udp': 'label-unknown', 'mpls-gre': 'outer-malformed', vxlan: 'destination-invalid' } as const

export interface KernelPeerCases extends Pick<KernelPeerOptions, 'takesZeroChecksums'> {
  /** Why the router cannot be run here; empty when it can. */
  readonly missing: string
  /** Opens the router of site a. */
  readonly open: (sites: TwoSites) => Promise<Dataplane>
  /** Whether a segment of TCP leaves it, and comes to it, as large as a pod has made it, where no network cuts it. */
  readonly takesWholeSegments: boolean
}

/** A virtual router against the tunnels of a Linux kernel: VXLAN on this one, MPLS over UDP and GRE where the kernel has MPLS, IPv4 and IPv6 inside and outside. */
export function testKernelPeers({ missing, open, takesWholeSegments, takesZeroChecksums }: KernelPeerCases): void {
  for (const encapsulation of ['mpls-udp', 'mpls-gre', 'vxlan'] as const) {
    const lack = missing === '' ? missingTunnels(encapsulation) : missing
    describe.skipIf(lack !== '').each([4, 6] as const)(
      `Linux as a peer by ${encapsulation} over IPv%i${lack === '' ? '' : ` (skipped: ${lack})`}`,
      (family) => {
        let sites: TwoSites
        let router: Dataplane | undefined
        /** What was dropped before it had tables: the far end is there already, and says what it is. */
        let before: readonly number[] = []

        beforeAll(async () => {
          sites = new TwoSites()
          makeKernelPeer(sites, { encapsulation, family, takesZeroChecksums })
          router = await open(sites)
          await setUp(router, sites, 'a', family)
          const report = await router.apply(siteTransaction('a', 2, family, encapsulation))
          expect(report).toMatchObject({ status: 'applied', failures: [] })
          before = await drops(router)
        })
        afterAll(async () => {
          await router?.close()
          sites?.close()
        })

        /** Answers to ping, which ends when it has three, or one more where they take long, or has waited for half a minute; it never fails. */
        async function answers(from: string, ...words: string[]): Promise<number> {
          const argv = ['netns', 'exec', sites.name(from), 'ping', '-c', '3', '-w', '30', '-i', '0.2', ...words]
          const said = await run('ip', argv).then(
            ({ stdout }) => stdout,
            (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
          )
          const [, received] = / (\d+) received/.exec(said) ?? []
          if (received === undefined) throw new Error(`ping: ${said}`)
          return Number(received)
        }

        /** In the order of `DROP_REASONS`. */
        async function drops(of: Dataplane): Promise<number[]> {
          const counters = await of.counters()
          return DROP_REASONS.map((reason) => dropsOf(counters, reason))
        }

        async function isDropless(): Promise<void> {
          const now = await drops(router as Dataplane)
          const dropped = DROP_REASONS.filter((_, index) => now[index] > before[index])
          expect(dropped.filter((reason) => reason !== 'source-address' && reason !== CHATTER[encapsulation])).toEqual([])
        }

        /** A stream to the peer, and one of the other family inside from it. @returns octets that a packet to the peer had on the wire */
        async function streams(...[to, from]: readonly (0 | 1)[]): Promise<number> {
          const before = sites.sentBy('site-a', 'up0')
          expect(await tcpStream(sites, ['pod-a', 'site-b'], POD.b[to], OCTETS)).toBe(true)
          const after = sites.sentBy('site-a', 'up0')
          expect(await tcpStream(sites, ['site-b', 'pod-a'], POD.a[from], OCTETS)).toBe(true)
          await isDropless()
          return (after.octets - before.octets) / (after.packets - before.packets)
        }

        it.each(INNER)(
          'is reached by a pod and reaches it (IPv%i inside)',
          async (_inner, index) => {
            expect(await answers('pod-a', POD.b[index])).toBeGreaterThanOrEqual(3)
            expect(await answers('site-b', '-I', POD.b[index], POD.a[index])).toBeGreaterThanOrEqual(3)
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
            expect(await answers('pod-a', '-s', size, '-M', 'do', POD.b[index])).toBeGreaterThanOrEqual(3)
            await isDropless()
          },
          120_000,
        )

        it.skipIf(!takesWholeSegments)(
          `takes and sends TCP streams whole, in frames that nobody has cut${takesWholeSegments ? '' : ' (skipped: this router cuts them itself)'}`,
          async () => {
            expect(await streams(...(family === 4 ? ([0, 1] as const) : ([1, 0] as const)))).toBeGreaterThan(3000)
          },
        )

        it.skipIf(!hasEthtool)(
          `takes and sends TCP streams whole, in frames that a network takes${hasEthtool ? '' : ' (skipped: needs ethtool)'}`,
          async () => {
            for (const site of ['site-a', 'site-b']) sites.in(site, ...'ethtool -K up0 tx off gso off tso off'.split(' '))
            expect(await streams(...(family === 4 ? ([1, 0] as const) : ([0, 1] as const)))).toBeLessThan(1515)
          },
        )
      },
    )
  }
}
