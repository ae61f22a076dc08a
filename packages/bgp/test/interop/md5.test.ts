import { nodeClock, nodeRandom } from '@heddle/io/node'
import { linuxTcpTransport, nativeAvailability, probe } from '@heddle/linux'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker, type NeighborConfig } from '../../src/index.js'
import { isUp, neighbor } from '../speaker/lab.js'
import { eventually, type Daemon } from './daemon.js'
import { BIRD } from './matrix/bird.js'
import { FRR } from './matrix/frr.js'
import { GOBGP } from './matrix/gobgp.js'
import type { MatrixConfig } from './matrix/matrix-daemon.js'
import { OPENBGPD } from './matrix/openbgpd.js'
import { unicast } from './peering.js'

const KEY = 'a-shared-secret'
const md5 = probe().features['tcp-md5']
const availability = nativeAvailability()
const lacking = !availability.available ? ` (${availability.reason})` : md5.available ? '' : ` (${md5.reason})`
const HOP = '192.0.2.61'
const WAITING = 11_840

describe.each([FRR, GOBGP, BIRD, OPENBGPD].map((daemon, at) => ({ daemon, at, title: `${daemon.name}${lacking || daemon.reason}` })))(
  'TCP MD5 with $title',
  ({ daemon, at }) => {
    const skip = lacking !== '' || daemon.reason !== ''
    const net = `127.0.${60 + at}`
    /** We connect; it connects to us; it has another key; it has none. */
    const [connects, waits, wrong, unsigned] = [1, 3, 4, 5].map((host) => `${net}.${host}`) as [string, string, string, string]
    const config: MatrixConfig = {
      address: `${net}.2`,
      port: 11_830 + at,
      peers: [
        { address: connects, md5: KEY },
        { address: waits, port: WAITING, md5: KEY },
        { address: wrong, port: WAITING, md5: 'something-else' },
        { address: unsigned },
      ],
    }
    let running: Daemon
    let speakers: Map<string, Speaker>

    const speak = (address: string, more: Partial<NeighborConfig> = {}): Speaker =>
      new Speaker({
        clock: nodeClock,
        random: nodeRandom,
        transport: linuxTcpTransport(),
        config: {
          as: 65000,
          routerId: address,
          listen: [{ address, port: WAITING }],
          neighbors: [
            {
              address: config.address,
              port: config.port,
              as: 65000,
              localAddress: address,
              families: ['ipv4-unicast'],
              connectRetry: 1,
              authentication: { kind: 'tcp-md5', key: KEY },
              ...more,
            },
          ],
        },
      })

    beforeAll(async () => {
      if (skip) return
      speakers = new Map(
        ([[connects], [waits, { passive: true }], [wrong], [unsigned]] as const).map(([address, more]) => [address, speak(address, more)]),
      )
      await Promise.all([...speakers.values()].map((speaker) => speaker.start()))
      running = await daemon.start(config)
    })

    afterAll(async () => {
      if (skip) return
      await Promise.all([...speakers.values()].map((speaker) => speaker.stop()))
      await running?.stop()
    })

    const of = (address: string): Speaker => {
      const speaker = speakers.get(address)
      if (speaker === undefined) throw new RangeError(address)
      return speaker
    }

    const shown = (prefix: string): Promise<string> => daemon.show(running, config, prefix).catch(() => '')
    const ups = daemon.signsOwnConnectionsOnly === true ? [waits] : [waits, connects]

    it.skipIf(skip)('comes up with the same key, whoever connects, and routes go both ways', async () => {
      await eventually('both sessions', () => ups.every((address) => isUp(of(address), config.address)) || undefined).catch(
        (error: unknown) => {
          throw new TypeError(
            `${String(error)}: ${ups.map((address) => neighbor(of(address), config.address).lastError).join(', ')}\n${running.output}`,
          )
        },
      )
      of(waits).announce([unicast('10.11.0.0/16', HOP)])
      await eventually('the route', async () => (await shown('10.11.0.0/16')).includes(HOP) || undefined)
      for (const address of ups.slice(1)) {
        const arrived = (): readonly unknown[] => [...of(address).routes({ family: 'ipv4-unicast', neighbor: config.address })]
        await eventually('the route at the other', () => arrived().length === 1 || undefined)
      }
    })

    it.skipIf(skip)('stays down with another key or none, and says what that may be', async () => {
      for (const address of [wrong, unsigned]) {
        const reason = await eventually(
          'a reason',
          () => /(.*); this system has (.*)/.exec(neighbor(of(address), config.address).lastError ?? '') ?? undefined,
        )
        expect(reason[1]).toBe(
          `no answer from ${config.address} port ${config.port} within 1 s; its key for TCP MD5 may be another, or it has none`,
        )
        // both ends are on this system: what one of them drops is counted
        expect(reason[2]).toMatch(/^dropped segments meanwhile: \d+ with(out)? /)
        expect(neighbor(of(address), config.address)).toMatchObject({ established: 0, messages: { received: { open: 0 } } })
      }
    })

    it.skipIf(skip)('takes another key while the session goes on', async () => {
      const speaker = of(waits)
      const before = neighbor(speaker, config.address)
      const changed: NeighborConfig = { ...before.config, authentication: { kind: 'tcp-md5', key: 'the next key' } }
      const original: NeighborConfig = { ...before.config, authentication: { kind: 'tcp-md5', key: KEY } }
      expect(speaker.updateNeighbor(changed)).toBe('applied')
      expect(speaker.updateNeighbor(original)).toBe('applied') // in time: what was lost meanwhile is sent again
      speaker.announce([unicast('10.12.0.0/16', HOP)])
      await eventually('the route', async () => (await shown('10.12.0.0/16')).includes(HOP) || undefined)
      expect(neighbor(speaker, config.address).established).toBe(1)
    })
  },
)
