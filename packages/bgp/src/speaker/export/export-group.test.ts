import { silentLogger } from '@heddle/io'
import { ManualClock, recordingLogger } from '@heddle/io/testing'
import { IpAddress, IpPrefix, RouteDistinguisher, RouteTarget } from '@heddle/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeMessage } from '../../decode.js'
import { messagesIn } from '../../message/header.js'
import { IPV4_FLOWSPEC, VPNV4_UNICAST, type Family } from '../../nlri/family.js'
import type { Nlri } from '../../nlri/nlri.js'
import { routeTargetMembership } from '../../nlri/route-target-membership.js'
import { exportSet, type ExportSignature } from '../../policy/export-rules.js'
import { RouteTargetFilter } from '../../policy/route-target-filter.js'
import { AttributeSets } from '../../rib/attribute-sets.js'
import { bestPath } from '../../rib/best-path.js'
import { PATH, RibTable } from '../../rib/rib-table.js'
import type { ExportMember, MemberPeer } from './export-member.js'
import { ExportGroups } from './export-groups.js'
import { Scheduler } from '../scheduler.js'

/** Peers give and are sent; 0 is the speaker itself. */
const PEERS = 4
const US = IpAddress.parse('192.0.2.1')
const SIGNATURE: ExportSignature = {
  peerType: 'ibgp',
  client: true,
  localAs: 65000,
  routerId: US,
  clusterId: US,
  localAddress: US,
  nextHop: 'auto',
  extendedNextHop: new Set(),
}
const target = (at: number): RouteTarget => RouteTarget.parse(`65000:${at}`)
const vpn = (host: number, label: number): Nlri => ({
  kind: 'vpn',
  labels: [label],
  rd: RouteDistinguisher.of(0, 65000, 1),
  prefix: IpPrefix.of(IpAddress.v4(0x0a000000 + host)),
})

const peer = fc.integer({ min: 1, max: PEERS })
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('announce' as const),
      from: fc.nat(PEERS),
      host: fc.nat(6),
      label: fc.integer({ min: 16, max: 18 }),
      rt: fc.nat(2),
      localPref: fc.nat(2),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('withdraw' as const), from: fc.nat(PEERS), host: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('down' as const), from: fc.nat(PEERS) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('join' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), peer }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('block' as const), peer, blocked: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refresh' as const), peer }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('filter' as const), peer, wants: fc.option(fc.subarray([0, 1, 2])) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'reconsider' as const }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('run' as const), slices: fc.nat(3) }) },
)

