import { IpAddress, IpPrefix } from '@heddle/wire'
import { describe, expect, it } from 'vitest'
import {
  IPV4_UNICAST,
  WELL_KNOWN_COMMUNITY,
  formatAsPath,
  type LocalRoute,
  type NeighborConfig,
  type PathAttributes,
  type RouteView,
  type Speaker,
  type SpeakerConfig,
} from '../../src/index.js'
import { Lab, isUp } from './lab.js'

/** Three speakers in a row: A tells B, and B tells C. */
const A = '192.0.2.1'
const B = '192.0.2.2'
const C = '192.0.2.3'

function route(prefix: string, attributes: PathAttributes = {}, nextHop?: string): LocalRoute {
  return {
    family: IPV4_UNICAST,
    nlri: { kind: 'unicast', prefix: IpPrefix.parse(prefix) },
    attributes,
    ...(nextHop === undefined ? {} : { nextHop: IpAddress.parse(nextHop) }),
  }
}

interface Row {
  readonly as?: readonly [a: number, b: number, c: number]
  /** What B says of A and of C, and they of it. */
  readonly a?: Partial<NeighborConfig>
  readonly c?: Partial<NeighborConfig>
  readonly atA?: Partial<NeighborConfig>
  readonly atC?: Partial<NeighborConfig>
  readonly speaker?: (address: string) => Partial<SpeakerConfig>
}

async function row({ as = [65001, 65002, 65003], a = {}, c = {}, atA = {}, atC = {}, speaker = () => ({}) }: Row) {
  const lab = new Lab()
  const families = ['ipv4-unicast'] as const
  const one = lab.speaker(A, { as: as[0], ...speaker(A), neighbors: [{ address: B, as: as[1], families, ...atA }] })
  const two = lab.speaker(B, {
    as: as[1],
    ...speaker(B),
    neighbors: [
      { address: A, as: as[0], families, ...a },
      { address: C, as: as[2], families, ...c },
    ],
  })
  const three = lab.speaker(C, { as: as[2], ...speaker(C), neighbors: [{ address: B, as: as[1], families, ...atC }] })
  await Promise.all([one.start(), two.start(), three.start()])
  await lab.until(() => isUp(two, A) && isUp(two, C), 'the sessions')
  return { lab, one, two, three }
}

const views = (speaker: Speaker, from = B): RouteView[] => [...speaker.routes({ family: 'ipv4-unicast', neighbor: from })]
const show = ({ nlri, set, invalid }: RouteView): string => {
  const { asPath = [], med, localPref } = set.attributes
  const text = [nlri.kind === 'unicast' ? nlri.prefix : '', `[${formatAsPath(asPath)}]`, `via ${set.nextHop?.address}`]
  if (med !== undefined) text.push(`med ${med}`)
  if (localPref !== undefined) text.push(`pref ${localPref}`)
  if (invalid !== undefined) text.push(invalid)
  return text.join(' ')
}
const shown = (speaker: Speaker, from?: string): string[] => views(speaker, from).map(show).sort()

describe('import policy', () => {
  it('changes what counts, and leaves what was received as it was', async () => {
    const { lab, one, two, three } = await row({
      as: [65001, 65002, 65002],
      a: { importPolicy: 'term a\n match prefix 10.0.0.0/8 ge 16\n set local-pref 300\n add community 65002:1\n accept\notherwise reject' },
    })
    one.announce([route('10.1.0.0/16'), route('10.0.0.0/8')])
    await lab.run(1)
    expect(shown(two, A)).toEqual([`10.0.0.0/8 [65001] via ${A} policy`, `10.1.0.0/16 [65001] via ${A}`])
    const [view] = views(three)
    expect(show(view)).toBe(`10.1.0.0/16 [65001] via ${A} pref 300`)
    expect(view.set.attributes.communities).toEqual([0xfdea_0001])
    expect(views(three)).toHaveLength(1)
  })

  it('changes while the session goes on, and nobody is asked for anything', async () => {
    const { lab, one, two, three } = await row({})
    one.announce([route('10.1.0.0/16'), route('10.2.0.0/16')])
    await lab.run(1)
    expect(shown(three)).toHaveLength(2)
    const neighbor: NeighborConfig = { address: A, as: 65001, families: ['ipv4-unicast'] }
    const { established, messages } = two.neighbors()[0]
    expect(two.updateNeighbor({ ...neighbor, importPolicy: 'term\n match prefix 10.2.0.0/16\n accept' })).toBe('applied')
    await lab.run(1)
    expect(shown(three)).toEqual([`10.2.0.0/16 [65002 65001] via ${B}`])
    expect(shown(two, A)).toEqual([`10.1.0.0/16 [65001] via ${A} policy`, `10.2.0.0/16 [65001] via ${A}`])
    expect(two.updateNeighbor(neighbor)).toBe('applied')
    await lab.run(1)
    expect(shown(three)).toHaveLength(2)
    const after = two.neighbors()[0]
    expect([after.established, after.messages.received.update, after.messages.sent.routeRefresh]).toEqual([
      established,
      messages.received.update,
      0,
    ])
  })
})

