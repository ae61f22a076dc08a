import { DROP_REASONS, ENCAPSULATIONS } from '@heddle/core'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { BPF_OBJECT } from '../src/bpf-object.js'
import { LAYOUT_VERSION, STRUCTS } from '../src/layout/structs.js'
import { readBtf } from './support/btf.js'
import { missing, titled } from './support/requirements.js'

const header = readFileSync(new URL('../bpf/layout.h', import.meta.url), 'utf8')

describe('layouts', () => {
  it('have one version in C and in TypeScript', () => {
    expect(header).toContain(`#define LAYOUT_VERSION ${LAYOUT_VERSION}\n`)
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
