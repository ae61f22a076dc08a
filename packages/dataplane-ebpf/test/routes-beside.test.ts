import { NO_GROUP, NO_MATCH, RouteBatch, type FibTransaction } from '@heddle/core'
import { IpAddress, IpPrefix } from '@heddle/wire'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { RUN_SOURCES } from '../../dataplane-tun/test/support/run-sources.js'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { pinsOf } from '../src/pins.js'
import {
  BEGUN,
  BESIDE,
  CONTROLS,
  COUNTS,
  FORMER,
  IS_ASKING,
  IS_ENDED,
  MOST,
  NEW,
  OVER,
  WRONG,
  WRONG_AFTER,
  WRONG_ANSWER,
  WRONG_BEGUN,
  WRONG_PLACE,
  type Asking,
} from './support/asking.js'
import { PACE } from './support/pace.js'
import { question } from './support/question.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'

const SEED = Number(process.env['HEDDLE_SEED'] ?? 20_252)
const CAPACITY = { fibBlocks: 8192, routes: 16_384, flows: 4096, ports: 16 }
const GROUPS = 200
/** Transactions that change routes here and there, before one that takes away all that there is. */
const CHANGES = 60
/**
 * Rows of a transaction that changes one route to and fro, so that what a row would do in two steps is met in between. Fewer where each second one withdraws
 * it: what that gives back rests until programs have left it.
 */
const [MOVED, WITHDRAWN] = [3000, 200]
/** Answers that are waited for, of each kind of table: beside transactions, and of places that change, as they were and as they came to be. */
const [WANTED_BESIDE, WANTED_OF_EACH] = [2000, 100]

/** The table of VRF 2 gets as many routes at once as have it take its large root, and loses them with the VRF. */
const [SMALL, GROWING] = [1, 2]
const FILLING = 5000
const KINDS = ['IPv4, small root', 'IPv6, small root', 'IPv4, growing root', 'IPv6, growing root']
const kindOf = (vrf: number, family: 4 | 6): number => (vrf - SMALL) * 2 + (family === 4 ? 0 : 1)

function drawing(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state ^ (state >>> 13), 0x5bd1_e995) + 0x9e37) | 0
    return ((state ^ (state >>> 15)) >>> 0) % below
  }
}

/* Addresses whose bits differ at borders of the trie, and prefixes of them that cover each other on all of its levels. */
const ADDRESSES = [
  '10.0.0.0',
  '10.0.0.1',
  '10.0.0.128',
  '10.0.1.0',
  '10.0.255.255',
  '10.1.0.0',
  '10.128.0.1',
  '11.0.0.7',
  '200.0.0.1',
  'fd00::',
  'fd00::1',
  'fd00::80',
  'fd00::1:0',
  'fd00:0:0:1::1',
  'fd00:0:1::',
  'fd80::1',
  'fe00::7',
  '2001:db8::1',
].map((text) => IpAddress.parse(text))
const LENGTHS = { 4: [0, 7, 8, 12, 16, 17, 24, 25, 31, 32], 6: [0, 7, 8, 16, 48, 63, 64, 112, 120, 121, 128] } as const
const PREFIXES = [
  ...new Map(ADDRESSES.flatMap((one) => LENGTHS[one.family].map((length) => masked(one, length))).map((one) => [`${one}`, one])).values(),
]

function masked({ family, w0, w1, w2, w3 }: IpAddress, length: number): IpPrefix {
  const cut = (word: number, bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? word : (word & ~(0xffff_ffff >>> bits)) >>> 0)
  const address =
    family === 4
      ? IpAddress.v4(cut(w0, length))
      : IpAddress.v6(cut(w0, length), cut(w1, length - 32), cut(w2, length - 64), cut(w3, length - 96))
  return IpPrefix.of(address, length)
}

function covers({ address, length }: IpPrefix, asked: IpAddress): boolean {
  return address.family === asked.family && `${masked(asked, length)}` === `${IpPrefix.of(address, length)}`
}

interface Change {
  readonly vrf: number
  readonly prefix: IpPrefix
  /** `NO_GROUP`: it is withdrawn. */
  readonly group: number
}

/** Of a round, whose last transaction leads to where the first one begins: nowhere. */
interface Step extends Pick<FibTransaction, 'vrfs'> {
  readonly changes: readonly Change[]
}

/** Routes by VRF and prefix. */
type Routes = ReadonlyMap<string, Change>
const keyOf = ({ vrf, prefix }: Pick<Change, 'vrf' | 'prefix'>): string => `${vrf} ${prefix}`