test.each([false, true])('every peer of a group holds a fresh export, whatever happened (ADD-PATH %s)', async (addPath) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = new ManualClock()
      const sets = new AttributeSets()
      const table = new RibTable(VPNV4_UNICAST, sets)
      const scheduler = new Scheduler(clock, silentLogger)
      const sourceOf = (index: number) =>
        ({ kind: index === 0 ? 'local' : 'ibgp', client: true, routerId: IpAddress.v4(0xc0000200 + index) }) as const
      const groups = new ExportGroups({ scheduler, logger: silentLogger, sourceOf, ranked: () => [], worked: () => undefined })
      const encode = { addPath: addPath ? new Set([VPNV4_UNICAST.key]) : new Set<number>() }
      const members = new Map<number, { member: ExportMember; held: Map<string, string>; marks: string[] }>()
      const blocked = new Set<number>()
      const filters = new Map<number, RouteTargetFilter>()

      const take = (index: number, bytes: Uint8Array): void => {
        const { held, marks } = members.get(index)!
        const result = decodeMessage(bytes, { peerType: 'ibgp', addPath: encode.addPath })
        if (!result.ok) expect.unreachable()
        if (result.message.type === 'route-refresh') marks.push(String(result.message.subtype))
        if (result.message.type !== 'update') return
        if (result.message.endOfRib !== undefined) marks.push('end')
        const nameOf = (nlri: Nlri): string => (nlri.kind === 'vpn' ? `${nlri.prefix} ${nlri.pathId ?? 0}` : '')
        for (const { nlri } of result.message.withdrawn) for (const one of nlri) expect(held.delete(nameOf(one))).toBe(true)
        for (const { nlri, nextHop } of result.message.announced) {
          for (const one of nlri) {
            const labels = one.kind === 'vpn' ? one.labels : []
            held.set(
              nameOf(one),
              JSON.stringify([labels, sets.intern({ attributes: result.message.attributes, ...(nextHop && { nextHop }) })]),
            )
          }
        }
      }
      const join = (index: number): void => {
        if (members.has(index)) return
        const view: MemberPeer = {
          peer: index,
          enhancedRefresh: true,
          filter: () => filters.get(index),
          held: () => false,
          ready: () => !blocked.has(index),
          write: (messages) => messagesIn(messages).forEach((message) => take(index, message)),
          idle: () => undefined,
        }
        const entry = { member: undefined as unknown as ExportMember, held: new Map<string, string>(), marks: [] }
        members.set(index, entry)
        entry.member = groups.find(table, SIGNATURE, encode).join(view)
      }
      const decide = (): void =>
        table.decide(
          Infinity,
          (_, destination) =>
            bestPath(table, destination, (from) => ({ external: false, routerId: from, rank: from, local: from === 0 })).path,
          (destination, best) => groups.changed(table, destination, best),
        )
      const key = table.newKey()

      for (const action of steps) {
        const entry = 'peer' in action ? members.get(action.peer) : undefined
        switch (action.kind) {
          case 'announce': {
            const nlri = vpn(action.host, action.label)
            table.key.fromNlri(nlri, key)
            const communities = [{ kind: 'route-target', target: target(action.rt) }] as const
            const attributes = { origin: 'igp', asPath: [], localPref: action.localPref, extendedCommunities: communities } as const
            const set = sets.intern({ attributes, nextHop: { address: IpAddress.v4(0xc0000200 + action.from) } })
            table.announce(action.from, key, 0, table.key.dataFromNlri(nlri), set)
            break
          }
          case 'withdraw':
            table.key.fromNlri(vpn(action.host, 0), key)
            table.withdraw(action.from, key, 0)
            break
          case 'down':
            table.removePeer(action.from)
            break
          case 'join':
            join(action.peer)
            break
          case 'leave':
            if (entry !== undefined) entry.member.group.leave(entry.member)
            members.delete(action.peer)
            break
          case 'block':
            if (action.blocked) blocked.add(action.peer)
            else blocked.delete(action.peer)
            entry?.member.group.wake()
            break
          case 'refresh':
            if (entry !== undefined) entry.member.group.refresh(entry.member)
            break
          case 'filter':
            if (action.wants === null) filters.delete(action.peer)
            else filters.set(action.peer, new RouteTargetFilter(action.wants.map((at) => routeTargetMembership(65000, target(at)))))
            if (entry !== undefined) entry.member.group.walk(entry.member, entry.member.walk?.forced ?? false)
            break
          case 'reconsider':
            for (const group of groups.all()) group.reconsider()
            break
          default:
            for (let slice = 0; slice < action.slices; slice++) scheduler.drain(['export'])
        }
        decide()
      }
      blocked.clear()
      for (const group of groups.all()) group.wake()
      scheduler.drain(['export'])

      for (const [index, { member, held, marks }] of members) {
        const fresh = new Map<string, string>()
        for (const destination of table.destinations()) {
          const paths = addPath ? table.pathsOf(destination) : [table.best(destination)].filter((path) => path !== 0)
          for (const path of paths) {
            if (table.peerOf(path) === index) continue
            const set = sets.get(table.setOf(path))
            if (filters.get(index)?.wants(set.attributes.extendedCommunities) === false) continue
            const result = exportSet(set, table.family, sourceOf(table.peerOf(path)), SIGNATURE)
            const nlri = table.nlri(destination, table.dataOf(path), 0)
            if ('refused' in result || nlri.kind !== 'vpn') continue
            fresh.set(`${nlri.prefix} ${addPath ? path : 0}`, JSON.stringify([nlri.labels, sets.intern(result.set)]))
          }
        }
        expect(held).toEqual(fresh)
        expect(member.group.out.sent(member.index)).toBe(fresh.size)
        expect(marks.filter((mark) => mark === 'end')).toEqual(['end'])
        // a mark of the beginning has one of the end
        expect(marks.includes('1')).toBe(marks.lastIndexOf('2') > marks.lastIndexOf('1'))
      }
      for (const { member } of members.values()) member.group.leave(member)
      for (let from = 0; from <= PEERS; from++) table.removePeer(from)
      decide()
      await clock.run(10)
      expect([...groups.all()].map(({ out, pending }) => [out.size, pending])).toEqual([...groups.all()].map(() => [0, 0]))
      expect(table.size).toBe(0)
    }),
    { numRuns: 300 },
  )
})

