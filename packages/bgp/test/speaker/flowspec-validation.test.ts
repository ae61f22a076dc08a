import { IpAddress, IpPrefix, RouteDistinguisher } from '@heddle/wire'
import { seededRandom } from '@heddle/io/testing'
import { describe, expect, it } from 'vitest'
import {
  IPV4_FLOWSPEC,
  IPV4_UNICAST,
  IPV6_FLOWSPEC,
  L2VPN_FLOWSPEC,
  VPNV4_FLOWSPEC,
  VPNV4_UNICAST,
  type AsPathSegment,
  type FlowspecComponent,
  type LocalRoute,
  type NeighborConfig,
  type RouteView,
  type Speaker,
} from '../../src/index.js'
import { Lab, isUp } from './lab.js'

/*
 * R of AS 65000 is told of rules by X of AS 65001, Y of AS 65002 and I of its own AS, which passes on what J says too. Which of them may say what
 * of a destination is told by unicast routes (RFC 8955 §6, RFC 9117).
 */

const [R, X, Y, I, J] = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4', '192.0.2.5'] as const
const FAMILIES = ['ipv4-unicast', 'ipv4-flowspec', 'ipv6-flowspec', 'vpnv4-unicast', 'vpnv4-flowspec', 'l2vpn-flowspec'] as const

const peer = (address: string, as: number, more: Partial<NeighborConfig> = {}): NeighborConfig => ({
  address,
  as,
  families: FAMILIES,
  connectRetry: 2,
  ...more,
})

async function network(atR: { readonly x?: Partial<NeighborConfig>; readonly i?: Partial<NeighborConfig> } = {}) {
  const lab = new Lab()
  const r = lab.speaker(R, {
    neighbors: [peer(X, 65_001, atR.x), peer(Y, 65_002), peer(I, 65_000, { flowspecValidation: true, ...atR.i })],
  })
  const x = lab.speaker(X, { as: 65_001, neighbors: [peer(R, 65_000)] })
  const y = lab.speaker(Y, { as: 65_002, neighbors: [peer(R, 65_000)] })
  const i = lab.speaker(I, { neighbors: [peer(R, 65_000), peer(J, 65_000, { routeReflectorClient: true })] })
  const j = lab.speaker(J, { neighbors: [peer(I, 65_000)] })
  await Promise.all([r, x, y, i, j].map((speaker) => speaker.start()))
  await lab.until(() => [X, Y, I].every((address) => isUp(r, address)) && isUp(i, J), 'all sessions')
  return { lab, r, x, y, i, j }
}

const sequence = (asns: readonly number[]): { asPath: readonly AsPathSegment[] } => ({
  asPath: asns.length === 0 ? [] : [{ type: 'sequence', asns }],
})
const unicast = (prefix: string, asns: readonly number[] = []): LocalRoute => ({
  family: IPV4_UNICAST,
  nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) },
  nextHop: IpAddress.parse('192.0.2.99'),
  attributes: sequence(asns),
})
const ONLY_UDP: FlowspecComponent = { type: 'protocol', matches: [{ and: false, operator: '==', value: 17 }] }
/** @param destination absent: the rule names none */
const rule = (destination?: string, asns: readonly number[] = []): LocalRoute => ({
  family: IPV4_FLOWSPEC,
  nlri: {
    kind: 'flowspec',
    components: [
      ...(destination === undefined ? [] : [{ type: 'destination-prefix', prefix: IpPrefix.parse(destination) } as const]),
      ONLY_UDP,
    ],
  },
  attributes: sequence(asns),
})

/** `peer: invalid` of each path with a rule, sorted. */
const verdicts = (
  r: Speaker,
  family: 'ipv4-flowspec' | 'ipv6-flowspec' | 'vpnv4-flowspec' | 'l2vpn-flowspec' = 'ipv4-flowspec',
): string[] => [...r.routes({ family })].map((view) => `${view.peer}: ${view.invalid ?? 'follow'}`).sort()