function withChanges(routes: Routes, changes: readonly Change[]): Routes {
  const next = new Map(routes)
  for (const change of changes) {
    if (change.group === NO_GROUP) next.delete(keyOf(change))
    else next.set(keyOf(change), change)
  }
  return next
}

const PLACES = [SMALL, GROWING].flatMap((vrf) =>
  ADDRESSES.map((address) => ({
    vrf,
    address,
    covering: PREFIXES.filter((one) => covers(one, address)).toSorted((a, b) => b.length - a.length),
  })),
)

/** Draws a round. Every transaction but the last changes one prefix at most of those that cover an address: it has the former group, or the new one. */
function drawRound(draw: (below: number) => number): Step[] {
  const none = { set: [], remove: [] }
  const group = (): number => draw(GROUPS)
  const filling = [IpAddress.v4(0xc800_0000), IpAddress.parse('2001:db8::')].flatMap(({ family, w0, w1, w2 }) =>
    Array.from({ length: FILLING }, (_, host): Change => {
      const address = family === 4 ? IpAddress.v4(w0 + host) : IpAddress.v6(w0, w1, w2, host)
      return { vrf: GROWING, prefix: IpPrefix.of(address), group: group() }
    }),
  )
  const steps: Step[] = [{ vrfs: { set: [{ id: GROWING, name: 'growing' }], remove: [] }, changes: [] }]
  let routes: Routes = new Map()
  for (let step = 0; step < CHANGES; step++) {
    const taken = new Set<object>()
    // What has many routes at once, and all of them again, goes another way.
    const changes: Change[] = step === 20 || step === 40 ? filling.map((one) => ({ ...one, group: group() })) : []
    for (const place of PLACES) if (changes.some(({ vrf, prefix }) => vrf === place.vrf && covers(prefix, place.address))) taken.add(place)
    if (step % 4 === 3) {
      const place = { vrf: draw(2) === 0 ? SMALL : GROWING, prefix: PREFIXES[draw(PREFIXES.length)] }
      const ways = [group(), draw(2) === 0 ? group() : NO_GROUP]
      for (let row = 0; row < (ways[1] === NO_GROUP ? WITHDRAWN : MOVED); row++) changes.push({ ...place, group: ways[row % 2] })
    }
    const attempts = step % 4 === 3 ? 0 : 12
    for (let attempt = 0; attempt < attempts; attempt++) {
      const vrf = draw(2) === 0 ? SMALL : GROWING
      const prefix = PREFIXES[draw(PREFIXES.length)]
      const covered = PLACES.filter((place) => place.vrf === vrf && covers(prefix, place.address))
      if (covered.some((place) => taken.has(place))) continue
      for (const place of covered) taken.add(place)
      changes.push({ vrf, prefix, group: routes.has(keyOf({ vrf, prefix })) && draw(2) === 0 ? NO_GROUP : group() })
    }
    steps.push({ vrfs: none, changes })
    routes = withChanges(routes, changes)
  }
  const all = [...routes.values()].map((one): Change => ({ ...one, group: NO_GROUP }))
  return [...steps, { vrfs: { set: [], remove: [GROWING] }, changes: all }]
}

/** Group of the longest prefix that covers the place. */
function groupAt(routes: Routes, { vrf, covering }: (typeof PLACES)[number]): number {
  for (const prefix of covering) {
    const found = routes.get(keyOf({ vrf, prefix }))
    if (found !== undefined) return found.group
  }
  return NO_MATCH
}

/** What each prefix that is changed may be meanwhile: as it was, and as any row has it. */
function statesByKey(before: Routes, changes: readonly Change[]): Map<string, (Change | undefined)[]> {
  const states = new Map<string, (Change | undefined)[]>()
  for (const change of changes) {
    const key = keyOf(change)
    const known = states.get(key) ?? [before.get(key)]
    const state = change.group === NO_GROUP ? undefined : change
    if (!known.some((one) => one?.group === state?.group)) known.push(state)
    states.set(key, known)
  }
  return states
}

/** Groups that the place may have while the changes are written, each prefix that covers it by itself. */
function groupsAmid(
  before: Routes,
  changes: ReadonlyMap<string, readonly (Change | undefined)[]>,
  { vrf, covering }: (typeof PLACES)[number],
): number[] {
  const groups = new Set<number>()
  for (const prefix of covering) {
    const key = keyOf({ vrf, prefix })
    const states = changes.get(key) ?? [before.get(key)]
    for (const one of states) if (one !== undefined) groups.add(one.group)
    if (states.every((one) => one !== undefined)) return [...groups]
  }
  return [...groups, NO_MATCH]
}

