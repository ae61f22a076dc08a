import { describe, expect, it } from 'vitest'
import { IPV4, VPNV4, type AddressFamily } from '../workload/family.ts'
import { ipv4Sets } from '../workload/ipv4.ts'
import { FLAGS, TYPE, attribute } from '../workload/octets.ts'
import { vpnv4Sets } from '../workload/vpnv4.ts'
import { encodeWorkload, type RouteSet } from '../workload/workload.ts'
import { ExpectedTable } from './expected-table.ts'
import { Judgement } from './judgement.ts'
import { UpdateParts, countEntries, u16, walkUpdate } from './update-walk.ts'

const ROUTES = 500
const REFLECTION = { originatorId: [192, 0, 2, 1], clusterList: [192, 0, 2, 9] }

function* messages(octets: Uint8Array): Generator<{ readonly octets: Uint8Array; readonly at: number }> {
  for (let at = 0; at < octets.length; at += u16(octets, at + 16)) yield { octets, at }
}

/** What a reflector that does everything right sends. */
function reflected(family: AddressFamily, sets: readonly RouteSet[], { originatorId, clusterList } = REFLECTION): Uint8Array {
  const added = [...attribute(FLAGS.optional, TYPE.originatorId, originatorId), ...attribute(FLAGS.optional, TYPE.clusterList, clusterList)]
  return encodeWorkload(
    family,
    // in another order than they were announced
    sets.toReversed().map((set) => ({ ...set, attributes: [...set.attributes, ...added] })),
  ).announcements
}

/** With one octet that is another one. */
function damaged(octets: Uint8Array, at: number): Uint8Array {
  return octets.with(at, octets[at] ^ 0x10)
}

describe.each([
  ['IPv4', IPV4, ipv4Sets(ROUTES)],
  ['VPNv4', VPNV4, vpnv4Sets(ROUTES)],
] as const)('the judge of %s', (_name, family, sets) => {
  const workload = encodeWorkload(family, sets)
  const good = reflected(family, sets)
  const judgement = (): Judgement => new Judgement(new ExpectedTable(family, workload.announcements, ROUTES), REFLECTION)
  const judge = (octets: Uint8Array): Promise<string[]> => judgement().differences(messages(octets), true)

  it('accepts what was announced, in whatever order', async () => {
    expect(workload.routes).toBe(ROUTES)
    expect(await judge(good)).toEqual([])
  })

  it('accepts the withdrawals, and nothing less', async () => {
    const full = judgement()
    expect(await full.differences(messages(good), true)).toEqual([])
    expect(await full.differences(messages(workload.withdrawals), false)).toEqual([])
    const partly = judgement()
    await partly.differences(messages(good), true)
    const parts = new UpdateParts()
    walkUpdate(workload.withdrawals, 0, parts)
    const missing = countEntries(workload.withdrawals, parts.withdrawnFrom, parts.withdrawnTo)
    const [, ...rest] = messages(workload.withdrawals)
    expect(await partly.differences(rest, false)).toEqual([`${missing} routes of ${ROUTES} are there at the end, not 0`])
  })

  it('finds a message that is missing', async () => {
    expect(await judge(good.subarray(u16(good, 16)))).toEqual([expect.stringMatching(/routes of 500 are there at the end, not 500/)])
  })

  it('finds any octet of a message that is another one', async () => {
    const parts = new UpdateParts()
    walkUpdate(good, 0, parts)
    const ranges = [
      [parts.announcedFrom, parts.announcedTo],
      [parts.attributesFrom, parts.attributesTo],
    ] as const
    // lengths and types apart, which frame what stands behind them
    const framing = new Set<number>()
    for (let at = parts.attributesFrom; at < parts.attributesTo;) {
      const head = good[at] & 0x10 ? 4 : 3
      for (let octet = 0; octet < head; octet++) framing.add(at + octet)
      const length = head === 4 ? u16(good, at + 2) : good[at + 2]
      if (good[at + 1] === TYPE.mpReach) for (let octet = 0; octet < 5 + good[at + head + 3]; octet++) framing.add(at + head + octet)
      at += head + length
    }
    for (let at = parts.announcedFrom; at < parts.announcedTo; at += 1 + ((good[at] + 7) >>> 3)) framing.add(at)
    for (const [from, to] of ranges) {
      for (let at = from; at < to; at++) {
        if (framing.has(at)) continue
        expect((await judge(damaged(good, at))).length, `octet ${at} of the message`).toBeGreaterThan(0)
      }
    }
  })

  it('finds what reflection should have added', async () => {
    expect((await judge(reflected(family, sets, { ...REFLECTION, originatorId: [192, 0, 2, 2] }))).join()).toMatch(
      /ORIGINATOR_ID is c0000202, not c0000201/,
    )
    expect((await judge(workload.announcements)).join()).toMatch(/CLUSTER_LIST is missing/)
  })
})