describe('a rule of FlowSpec from another AS', () => {
  it('is followed while the route to its destination is of who gave it', async () => {
    const { lab, r, x, y } = await network()
    x.announce([rule('10.1.0.1/32')])
    y.announce([rule('10.1.0.1/32')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`, `${Y}: infeasible`])
    x.announce([unicast('10.0.0.0/8')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${Y}: infeasible`])
    y.announce([unicast('10.1.0.0/16')]) // the longest prefix counts
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`, `${Y}: follow`])
    y.withdraw([unicast('10.1.0.0/16')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${Y}: infeasible`])
    x.withdraw([unicast('10.0.0.0/8')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`, `${Y}: infeasible`])
  })

  it('is not told to anybody before it may be followed, and is taken back when it no longer may', async () => {
    const { lab, r, x, y } = await network()
    const heard: (boolean | undefined)[] = []
    const told = () => [...y.routes({ family: 'ipv4-flowspec', neighbor: R })].length
    const watching = (async () => {
      for await (const batch of r.changes)
        for (const change of batch) if (change.family.name === 'ipv4-flowspec') heard.push(change.kind === 'announce')
    })()
    x.announce([rule('10.1.0.1/32')])
    await lab.run(2)
    expect([told(), heard]).toEqual([0, []])
    x.announce([unicast('10.1.0.0/16')])
    await lab.run(2)
    expect([told(), heard]).toEqual([1, [true]])
    const { nlri } = rule('10.1.0.1/32')
    y.announce([unicast('10.1.0.1/32')])
    await lab.run(2)
    expect([told(), heard]).toEqual([0, [true, false]])
    const [path] = r.explain({ family: 'ipv4-flowspec', nlri }).paths
    expect(path?.verdict).toEqual({ kind: 'invalid', reason: 'infeasible' })
    await r.stop()
    await watching
  })

  it('is contested by a more specific route from another AS, be it the best or not', async () => {
    const { lab, r, x, y } = await network()
    x.announce([unicast('10.0.0.0/8'), unicast('10.1.0.0/24'), rule('10.0.0.0/8'), rule('10.1.0.0/16')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${X}: follow`])
    y.announce([unicast('10.1.0.0/24', [64_999, 64_998])]) // longer, and so not the best
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`, `${X}: infeasible`])
    y.announce([unicast('10.2.0.0/24')])
    y.withdraw([unicast('10.1.0.0/24')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${X}: infeasible`]) // the other one is within 10.0.0.0/8 alone
    r.removeNeighbor(Y)
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${X}: follow`])
  })

  it('is contested by what was there before it, and by other routes when another one is the best match', async () => {
    const { lab, r, x, y } = await network()
    y.announce([unicast('10.1.0.0/24')])
    x.announce([unicast('10.0.0.0/8'), unicast('10.1.0.128/25')])
    await lab.run(2)
    x.announce([rule('10.1.0.0/16')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`])
    y.withdraw([unicast('10.1.0.0/24')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`])
    y.announce([unicast('10.1.0.0/16'), rule('10.1.0.0/16')]) // of which 10.1.0.128/25 is another AS's
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`, `${Y}: infeasible`])
    x.withdraw([unicast('10.1.0.128/25')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`, `${Y}: follow`])
    y.withdraw([unicast('10.1.0.0/16')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${Y}: infeasible`])
  })

  it('waits for a table that is large to be looked through, while sessions go on', async () => {
    const { lab, r, x, y } = await network()
    x.announce([unicast('10.0.0.0/8')])
    y.announce(Array.from({ length: 3000 }, (_, at) => unicast(`172.16.${at >> 8}.${at & 255}/32`)))
    await lab.run(5)
    y.announce([unicast('10.200.0.0/16')])
    await lab.run(2)
    x.announce([rule('10.128.0.0/9'), rule('10.0.0.0/9'), rule('10.1.0.0/16')])
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${X}: follow`, `${X}: infeasible`])
    expect([X, Y].map((address) => isUp(r, address))).toEqual([true, true])
  })

  it('names a destination, by a prefix and not a pattern (RFC 8956 §5)', async () => {
    const { lab, r, x } = await network()
    const pattern = { type: 'destination-prefix', prefix: IpPrefix.parse('2001:db8::/64'), offset: 16 } as const
    const whole = { type: 'destination-prefix', prefix: IpPrefix.parse('2001:db8::/64') } as const
    x.announce([rule(), unicast('0.0.0.0/0')])
    x.announce([pattern, whole].map((component) => ({ family: IPV6_FLOWSPEC, nlri: { kind: 'flowspec', components: [component] } })))
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: infeasible`])
    expect(verdicts(r, 'ipv6-flowspec')).toEqual([`${X}: infeasible`, `${X}: infeasible`]) // and nothing of IPv6 covers the other one
  })

  it('of a VPN is validated by the routes of its RD', async () => {
    const { lab, r, x, y } = await network()
    const prefix = IpPrefix.parse('10.1.0.0/16')
    const vpn = (rd: string): LocalRoute => ({
      family: VPNV4_UNICAST,
      nlri: { kind: 'vpn', labels: [16], rd: RouteDistinguisher.parse(rd), prefix },
    })
    const { nlri } = rule('10.1.0.1/32')
    x.announce([{ family: VPNV4_FLOWSPEC, nlri: { ...nlri, rd: RouteDistinguisher.parse('65001:1') } as typeof nlri }, vpn('65001:2')])
    await lab.run(2)
    expect(verdicts(r, 'vpnv4-flowspec')).toEqual([`${X}: infeasible`])
    x.announce([vpn('65001:1')])
    y.announce([vpn('65001:3')])
    await lab.run(2)
    expect(verdicts(r, 'vpnv4-flowspec')).toEqual([`${X}: follow`])
  })

  it('is followed whatever it says where that is configured, which may change while the session goes on', async () => {
    const { lab, r, x } = await network({ x: { flowspecValidation: false } })
    x.announce([rule(), rule('10.1.0.1/32'), { family: L2VPN_FLOWSPEC, nlri: { kind: 'raw', bytes: Uint8Array.of(2, 14, 129) } }])
    await lab.run(2)
    expect([verdicts(r), verdicts(r, 'l2vpn-flowspec')]).toEqual([[`${X}: follow`, `${X}: follow`], [`${X}: follow`]])
    expect(r.updateNeighbor(peer(X, 65_001))).toBe('applied')
    await lab.run(2)
    expect([verdicts(r), verdicts(r, 'l2vpn-flowspec')]).toEqual([[`${X}: infeasible`, `${X}: infeasible`], [`${X}: infeasible`]])
    r.updateNeighbor(peer(X, 65_001, { flowspecValidation: false }))
    await lab.run(2)
    expect(verdicts(r)).toEqual([`${X}: follow`, `${X}: follow`])
  })
})

