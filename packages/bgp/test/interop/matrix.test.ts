import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { IpPrefix } from '@heddle/wire'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  IPV4_UNICAST,
  MrtStream,
  WELL_KNOWN_COMMUNITY,
  mrtAttributes,
  mrtNlri,
  type LocalRoute,
  type RouteView,
  type Speaker,
} from '../../src/index.js'
import { isUp, neighbor } from '../speaker/lab.js'
import { eventually, type Daemon } from './daemon.js'
import { BIRD } from './matrix/bird.js'
import { FRR } from './matrix/frr.js'
import { GOBGP } from './matrix/gobgp.js'
import type { MatrixConfig } from './matrix/matrix-daemon.js'
import { OPENBGPD } from './matrix/openbgpd.js'
import { MANY_COMMUNITIES, speakAt, unicast } from './peering.js'

/* Features of IPv4 unicast through each daemon, which reflects between three speakers of ours: the same rows for all. */

const HOPS = ['192.0.2.61', '192.0.2.62'] as const

/** Why a row is not run, for its title. */
const lacks = (has: boolean, reason: string): string => (has ? '' : ` (${reason})`)

describe.each([FRR, GOBGP, BIRD, OPENBGPD].map((daemon, at) => ({ daemon, at, title: `${daemon.name}${daemon.reason}` })))(
  'through $title',
  ({ daemon, at }) => {
    const skip = daemon.reason !== ''
    const net = `127.0.${70 + at}`
    const config: MatrixConfig = {
      address: `${net}.2`,
      port: 11_860 + at,
      peers: [1, 3, 4].map((host) => ({ address: `${net}.${host}`, addPath: true, ...(daemon.has.longLived ? { longLived: 60 } : {}) })),
    }
    let running: Daemon
    let speakers: Speaker[] = []

    const speak = (address: string): Speaker =>
      speakAt(address, config, ['ipv4-unicast'], { addPath: 'both', gracefulRestart: { restartTime: 1, longLived: 60 } })
    const up = (speaker: Speaker): boolean => isUp(speaker, config.address)
    const shown = (prefix: string): Promise<string> => daemon.show(running, config, prefix).catch(() => '')
    const from = (speaker: Speaker, prefix: string): RouteView[] =>
      [...speaker.routes({ family: 'ipv4-unicast', neighbor: config.address })].filter(
        ({ nlri }) => nlri.kind === 'unicast' && String(nlri.prefix) === prefix,
      )
    const hops = (speaker: Speaker, prefix: string): string[] =>
      from(speaker, prefix)
        .map(({ set }) => String(set.nextHop?.address))
        .sort()

    beforeAll(async () => {
      if (skip) return
      running = await daemon.start(config)
      speakers = config.peers.map(({ address }) => speak(address))
      await Promise.all(speakers.map((speaker) => speaker.start()))
      await eventually('the sessions', () => speakers.every(up) || undefined).catch((error: unknown) => {
        throw new TypeError(
          `${String(error)}: ${speakers.map((speaker) => neighbor(speaker, config.address).lastError).join(', ')}\n${running.output}`,
        )
      })
    })

    afterAll(async () => {
      await Promise.all(speakers.map((speaker) => speaker.stop()))
      await running?.stop()
    })

    it.skipIf(skip)('ADD-PATH: gives us the paths of two of our speakers', async () => {
      const [a, b, c] = speakers
      a.announce([unicast('10.21.0.0/16', HOPS[0])])
      b.announce([unicast('10.21.0.0/16', HOPS[1])])
      await eventually('both', () => hops(c, '10.21.0.0/16').length === 2 || undefined)
      expect(hops(c, '10.21.0.0/16')).toEqual(HOPS)
      b.withdraw([unicast('10.21.0.0/16', HOPS[1])])
      await eventually('one is gone', () => hops(c, '10.21.0.0/16').length === 1 || undefined)
      expect(hops(c, '10.21.0.0/16')).toEqual([HOPS[0]])
    })

    it.skipIf(skip)('ADD-PATH: takes two paths of one speaker, and lets go of one', async () => {
      const [a, , c] = speakers
      const paths = HOPS.map((hop, path): LocalRoute => {
        return { ...unicast('10.22.0.0/16', hop), nlri: { kind: 'unicast', prefix: IpPrefix.parse('10.22.0.0/16'), pathId: path + 1 } }
      })
      a.announce(paths)
      const text = await eventually('both', async () => {
        const now = await shown('10.22.0.0/16')
        return HOPS.every((hop) => now.includes(hop)) ? now : undefined
      })
      expect(text).toContain(HOPS[1])
      await eventually('both are reflected', () => hops(c, '10.22.0.0/16').length === 2 || undefined)
      a.withdraw(paths.slice(1))
      await eventually('one is gone', async () => !(await shown('10.22.0.0/16')).includes(HOPS[1]) || undefined)
      expect(await shown('10.22.0.0/16')).toContain(HOPS[0])
    })

    it.skipIf(skip || !daemon.has.routeRefresh)(
      `route refresh: gives its routes again${lacks(daemon.has.routeRefresh, 'it sends nothing')}`,
      async () => {
        const [a, b] = speakers
        a.announce([unicast('10.27.0.0/16', HOPS[0])])
        await eventually('the route', () => from(b, '10.27.0.0/16').length === 1 || undefined)
        const before = neighbor(b, config.address).messages.received.update
        expect(b.requestRefresh(config.address, 'ipv4-unicast')).toBe(true)
        await eventually('it came again', () => neighbor(b, config.address).messages.received.update > before || undefined)
        expect(from(b, '10.27.0.0/16')).toHaveLength(1)
      },
    )

    it.skipIf(skip || daemon.dump === undefined)(
      `MRT: its table is read as it was told to it${lacks(daemon.dump !== undefined, 'it writes none when asked')}`,
      async () => {
        speakers[0].announce([unicast('10.28.0.0/16', HOPS[0], { med: 28 })])
        await eventually('the route', async () => (await shown('10.28.0.0/16')).includes(HOPS[0]) || undefined)
        const file = join(running.directory, 'table.mrt')
        await daemon.dump?.(running, file)
        const entry = await eventually('the route in its table', async () => {
          const stream = new MrtStream()
          const results = stream.push(await readFile(file).catch(() => new Uint8Array()))
          expect(results.filter(({ ok }) => !ok)).toEqual([])
          const records = results.flatMap((result) => (result.ok ? [result.record] : []))
          const peers = records.flatMap((record) => (record.kind === 'peer-index-table' ? record.peers : []))
          const [rib] = records.filter((record) => record.kind === 'rib' && JSON.stringify(mrtNlri(record)).includes('10.28.0.0/16'))
          const [first] = rib?.kind === 'rib' ? rib.entries : []
          return first === undefined ? undefined : { peer: peers[first.peerIndex], ...mrtAttributes(first.attributes, IPV4_UNICAST, true) }
        })
        expect([String(entry.peer?.address), entry.peer?.as]).toEqual([config.peers[0]?.address, 65_000])
        expect(entry.attributes).toMatchObject({ origin: 'igp', asPath: [], med: 28, localPref: 100 })
        expect(String(entry.attributes.nextHop)).toBe(HOPS[0])
      },
    )

    it.skipIf(skip)('large communities: come out as they went in', async () => {
      const largeCommunities = [{ globalAdministrator: 4_200_000_000, localData1: 0xffff_ffff, localData2: 3 }]
      speakers[0].announce([unicast('10.23.0.0/16', HOPS[0], { largeCommunities })])
      const [view] = await eventually('the route', () => {
        const found = from(speakers[1], '10.23.0.0/16')
        return found.length > 0 ? found : undefined
      })
      expect(view.set.attributes.largeCommunities).toEqual(largeCommunities)
      expect(await shown('10.23.0.0/16')).toMatch(/4200000000.*4294967295.*3/)
    })

    it.skipIf(skip)(
      `extended messages: ${daemon.has.extendedMessages ? 'an UPDATE beyond 4,096 octets passes' : 'are not agreed on, and the session lives'}`,
      async () => {
        const [a, b] = speakers
        const { negotiated } = neighbor(a, config.address)
        expect(negotiated?.extendedMessage).toBe(daemon.has.extendedMessages)
        a.announce([unicast('10.24.0.0/16', HOPS[0], { communities: MANY_COMMUNITIES }), unicast('10.25.0.0/16', HOPS[0])])
        await eventually('the small one', () => from(b, '10.25.0.0/16').length === 1 || undefined)
        if (daemon.has.extendedMessages) {
          const [view] = await eventually('the large one', () =>
            from(b, '10.24.0.0/16').length === 1 ? from(b, '10.24.0.0/16') : undefined,
          )
          expect(view.set.attributes.communities).toHaveLength(MANY_COMMUNITIES.length)
        } else {
          // what does not fit into a message is not announced at all, and nothing else suffers
          expect(from(b, '10.24.0.0/16')).toEqual([])
          expect(
            [...a.routes({ family: 'ipv4-unicast', neighbor: config.address, direction: 'out' })].map(
              ({ nlri }) => nlri.kind === 'unicast' && String(nlri.prefix),
            ),
          ).not.toContain('10.24.0.0/16')
        }
        expect(neighbor(a, config.address).established).toBe(1)
      },
    )

    it.skipIf(skip || !daemon.has.longLived)(
      `long-lived graceful restart: keeps our routes marked when we are gone, until we are back${lacks(daemon.has.longLived, 'it has none')}`,
      async () => {
        const [a, b] = speakers
        a.announce([unicast('10.26.0.0/16', HOPS[0])])
        await eventually('the route', () => from(b, '10.26.0.0/16').length === 1 || undefined)
        await a.stop({ graceful: true })
        const marked = (): boolean =>
          from(b, '10.26.0.0/16').some(({ set }) => set.attributes.communities?.includes(WELL_KNOWN_COMMUNITY.llgrStale) === true)
        await eventually('it is marked as stale for long', () => marked() || undefined)
        const again = (speakers[0] = speak(config.peers[0]?.address ?? ''))
        again.announce([unicast('10.26.0.0/16', HOPS[0])])
        await again.start()
        await eventually('the session', () => up(again) || undefined)
        await eventually('it is fresh', () => (from(b, '10.26.0.0/16').length === 1 && !marked()) || undefined)
      },
    )
  },
)