/** What a round may answer; see `Asking`. The state that it begins with is that after its last transaction. */
function answersOf(steps: readonly Step[]): Pick<Asking, 'after' | 'during'> {
  const words = (count: number): Int32Array => new Int32Array(new SharedArrayBuffer(count * 4))
  const after = words(steps.length * PLACES.length)
  const during = words(steps.length * PLACES.length * MOST)
  let routes: Routes = new Map()
  for (const [step, { changes }] of steps.entries()) {
    const next = withChanges(routes, changes)
    const states = statesByKey(routes, changes)
    for (const [index, place] of PLACES.entries()) {
      const at = step * PLACES.length + index
      const groups = groupsAmid(routes, states, place)
      if (step < steps.length - 1) expect(groups.length).toBeLessThanOrEqual(step % 4 === 0 ? 3 : 2)
      after[at] = groupAt(next, place)
      during.set([groups.length, ...groups], at * MOST)
    }
    routes = next
  }
  return { after, during }
}

describe.skipIf(missing() !== '')(titled('routes that are looked up beside a transaction'), () => {
  let folder: string
  let namespace: RouterNamespace
  let router: EbpfRouter
  let worker: Worker | undefined
  beforeEach(async () => {
    folder = makeFolder('beside')
    namespace = new RouterNamespace('beside')
    router = await namespace.open({ ...CAPACITY, pinDirectory: folder })
  })
  afterEach(async () => {
    await worker?.terminate()
    await router?.close()
    namespace?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('are those before it or those after it, each by itself', { timeout: 600_000 * PACE }, async () => {
    const steps = drawRound(drawing(SEED))
    const control = new Int32Array(new SharedArrayBuffer(CONTROLS * 4))
    const counts = new Int32Array(new SharedArrayBuffer(KINDS.length * COUNTS * 4))
    const places = PLACES.map(({ vrf, address }) => ({ question: question(vrf, address), kind: kindOf(vrf, address.family) }))
    const asking: Asking = { pins: pinsOf(folder), capacity: CAPACITY, control, counts, places, ...answersOf(steps) }

    const groups = Array.from({ length: GROUPS }, (_, id) => ({ id, members: [], seed: 0 }))
    const vrfs = [{ id: SMALL, name: 'small' }]
    await router.apply({ ...emptyTransaction(1), vrfs: { set: vrfs, remove: [] }, groups: { set: groups, remove: [] } })
    // What is over at first is what a round ends with.
    let transaction = steps.length - 1
    for (const word of [BEGUN, OVER]) Atomics.store(control, word, transaction)
    worker = new Worker(fileURLToPath(new URL('support/asking-thread.ts', import.meta.url)), { workerData: asking, execArgv: RUN_SOURCES })
    const died = new Promise<never>((_resolve, reject) => worker?.once('error', reject))
    const turn = (): Promise<void> => Promise.race([new Promise<void>((resolve) => void setImmediate(resolve)), died])
    while (Atomics.load(control, IS_ASKING) === 0) await turn()

    const isEnough = (): boolean =>
      KINDS.every((_, kind) => {
        const [beside, former, next] = [BESIDE, FORMER, NEW].map((word) => Atomics.load(counts, kind * COUNTS + word))
        return beside >= WANTED_BESIDE && former >= WANTED_OF_EACH && next >= WANTED_OF_EACH
      })
    while (!isEnough() && Atomics.load(control, WRONG) === 0) {
      for (const { vrfs: changedVrfs, changes } of steps) {
        const routes = new RouteBatch()
        for (const { vrf, prefix, group } of changes) routes.push(vrf, prefix, group)
        transaction++
        Atomics.store(control, BEGUN, transaction)
        const report = await router.apply({ ...emptyTransaction(transaction), vrfs: changedVrfs, routes })
        Atomics.store(control, OVER, transaction)
        expect(report).toMatchObject({ status: 'applied', failures: [] })
        await turn()
      }
    }
    Atomics.store(control, IS_ENDED, 1)

    const [wrong, after, begun, place, answer] = [WRONG, WRONG_AFTER, WRONG_BEGUN, WRONG_PLACE, WRONG_ANSWER].map((word) =>
      Atomics.load(control, word),
    )
    const { vrf, address } = PLACES[place]
    const first = `seed ${SEED}: of VRF ${vrf}, ${address} had group ${answer} behind transaction ${after % steps.length}, up to ${begun % steps.length}`
    expect(wrong, first).toBe(0)
  })
})