/* What the RFCs say of every rule, told anew from what `routes` shows and nothing else. */

interface Shown {
  readonly prefix: IpPrefix
  readonly view: RouteView
}

const firstAs = ({ set }: RouteView): number | undefined => {
  const [first] = set.attributes.asPath ?? []
  return first?.type === 'sequence' ? first.asns[0] : undefined
}
const originator = ({ set, peer: from }: RouteView): string => set.attributes.originatorId?.toString() ?? from

function expected(r: Speaker, view: RouteView): 'infeasible' | undefined {
  const component = view.nlri.kind === 'flowspec' ? view.nlri.components.find(({ type }) => type === 'destination-prefix') : undefined
  if (component?.type !== 'destination-prefix') return 'infeasible'
  const { prefix: to } = component
  const all = Array.from(r.routes({ family: 'ipv4-unicast' }), (path): Shown[] =>
    path.nlri.kind === 'unicast' && path.invalid === undefined ? [{ prefix: path.nlri.prefix, view: path }] : [],
  ).flat()
  const [match] = all.filter(({ prefix, view: { best } }) => best && prefix.covers(to)).sort((a, b) => b.prefix.length - a.prefix.length)
  const more = all.filter(({ prefix, view: { peer: from } }) => from !== 'local' && to.covers(prefix) && prefix.length > to.length)
  const isContested = match !== undefined && more.some(({ view: other }) => firstAs(other) !== firstAs(match.view))
  const isOriginators = match !== undefined && originator(view) === originator(match.view)
  const isFrom = match !== undefined && firstAs(view) !== undefined && firstAs(view) === firstAs(match.view)
  const isOurs = (view.set.attributes.asPath ?? []).length === 0
  const may = view.peer === I ? isOurs || isOriginators : isOriginators && isFrom
  return may && !isContested ? undefined : 'infeasible'
}

const PREFIXES = ['0.0.0.0/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.0.0/24', '10.1.0.128/25', '10.1.0.1/32', '10.2.0.0/16', '192.0.2.0/24']
const PATHS = [[], [], [64_512], [65_001], [65_002, 64_512], [65_003]]
const SEED = Number(process.env['HEDDLE_SEED'] ?? Date.now() % 100_000)
const STEPS = 150

describe('rules of FlowSpec, after any changes of them and of routes', () => {
  it(`are feasible or not as the RFCs say (seed ${SEED})`, async () => {
    const { lab, r, x, y, i, j } = await network()
    const random = seededRandom(SEED)
    const pick = <T>(list: readonly T[]): T => list[random.uint32() % list.length]
    const seen = new Set<string | undefined>()
    const judge = async (step: number): Promise<void> => {
      await lab.until(() => [X, Y, I].every((address) => isUp(r, address)) && isUp(i, J), `all sessions in step ${step}`)
      await lab.run(2)
      for (const view of r.routes({ family: 'ipv4-flowspec' })) {
        const is = `${view.peer} ${JSON.stringify(view.nlri)}: ${view.invalid}`
        expect(is, `step ${step}`).toBe(`${view.peer} ${JSON.stringify(view.nlri)}: ${expected(r, view)}`)
        seen.add(view.invalid)
      }
    }
    // Among routes drawn at random, one seed in some hundred has no rule that may be followed.
    x.announce([unicast('10.0.0.0/8'), rule('10.1.0.0/16'), rule()])
    await judge(0)
    expect(seen).toEqual(new Set([undefined, 'infeasible']))
    for (let step = 1; step <= STEPS; step++) {
      const speaker = pick([x, y, i, j, r])
      // a path with the peer's own AS in it would be a loop there
      const path = pick(PATHS.filter((asns) => (!asns.includes(65_001) && !asns.includes(65_002) ? true : speaker === i || speaker === j)))
      const prefix = pick(PREFIXES)
      const route = speaker !== r && random.uint32() % 2 === 0 ? rule(pick([prefix, prefix, undefined]), path) : unicast(prefix, path)
      if (random.uint32() % 3 === 0) speaker.withdraw([route])
      else speaker.announce([route])
      if (random.uint32() % 25 === 0) r.resetNeighbor(pick([X, Y, I]))
      if (random.uint32() % 4 === 0) await judge(step)
    }
    expect(seen).toEqual(new Set([undefined, 'infeasible']))
  })
})