describe('export policy', () => {
  it('says what a peer is told, with which attributes', async () => {
    const { lab, one, three } = await row({
      c: {
        exportPolicy: {
          terms: [
            { match: { prefix: ['10.2.0.0/16'] }, verdict: 'reject' },
            { match: { peer: [A] }, change: { prepend: { as: 65002, times: 2 }, med: 50, nextHop: '192.0.2.99' }, verdict: 'accept' },
          ],
        },
      },
    })
    one.announce([route('10.1.0.0/16', { med: 7 }), route('10.2.0.0/16')])
    await lab.run(1)
    expect(shown(three)).toEqual(['10.1.0.0/16 [65002 65002 65002 65001] via 192.0.2.99 med 50'])
  })

  it('changes while the session goes on: only the difference is sent', async () => {
    const { lab, one, two, three } = await row({})
    one.announce([route('10.1.0.0/16'), route('10.2.0.0/16'), route('10.3.0.0/16')])
    await lab.run(1)
    const before = three.neighbors()[0].messages.received.update
    const neighbor: NeighborConfig = { address: C, as: 65003, families: ['ipv4-unicast'] }
    const policy = 'term\n match prefix 10.2.0.0/16\n reject\nterm\n match prefix 10.3.0.0/16\n set med 9\notherwise accept'
    expect(two.updateNeighbor({ ...neighbor, exportPolicy: policy })).toBe('applied')
    await lab.run(1)
    expect(shown(three)).toEqual([`10.1.0.0/16 [65002 65001] via ${B}`, `10.3.0.0/16 [65002 65001] via ${B} med 9`])
    expect(three.neighbors()[0].messages.received.update - before).toBe(2)
    expect(two.updateNeighbor(neighbor)).toBe('applied')
    await lab.run(1)
    expect(shown(three)).toHaveLength(3)
    expect(three.neighbors()[0].established).toBe(1)
  })
})

describe('knobs of a neighbor', () => {
  const cases: readonly (readonly [name: string, row: Row, routes: readonly LocalRoute[], expected: readonly string[]])[] = [
    ['nothing', {}, [route('10.1.0.0/16', { med: 7 })], [`10.1.0.0/16 [65002 65001] via ${B}`]],
    ['next hop unchanged', { c: { nextHop: 'unchanged' } }, [route('10.1.0.0/16')], [`10.1.0.0/16 [65002 65001] via ${A}`]],
    [
      'next hop self within the AS',
      { as: [65001, 65002, 65002], c: { nextHop: 'self' } },
      [route('10.1.0.0/16')],
      [`10.1.0.0/16 [65001] via ${B} pref 100`],
    ],
    ['the path of the own AS', { as: [65001, 65002, 65001] }, [route('10.1.0.0/16')], [`10.1.0.0/16 [65002 65001] via ${B} as-loop`]],
    ['allowas-in', { as: [65001, 65002, 65001], atC: { allowAsIn: 1 } }, [route('10.1.0.0/16')], [`10.1.0.0/16 [65002 65001] via ${B}`]],
    ['as-override', { as: [65001, 65002, 65001], c: { asOverride: true } }, [route('10.1.0.0/16')], [`10.1.0.0/16 [65002 65002] via ${B}`]],
    [
      'private AS numbers removed',
      { as: [65001, 3, 4], c: { privateAs: 'remove' } },
      [route('10.1.0.0/16', { asPath: [{ type: 'sequence', asns: [7, 4_200_000_001] }] })],
      [`10.1.0.0/16 [3 7] via ${B}`],
    ],
    [
      'private AS numbers replaced',
      { as: [65001, 3, 4], c: { privateAs: 'replace' } },
      [route('10.1.0.0/16')],
      [`10.1.0.0/16 [3 3] via ${B}`],
    ],
    ['a route server', { c: { routeServerClient: true } }, [route('10.1.0.0/16', { med: 7 })], [`10.1.0.0/16 [65001] via ${A} med 7`]],
    [
      'first AS that is not the peer',
      { c: { routeServerClient: true }, atC: { enforceFirstAs: true } },
      [route('10.1.0.0/16')],
      [`10.1.0.0/16 [65001] via ${A} first-as`],
    ],
    [
      'a path that is too long',
      { a: { limits: { asPath: 2 } } },
      [route('10.1.0.0/16'), route('10.2.0.0/16', { asPath: [{ type: 'sequence', asns: [7, 8] }] })],
      [`10.1.0.0/16 [65002 65001] via ${B}`],
    ],
    [
      'attributes that are too large',
      { a: { limits: { attributes: 64 } } },
      [route('10.1.0.0/16'), route('10.2.0.0/16', { communities: Array.from({ length: 20 }, (_, at) => at + 70_000) })],
      [`10.1.0.0/16 [65002 65001] via ${B}`],
    ],
    ['no-export', {}, [route('10.1.0.0/16', { communities: [WELL_KNOWN_COMMUNITY.noExport] })], []],
    ['no-advertise', { as: [65001, 65002, 65002] }, [route('10.1.0.0/16', { communities: [WELL_KNOWN_COMMUNITY.noAdvertise] })], []],
    [
      'no-export within the AS',
      { as: [65002, 65002, 65002], a: { routeReflectorClient: true } },
      [route('10.1.0.0/16', { communities: [WELL_KNOWN_COMMUNITY.noExport] })],
      [`10.1.0.0/16 [] via ${A} pref 100`],
    ],
    [
      'graceful shutdown by the peer (RFC 8326)',
      { as: [65001, 65002, 65002] },
      [route('10.1.0.0/16', { communities: [WELL_KNOWN_COMMUNITY.gracefulShutdown] })],
      [`10.1.0.0/16 [65001] via ${A} pref 0`],
    ],
    [
      'graceful shutdown of ours towards the peer',
      { as: [65001, 65002, 65002], atA: { gracefulShutdown: true } },
      [route('10.1.0.0/16')],
      [`10.1.0.0/16 [65001] via ${A} pref 0`],
    ],
    [
      'graceful shutdown of ours by the peer',
      { as: [65001, 65002, 65002], a: { gracefulShutdown: true } },
      [route('10.1.0.0/16')],
      [`10.1.0.0/16 [65001] via ${A} pref 0`],
    ],
  ]
  it.each(cases)('%s', async (_name, config, routes, expected) => {
    const { lab, one, three } = await row(config)
    one.announce(routes)
    await lab.run(1)
    expect(shown(three)).toEqual(expected)
  })
})