/** A table whose changes go to groups, and peers that keep the names of what they are told. */
function world(family: Family, nameOf: (nlri: Nlri) => string, { addPath = false } = {}) {
  const sets = new AttributeSets()
  const table = new RibTable(family, sets)
  const logs = recordingLogger()
  const scheduler = new Scheduler(new ManualClock(), logs)
  const sourceOf = (index: number) => ({ kind: 'ibgp', client: true, routerId: IpAddress.v4(0xc0000200 + index) }) as const
  const groups = new ExportGroups({ scheduler, logger: logs, sourceOf, ranked: () => [], worked: () => undefined })
  const encode = { addPath: new Set(addPath ? [family.key] : []) }
  const join = (index: number, told: () => void = () => undefined) => {
    const held = new Set<string>()
    const write = (messages: Uint8Array): void => {
      for (const bytes of messagesIn(messages)) {
        const result = decodeMessage(bytes, { peerType: 'ibgp', addPath: encode.addPath })
        if (!result.ok || result.message.type !== 'update') continue
        const { withdrawn, announced, endOfRib } = result.message
        for (const { nlri } of withdrawn) for (const one of nlri) held.delete(nameOf(one))
        for (const { nlri } of announced) for (const one of nlri) held.add(nameOf(one))
        if (endOfRib === undefined) told()
      }
    }
    const view: MemberPeer = {
      peer: index,
      enhancedRefresh: true,
      filter: () => undefined,
      held: () => false,
      ready: () => true,
      write,
      idle: () => undefined,
    }
    return { held, member: groups.find(table, SIGNATURE, encode).join(view) }
  }
  const decide = (): void =>
    table.decide(
      Infinity,
      (_, destination) => table.pathsOf(destination).find((path) => !table.has(path, PATH.dead)) ?? 0,
      (destination, best) => groups.changed(table, destination, best),
    )
  const announce = (from: number, nlri: Nlri, localPref = 100): void => {
    const key = table.newKey()
    table.key.fromNlri(nlri, key)
    const hop = family === VPNV4_UNICAST ? { nextHop: { address: IpAddress.v4(0xc0000200 + from) } } : {}
    const set = sets.intern({ attributes: { origin: 'igp', asPath: [], localPref }, ...hop })
    table.announce(from, key, 0, table.key.dataFromNlri(nlri), set)
  }
  const run = (): void => scheduler.drain(['export'])
  return { sets, table, logs, groups, encode, join, decide, announce, run }
}

describe('who follows the messages of a member, and does at one of them what takes another member out of the group', () => {
  test.each(['leaves', 'goes to another group'] as const)('%s: all are told all', (how) => {
    const nameOf = (nlri: Nlri): string => (nlri.kind === 'vpn' ? String(nlri.prefix) : '')
    const { sets, table, logs, groups, encode, join, decide, announce, run } = world(VPNV4_UNICAST, nameOf)
    let isOut = false
    const out = (): void => {
      if (isOut) return
      isOut = true
      const { member } = third
      if (how === 'leaves') member.group.leave(member)
      else third.member = groups.find(table, { ...SIGNATURE, client: false }, encode).take(member)
    }
    const [first, second] = [join(1, out), join(2)]
    const third = join(3)
    // routes that go to all, and those that go to all but one: they are packed one behind the other
    for (const from of [0, 1, 2]) announce(from, vpn(from, 16))
    decide()
    run()
    expect(isOut).toBe(true)
    expect(logs.records.filter(({ level }) => level === 'error')).toEqual([])
    const names = [0, 1, 2].map((host) => `10.0.0.${host}/32`)
    const without = (host: number): Set<string> => new Set(names.filter((_, at) => at !== host))
    expect([first.held, second.held]).toEqual([without(1), without(2)])
    if (how !== 'leaves') expect(third.held).toEqual(new Set(names))
    for (const { member } of how === 'leaves' ? [first, second] : [first, second, third]) member.group.leave(member)
    for (const from of [0, 1, 2]) table.removePeer(from)
    decide()
    run()
    expect([sets.size, table.size]).toEqual([0, 0])
  })
})

describe('a rule of FlowSpec', () => {
  const rule: Nlri = { kind: 'flowspec', components: [{ type: 'protocol', matches: [{ and: false, operator: '==', value: 17 }] }] }

  test('is told to nobody before it was decided, which is when it is looked at whether it may be followed', () => {
    const { table, join, decide, announce, run } = world(IPV4_FLOWSPEC, ({ kind }) => kind, { addPath: true })
    const peer = join(2)
    run()
    announce(1, rule)
    peer.member.group.walk(peer.member, false)
    run()
    expect(peer.held.size).toBe(0)
    decide()
    run()
    expect(peer.held.size).toBe(1)
    // what has been told stays so until there is something else to tell
    table.redecide()
    peer.member.group.walk(peer.member, false)
    run()
    expect(peer.held.size).toBe(1)
    // who asks for everything anew is not told that it is as it was
    announce(1, rule, 200)
    peer.member.group.refresh(peer.member)
    run()
    expect(peer.held.size).toBe(0)
    decide()
    run()
    expect(peer.held.size).toBe(1)
  })
})
