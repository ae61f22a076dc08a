import type { Encapsulation } from '@heddle/core'
import { ebpfFeatures, type EbpfDataplaneOptions } from '@heddle/dataplane-ebpf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { POD } from '../../dataplane-tun/test/support/two-sites.js'
import { missingNetkit } from '../src/probe.js'
import { BulkSites, ENOUGH, SITES, whole, type Endpoint } from './support/bulk.js'
import { hasEthtool } from './support/hairpin.js'
import { missing, titled } from './support/requirements.js'

/*
 *   red pod ─ [router a] ══ veth that cuts ══ [router b: joins, or gets them one by one] ─ red pod
 */

const FROM: Endpoint = { site: 'a', kind: 'red', port: 0 }
const TO: Endpoint = { site: 'b', kind: 'red', port: 0 }
const FAMILIES = [4, 6] as const
const OCTETS = 8 << 20
/** Octets of the largest packet that is no several segments. */
const MTU = 1400
/** What is joined is that many packets and more, on average. */
const JOINED = 4

const hasGpe = missing() === '' && ebpfFeatures().some(({ name, available }) => name === 'vxlan-gpe' && available)
const lacks = hasEthtool && hasGpe ? '' : ' (skipped: needs ethtool and vxlan-gpe)'
const kinds = missing() === '' && missingNetkit() === '' ? (['veth', 'netkit'] as const) : (['veth'] as const)

describe.skipIf(missing() !== '' || lacks !== '')(
  titled(`TCP behind joint labels, where a network has cut it${lacks}`),
  { timeout: 4 * ENOUGH },
  () => {
    let sites: BulkSites
    let generation = 0
    beforeAll(async () => {
      sites = new BulkSites('streams')
      await sites.open()
      sites.cutFrames()
    })
    afterAll(() => sites?.closeAll())

    async function open(options: Partial<EbpfDataplaneOptions>): Promise<void> {
      for (const site of SITES) await sites.openRouter(site, site === 'a' ? {} : options)
      generation = 0
    }

    /** @param outer family of the underlay */
    async function program(outer: 4 | 6, encapsulation: Encapsulation): Promise<void> {
      generation++
      for (const site of SITES) await sites.setUp(sites.routers[site], site, generation, outer, encapsulation)
    }

    it.each(kinds)('is looked at once for many segments, by %s', async (devices) => {
      await open({ devices })
      for (const outer of FAMILIES) {
        await program(outer, 'mpls-udp-joint')
        for (const address of POD.b) {
          const before = await sites.dropped()
          const { lines, mean } = await sites.send([FROM, TO], address, (octets) => octets > JOINED * MTU, OCTETS)
          expect([lines, await sites.dropped()]).toEqual([whole(OCTETS), before])
          expect(mean).toBeGreaterThan(JOINED * MTU)
        }
      }
    })

    it.each<[string, Encapsulation, Partial<EbpfDataplaneOptions>]>([
      ['where the kernel does not join it', 'mpls-udp-joint', { without: ['vxlan-gpe'] }],
      ['without joint labels', 'mpls-udp', {}],
    ])('comes whole, segment by segment, %s', async (_, encapsulation, options) => {
      await open(options)
      for (const outer of FAMILIES) {
        await program(outer, encapsulation)
        for (const address of POD.b) {
          const before = await sites.dropped()
          const { lines, mean } = await sites.send([FROM, TO], address, () => true, OCTETS)
          expect([lines, await sites.dropped()]).toEqual([whole(OCTETS), before])
          expect(mean).toBeLessThanOrEqual(MTU)
        }
      }
    })
  },
)