describe('a confederation (RFC 5065)', () => {
  const members = { id: 100, members: [65001, 65002, 65003] }
  const inside =
    (...addresses: string[]) =>
    (address: string) =>
      addresses.includes(address) ? { confederation: members } : {}

  it('keeps LOCAL_PREF, MED and next hop between its members, and counts none of them', async () => {
    const { lab, one, three } = await row({ speaker: inside(A, B, C) })
    one.announce([route('10.1.0.0/16', { localPref: 150, med: 7 })])
    await lab.run(1)
    expect(shown(three)).toEqual([`10.1.0.0/16 [(65002 65001)] via ${A} med 7 pref 150`])
  })

  it('is one AS to the outside, and passes no-export routes between its members only', async () => {
    const { lab, one, two, three } = await row({ as: [65001, 65002, 7], speaker: inside(A, B), atC: { as: 100 } })
    one.announce([
      route('10.1.0.0/16'),
      route('10.2.0.0/16', { communities: [WELL_KNOWN_COMMUNITY.noExport] }),
      route('10.3.0.0/16', { communities: [WELL_KNOWN_COMMUNITY.noExportSubconfed] }),
    ])
    await lab.run(1)
    expect(shown(two, A)).toEqual([`10.1.0.0/16 [(65001)] via ${A} pref 100`, `10.2.0.0/16 [(65001)] via ${A} pref 100`])
    expect(shown(three)).toEqual([`10.1.0.0/16 [100] via ${B}`])
  })

  it('knows a path that comes back to a member, and to the confederation', async () => {
    const { lab, one, two } = await row({ speaker: inside(A, B, C), atA: {} })
    one.announce([
      route('10.1.0.0/16', { asPath: [{ type: 'confed-sequence', asns: [65002] }] }),
      route('10.2.0.0/16', { asPath: [{ type: 'sequence', asns: [100] }] }),
      route('10.3.0.0/16', { asPath: [{ type: 'sequence', asns: [65002] }] }),
    ])
    await lab.run(1)
    expect(new Set(views(two, A).map(({ invalid }) => invalid))).toEqual(new Set(['as-loop', 'confederation-loop', undefined]))
  })

  it('takes no confederation segments from outside', async () => {
    const { lab, one, two } = await row({
      as: [7, 65002, 65003],
      speaker: inside(B, C),
      atA: { as: 100, exportPolicy: { terms: [], otherwise: 'accept' } },
    })
    one.announce([route('10.1.0.0/16')])
    await lab.run(1)
    expect(shown(two, A)).toEqual([`10.1.0.0/16 [7] via ${A}`])
  })
})

