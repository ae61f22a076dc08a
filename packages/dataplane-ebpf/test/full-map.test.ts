import type { FibTransaction } from '@heddle/core'
import { IpPrefix } from '@heddle/wire'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { emptyTransaction } from '../../dataplane-tun/test/support/two-sites.js'
import { readBpfObject } from '../src/bpf-object.js'
import { BLOCK } from '../src/layout/structs/next-hop.js'
import type { NativeObject } from '../src/native/binding.js'
import { call } from '../src/native/call.js'
import { KernelMaps } from '../src/tables/kernel-maps.js'
import { KernelTables } from '../src/tables/kernel-tables.js'
import { missing, titled } from './support/requirements.js'

/* Two of each kind, in maps that have room for one. */
const transaction: FibTransaction = {
  ...emptyTransaction(7),
  vrfs: { set: [1, 2].map((id) => ({ id, name: `vrf ${id}` })), remove: [] },
  ports: { set: [1, 2].map((id) => ({ id, kind: 'endpoint', vrf: id, allowedSources: [], gateways: [], mtu: 1400 })), remove: [] },
  nextHops: { set: [1, 2].map((id) => ({ id, action: { type: 'port', port: id } })), remove: [] },
  groups: { set: [1, 2].map((id) => ({ id, members: [{ nextHop: id, weight: 1 }], seed: 0 })), remove: [] },
  tunnelSources: { set: [1, 2].map((id) => ({ id, prefixes: [IpPrefix.parse(`192.0.2.${id}/32`)] })), remove: [] },
  labels: { set: [16, 17].map((label) => ({ label, action: { type: 'pop-forward', port: 1 }, sources: 1 })), remove: [] },
  policies: {
    set: [1, 2].map((id) => ({ id, port: id, direction: 'egress', rules: [{ verdict: 'allow' }], defaultVerdict: 'deny' })),
    remove: [],
  },
}
const FULL = {
  vrfs: 'vrf',
  ports: 'port',
  next_hops: 'next-hop',
  groups: 'group',
  source_hosts: 'tunnel-sources',
  labels: 'label',
  policies: 'policy',
}

describe.skipIf(missing() !== '')(titled('a map that is full'), () => {
  let object: NativeObject
  beforeEach(() => {
    const small = Object.fromEntries(Object.keys(FULL).map((map) => [map, 1]))
    object = call((native) => native.objectLoad(readBpfObject(), { fib: 1024, routes: 16, flows: 1024, ...small }))
  })
  afterEach(() => object.close())

  // A region at the end of the last page was given to a trie, and programs found nothing in it.
  it('has no entries but those that it was made with, in memory that ends with a page', () => {
    call(() => object.close())
    object = call((native) => native.objectLoad(readBpfObject(), { fib: 1025, routes: 17, flows: 1024 }))
    const { fib } = new KernelTables(new KernelMaps(object))
    expect(fib.rows.capacity).toBe(17)
    expect(fib.memory.grow(1025 * BLOCK)).toHaveLength(1025 * BLOCK)
    expect(() => fib.memory.grow(1)).toThrow('no 1 blocks in a row left')
  })

  it('refuses the object that it has no room for, by name and as dataplane.limit, and everything else is programmed', () => {
    const tables = new KernelTables(new KernelMaps(object))
    const failures = tables.program(transaction)
    const named = failures.map(({ object: { kind }, code }) => `${kind} ${code}`)
    expect(new Set(named)).toEqual(new Set(Object.values(FULL).map((kind) => `${kind} dataplane.limit`)))
    expect(named).toHaveLength(Object.keys(FULL).length)
    const state = tables.dump()
    expect(state.generation).toBe(7)
    expect([state.vrfs, state.ports, state.nextHops, state.groups, state.labels, state.policies].map((kind) => kind?.length)).toEqual([
      1, 1, 1, 1, 1, 1,
    ])
    const { portIds, vrfs, labels } = tables.counters.snapshot()
    expect([portIds.length, vrfs?.ids.length, labels?.ids.length]).toEqual([1, 1, 1])
    // What was refused fits when something else goes.
    const label = { label: 17, action: { type: 'pop-forward', port: 1 }, sources: 1 } as const
    expect(tables.program({ ...emptyTransaction(8), labels: { set: [], remove: [16] } })).toEqual([])
    expect(tables.program({ ...emptyTransaction(9), labels: { set: [label], remove: [] } })).toEqual([])
  })
})
