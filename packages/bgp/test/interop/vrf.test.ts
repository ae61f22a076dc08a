import { nodeClock, nodeRandom, nodeTcpTransport } from '@heddle/io/node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Speaker, type NeighborConfig, type SpeakerConfig } from '../../src/index.js'
import { isUp, neighbor, vpnRoutes } from '../speaker/lab.js'
import { eventually, type Daemon } from './daemon.js'
import { BIRD } from './matrix/bird.js'
import { FRR } from './matrix/frr.js'
import type { MatrixConfig, MatrixDaemon } from './matrix/matrix-daemon.js'
import { speakAt, unicast } from './peering.js'

/*
 * Two sites of one customer, whose routers (CE) are FRR and BIRD, each at a PE of ours; behind each CE a speaker that originates. They are in another AS
 * than the PEs, or the VRF is of theirs (RFC 6368).
 */

const PROVIDER = 64_512
const CUSTOMER = 65_000
const PORT = 11_850
const KINDS = [
  { kind: 'in another AS', as: PROVIDER, at: 0 },
  { kind: 'in the AS of the VRF', as: CUSTOMER, at: 2 },
] as const
const VPN: NonNullable<SpeakerConfig['vrfs']>[number] = {
  name: 'red',
  rd: '64512:1',
  importTargets: ['64512:1'],
  exportTargets: ['64512:1'],
  label: 100,
}

interface Site {
  readonly ce: MatrixDaemon
  readonly config: MatrixConfig
  readonly pe: string
  readonly host: string
  /** CEs take no loopback address as a next hop. */
  readonly hop: string
  readonly prefix: string
}
/** @param as by which the PE is known */
const site = (ce: MatrixDaemon, at: number, as: number): Site => {
  const net = `127.0.${67 + at}`
  return {
    ce,
    pe: `${net}.1`,
    host: `${net}.3`,
    hop: `192.0.2.${70 + at}`,
    prefix: `10.${20 + at}.0.0/16`,
    config: { address: `${net}.2`, port: PORT + at, peers: [{ address: `${net}.1`, as }, { address: `${net}.3` }] },
  }
}
const reason = [FRR, BIRD].map((ce) => ce.reason && `${ce.name}${ce.reason}`).join('')

describe.skipIf(reason !== '').each(KINDS)(`customers of a VPN $kind${reason && ` (${reason})`}`, ({ as, at }) => {
  const isInternal = as === CUSTOMER
  const sites = [site(FRR, at, as), site(BIRD, at + 1, as)] as const
  const [first, second] = sites
  const running: Daemon[] = []
  const speakers: Speaker[] = []
  const pes: Speaker[] = []
  const hosts: Speaker[] = []

  beforeAll(async () => {
    for (const { pe, host, hop, config } of sites) {
      const other = pe === first.pe ? second.pe : first.pe
      const neighbors: NeighborConfig[] = [
        {
          address: other,
          port: PORT + 9,
          as: PROVIDER,
          localAddress: pe,
          families: ['vpnv4-unicast'],
          passive: pe === first.pe,
          connectRetry: 1,
        },
        {
          address: config.address,
          port: config.port,
          as: CUSTOMER,
          localAddress: pe,
          vrf: 'red',
          families: ['ipv4-unicast'],
          asOverride: !isInternal,
          exportPolicy: { terms: [{ change: { nextHop: hop } }], otherwise: 'accept' },
          connectRetry: 1,
        },
      ]
      const speaker = new Speaker({
        clock: nodeClock,
        random: nodeRandom,
        transport: nodeTcpTransport(),
        config: { as: PROVIDER, routerId: pe, holdTime: 9, listen: [{ address: pe, port: PORT + 9 }], vrfs: [{ ...VPN, as }], neighbors },
      })
      pes.push(speaker)
      hosts.push(speakAt(host, config, ['ipv4-unicast']))
    }
    speakers.push(...pes, ...hosts)
    for (const { ce, config } of sites) running.push(await ce.start(config))
    await Promise.all(speakers.map((speaker) => speaker.start()))
    const pairs = speakers.flatMap((speaker) => speaker.neighbors().map(({ address }) => ({ speaker, address })))
    await eventually('all sessions', () => pairs.every(({ speaker, address }) => isUp(speaker, address)) || undefined).catch(
      (error: unknown) => {
        const states = pairs.map(
          ({ speaker, address }) => `${address} ${neighbor(speaker, address).state} ${neighbor(speaker, address).lastError}`,
        )
        throw new TypeError(`${String(error)}: ${states.join(', ')}\n${running.map(({ output }) => output).join('\n')}`)
      },
    )
  })

  afterAll(async () => {
    await Promise.all(speakers.map((speaker) => speaker.stop()))
    await Promise.all(running.map((daemon) => daemon.stop()))
  })

  const ways = [
    { from: first, to: second, source: 0, target: 1 },
    { from: second, to: first, source: 1, target: 0 },
  ] as const
  it.each(ways)('hear of each other through us: from $from.ce.name to $to.ce.name', async ({ from, to, source, target }) => {
    hosts[source].announce([unicast(from.prefix, '192.0.2.90', { communities: [(CUSTOMER << 16) >>> 0], med: 77, localPref: 222 })])
    const shown = await eventually('the route at the other customer', async () => {
      const text = await to.ce.show(running[target], to.config, from.prefix).catch(() => '')
      return text.includes(to.hop) ? text : undefined
    })
    // as-override: our AS stands where the customer's own did, so that the other site takes it; or there is no AS between
    expect(/\b64512\b/.test(shown)).toBe(!isInternal)
    if (!isInternal) expect(shown).toMatch(/\b64512 64512\b/)
    expect(shown).toMatch(/65000[:,]0\b/)
    expect(vpnRoutes(pes[target], from.pe)).toEqual([`64512:1 ${from.prefix} label 100 via ${from.pe}`])
    const behind = await eventually('the route behind the other customer', () =>
      [...hosts[target].routes({ family: 'ipv4-unicast', neighbor: to.config.address })].find(
        ({ nlri }) => nlri.kind === 'unicast' && String(nlri.prefix) === from.prefix,
      ),
    )
    expect(behind.set.attributes).toMatchObject(
      isInternal ? { asPath: [], localPref: 222, med: 77 } : { asPath: [{ type: 'sequence', asns: [PROVIDER, PROVIDER] }], localPref: 100 },
    )
    hosts[source].withdraw([unicast(from.prefix, '192.0.2.90')])
    await eventually(
      'it is gone',
      async () => !(await to.ce.show(running[target], to.config, from.prefix).catch(() => '')).includes(to.hop) || undefined,
    )
    expect(vpnRoutes(pes[target])).toEqual([])
  })
})