describe('roles (RFC 9234)', () => {
  it.each([
    ['from a customer to a provider', 'provider', 'customer', undefined, undefined, [`10.1.0.0/16 otc -`]],
    ['from a provider to a customer', 'customer', 'provider', undefined, undefined, ['10.1.0.0/16 otc 65001']],
    ['from a provider to a provider', 'customer', 'customer', undefined, undefined, []],
    ['from a provider to a peer', 'customer', 'peer', undefined, undefined, []],
    ['from a customer to a peer', 'provider', 'peer', undefined, undefined, ['10.1.0.0/16 otc 65002']],
    ['from a customer that leaks', 'provider', 'customer', 7, undefined, []],
    ['from a peer that leaks', 'peer', 'provider', 7, undefined, []],
    ['from a peer with its own mark', 'peer', 'provider', 65001, undefined, ['10.1.0.0/16 otc 65001']],
  ] as const)('%s', async (_name, towardsA, towardsC, otc, _none, expected) => {
    const { lab, one, three } = await row({ a: { role: towardsA }, c: { role: towardsC } })
    one.announce([route('10.1.0.0/16', otc === undefined ? {} : { otc })])
    await lab.run(1)
    expect(views(three).map(({ nlri, set }) => `${nlri.kind === 'unicast' ? nlri.prefix : ''} otc ${set.attributes.otc ?? '-'}`)).toEqual(
      expected,
    )
  })

  it.each([
    ['that do not go together', { role: 'provider', other: 'provider', strict: false }, false],
    ['that go together', { role: 'provider', other: 'customer', strict: true }, true],
    ['of which one is missing', { role: 'provider', other: undefined, strict: false }, true],
    ['of which one is missing, where it is asked for', { role: 'provider', other: undefined, strict: true }, false],
  ] as const)('%s', async (_name, { role, other, strict }, up) => {
    const lab = new Lab()
    const families = ['ipv4-unicast'] as const
    const a = lab.speaker(A, { as: 65001, neighbors: [{ address: B, as: 65002, families, role, roleStrict: strict }] })
    const b = lab.speaker(B, {
      as: 65002,
      neighbors: [{ address: A, as: 65001, families, ...(other === undefined ? {} : { role: other }) }],
    })
    await Promise.all([a.start(), b.start()])
    await lab.run(5)
    expect(isUp(a, B)).toBe(up)
    if (!up) expect(a.neighbors()[0].lastNotification).toMatchObject({ code: 2, subcode: 11 })
  })
})

describe('origin validation (RFC 6811)', () => {
  it('is what import policies make of it, and follows the validator without a word to any peer', async () => {
    const valid = new Set(['10.1.0.0/16 65001'])
    const lab = new Lab()
    const families = ['ipv4-unicast'] as const
    const asked: string[] = []
    const originValidator = {
      validate: (prefix: IpPrefix, origin: number | undefined) => {
        asked.push(`${prefix} ${origin}`)
        return valid.has(`${prefix} ${origin}`) ? ('valid' as const) : ('invalid' as const)
      },
    }
    const importPolicy = 'term\n match validation invalid\n reject\notherwise accept'
    const a = lab.speaker(A, { as: 65001, neighbors: [{ address: B, as: 65002, families }] })
    const b = lab.speaker(B, { as: 65002, originValidator, neighbors: [{ address: A, as: 65001, families, importPolicy }] })
    await Promise.all([a.start(), b.start()])
    a.announce([route('10.1.0.0/16'), route('10.2.0.0/16'), route('10.3.0.0/16', { asPath: [{ type: 'set', asns: [7] }] })])
    await lab.until(() => isUp(b, A), 'up')
    await lab.run(1)
    expect(shown(b, A)).toEqual([
      `10.1.0.0/16 [65001] via ${A}`,
      `10.2.0.0/16 [65001] via ${A} policy`,
      `10.3.0.0/16 [65001 {7}] via ${A} policy`,
    ])
    expect(asked).toContain('10.3.0.0/16 undefined')
    const before = b.neighbors()[0].messages
    valid.add('10.2.0.0/16 65001').delete('10.1.0.0/16 65001')
    b.originsChanged()
    await lab.run(1)
    expect(shown(b, A)).toEqual([
      `10.1.0.0/16 [65001] via ${A} policy`,
      `10.2.0.0/16 [65001] via ${A}`,
      `10.3.0.0/16 [65001 {7}] via ${A} policy`,
    ])
    expect(b.neighbors()[0].messages.sent.routeRefresh).toBe(before.sent.routeRefresh)
  })
})
