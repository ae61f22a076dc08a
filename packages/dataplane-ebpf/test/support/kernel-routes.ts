import { NO_MATCH, values4, type Values4 } from '@heddle/core'
import type { RouteTable } from '@heddle/forwarding'
import fc from 'fast-check'
import { expect } from 'vitest'
import { LARGE_ROOT } from '../../src/fib/family-fib.js'
import { FibStore } from '../../src/fib/fib-store.js'
import { GracePeriods } from '../../src/fib/grace-periods.js'
import { ROW_WORDS } from '../../src/fib/route-index.js'
import { BLOCK } from '../../src/layout/structs/next-hop.js'
import { KernelRoutes } from '../../src/tables/kernel-routes.js'

/** The VRF whose routes tests look at. */
export const VRF = 1

export function memories(blocks: number, rows: number) {
  const words = new Uint32Array(blocks * BLOCK)
  const list = new Uint32Array(rows * ROW_WORDS)
  const open = (): FibStore => new FibStore(words, list, new GracePeriods({ wait: () => undefined, passed: () => Promise.resolve() }))
  const store = open()
  const all = new KernelRoutes(store)
  return { words, list, store, all, routes: all.of(VRF), open }
}

/** What programs find for an IPv4 address; see `bpf/lookup.h`. */
export function lookup4(words: Uint32Array, root: number, address: number): number {
  if (root === 0) return NO_MATCH
  const base = ((root & ~LARGE_ROOT) - 1) * BLOCK
  const rootBits = (root & LARGE_ROOT) === 0 ? 8 : 16
  let entry = words[base + (address >>> (32 - rootBits))]
  for (let shift = 24 - rootBits; (entry & 0x8000_0000) !== 0; shift -= 8)
    entry = words[base + (1 << rootBits) + (entry & 0x7fff_ffff) * BLOCK + ((address >>> shift) & 0xff)]
  return entry - 1
}

export interface Row {
  readonly address: number
  readonly length: number
}

/** A prefix that was set with others, and the value that it had. */
export interface Told {
  readonly key: string
  readonly had: number
}

/** Sets or deletes many routes; what the table tells of them: each in their order, as tables go through those that are not equal in any. */
export function toldOf(
  table: Pick<RouteTable, 'setAll4' | 'deleteAll4'>,
  routes: Values4,
  change: 'setAll4' | 'deleteAll4' = 'setAll4',
): readonly Told[] {
  const told: Told[] = []
  table[change]?.(routes, ({ addresses, lengths, values, before, areAlike }) => {
    if (areAlike) expect([new Set(before).size, new Set(values).size]).toEqual([1, 1])
    for (const [row, had] of before.entries()) told.push({ key: `${addresses[row]}/${lengths[row]}`, had })
  })
  return told.toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key)))
}

/** What was told of rows, in the order of the rows. */
export function inTheirOrder(told: readonly Told[], rows: readonly Row[]): number[] {
  const byKey = new Map<string, number[]>(told.map(({ key }) => [key, []]))
  for (const { key, had } of told) byKey.get(key)?.push(had)
  const hads = rows.map(({ address, length }) => byKey.get(`${address}/${length}`)?.shift() ?? NaN)
  expect([...byKey.values()].flat()).toEqual([])
  return hads
}

/** How addresses may lie: by themselves, or each as the first of the four words that a batch has of it. */
export const stride = fc.constantFrom(1 as const, 4 as const)

/** Prefixes as columns, each with a value of its own. What a batch has behind an address is to be passed over, so that it is like no other. */
export function columnsOf(rows: readonly Row[], first: number, apart: Values4['stride'] = 4): Values4 {
  const columns = values4(
    Uint32Array.from(rows, ({ address }) => address),
    Uint8Array.from(rows, ({ length }) => length),
    Uint32Array.from(rows, (_, index) => first + index),
  )
  if (apart === 1) return columns
  const words = Uint32Array.from({ length: rows.length * 4 }, (_, at) => (at % 4 === 0 ? rows[at / 4].address : Math.imul(at, 0x9e37_79b1)))
  return { ...columns, words, stride: 4 }
}

/** All routes in one string, whatever their order. */
export function dumpOf(table: Pick<RouteTable, 'forEach'>): string {
  const routes: number[] = []
  // In numbers, which are sorted in a fraction of the time.
  table.forEach((_family, w0, _w1, _w2, _w3, length, value) => routes.push(((w0 >>> 0) * 64 + length) * 8192 + value))
  return Float64Array.from(routes).sort().join()
}

/** The routes that who takes the rows over would find. */
export function rowsOf(store: FibStore): Pick<RouteTable, 'forEach'> {
  const { count, address, length, group } = store.batch()
  const rows = Array.from({ length: count }, (_, row) => row)
  return { forEach: (visit) => rows.forEach((row) => visit(4, address[row * 4], 0, 0, 0, length[row], group[row])) }
}
