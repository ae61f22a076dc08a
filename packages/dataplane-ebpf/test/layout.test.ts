import { DROP_REASONS, ENCAPSULATIONS } from '@heddle/core'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BPF_OBJECT } from '../src/bpf-object.js'
import { Struct } from '../src/layout/struct.js'
import * as address from '../src/layout/structs/address.js'
import * as config from '../src/layout/structs/config.js'
import * as counters from '../src/layout/structs/counters.js'
import * as liveness from '../src/layout/structs/liveness.js'
import * as nextHop from '../src/layout/structs/next-hop.js'
import * as objects from '../src/layout/structs/objects.js'
import * as observe from '../src/layout/structs/observe.js'
import * as policy from '../src/layout/structs/policy.js'
import * as rate from '../src/layout/structs/rate.js'
import * as service from '../src/layout/structs/service.js'
import { readBtf } from './support/btf.js'
import { missing, titled } from './support/requirements.js'

const bpf = (path: string): URL => new URL(`../bpf/${path}`, import.meta.url)
const header = readFileSync(bpf('layout.h'), 'utf8')
const STRUCTS = [address, config, counters, liveness, nextHop, objects, observe, policy, rate, service]
  .flatMap((subject) => Object.values(subject))
  .filter((value) => value instanceof Struct)
/** What the process neither reads nor writes by its fields. */
const OF_PROGRAMS_ALONE = ['counts', 'fragmented']

describe('layouts', () => {
  it('have one version in C and in TypeScript', () => {
    expect(header).toContain(`#define LAYOUT_VERSION ${config.LAYOUT_VERSION}\n`)
  })

  // Another slot would be read than that which is counted in.
  it('have one number of drop reasons in C and in TypeScript, the last ones of none', () => {
    expect(readFileSync(bpf('layout/config.h'), 'utf8')).toContain(`#define MAX_REASONS ${config.MAX_REASONS}\n`)
    const { DROPPED_JOINED, DROPPED_JOINED_LABELS } = config
    for (const [name, slot] of Object.entries({ DROPPED_JOINED, DROPPED_JOINED_LABELS })) {
      const behind = config.MAX_REASONS - slot
      expect(readFileSync(bpf('maps.h'), 'utf8')).toContain(`#define ${name} (MAX_REASONS - ${behind})\n`)
    }
    expect(DROP_REASONS.length).toBeLessThanOrEqual(config.DROPPED_JOINED_LABELS)
    expect(config.DROPPED_JOINED_LABELS).toBeLessThan(config.DROPPED_JOINED)
  })

  it('have the same bits of what programs do without in C and in TypeScript', () => {
    const [, bits = ''] = /^enum avoided \{ (.*) \};$/m.exec(readFileSync(bpf('layout/config.h'), 'utf8')) ?? []
    const named = Object.entries(config.AVOIDED).map(([name, bit]) => `AVOID_${name.toUpperCase().replaceAll('-', '_')} = ${bit}`)
    expect(bits.split(', ')).toEqual(named)
  })

  it('have the same bit for VNIs in C and in TypeScript, beside those of encapsulations', () => {
    expect(readFileSync(bpf('layout/config.h'), 'utf8')).toContain(`#define HAS_VNIS 0x${config.HAS_VNIS.toString(16)}\n`)
    expect(2 ** ENCAPSULATIONS.length).toBeLessThanOrEqual(config.HAS_VNIS)
  })

  it('are all there, of every subject', () => {
    const files = readdirSync(bpf('layout'))
    expect(Array.from(header.matchAll(/^#include "layout\/(.*)"$/gm), ([, file]) => file).toSorted()).toEqual(files.toSorted())
    const declared = files.flatMap((file) =>
      Array.from(readFileSync(bpf(`layout/${file}`), 'utf8').matchAll(/^struct (\w+) \{$/gm), ([, name]) => name),
    )
    expect(declared.toSorted()).toEqual([...STRUCTS.map(({ name }) => name), ...OF_PROGRAMS_ALONE].toSorted())
  })
})

describe.skipIf(missing() !== '')(titled('layouts, against the type information of the object'), () => {
  const types = missing() === '' ? readBtf(readFileSync(BPF_OBJECT)) : new Map<string, never>()

  it.each(STRUCTS.map((struct) => [struct.name, struct] as const))('struct %s', (name, struct) => {
    const fields = Array.from(struct.fields, ([field, { offset }]) => [field, offset])
    expect(types.get(name)).toEqual({ name, size: struct.size, members: fields })
  })

  const slots = (names: readonly string[], prefix = ''): [string, number][] =>
    names.map((name, slot) => [`${prefix}${name.toUpperCase().replaceAll('-', '_')}`, slot])

  it('drop reasons are the slots of DROP_REASONS', () => {
    const members = types.get('drop_reason')?.members ?? []
    expect(members).toEqual(slots(DROP_REASONS, 'REASON_').slice(0, members.length))
    expect(members.length).toBeGreaterThan(18)
  })

  it('encapsulations are the slots of ENCAPSULATIONS', () => {
    expect(types.get('encapsulation')?.members).toEqual(slots(ENCAPSULATIONS))
  })
})
