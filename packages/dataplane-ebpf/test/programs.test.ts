import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileBpf, headerFolder, isThere } from '../../../scripts/build-native.mjs'
import { BPF_OBJECT, readBpfObject } from '../src/bpf-object.js'
import type { EbpfRouter } from '../src/ebpf-router.js'
import { LINUX_5_15, unknownTo } from './support/newer-than.js'
import { namedMaps } from './support/named-maps.js'
import { missing, titled } from './support/requirements.js'
import { RouterNamespace } from './support/router.js'
import { stackDepths } from './support/stack-depth.js'

/**
 * What each program may come to: instructions after verification, and instructions that the verifier looks at, of which it takes a million and newer
 * compilers and kernels need more or fewer. Above what is printed (clang 14, Linux 6.18), so that what a change adds is seen.
 */
const LIMITS: Readonly<Record<string, { readonly instructions: number; readonly verified: number }>> = {
  across: { instructions: 3300, verified: 75_000 },
  egress: { instructions: 14_500, verified: 120_000 },
  ingress: { instructions: 14_500, verified: 120_000 },
  lookup: { instructions: 1000, verified: 10_000 },
  sweep: { instructions: 1200, verified: 5000 },
}

/** Maps that a program may name (`MAX_USED_MAPS` of Linux), without some that the next version of the programs may have more. */
const MOST_MAPS = 64 - 2

/** Octets of stack along any way of calls (`MAX_BPF_STACK` of Linux). */
const MOST_STACK = 512

function checkStack(object: Uint8Array): void {
  for (const [name, { octets, way }] of stackDepths(object, Object.keys(LIMITS))) {
    process.stdout.write(`${name}: ${octets} octets of stack in ${way.length} frames (${way.join(', ')})\n`)
    expect([name, octets, way]).toEqual([name, expect.toSatisfy((found: number) => found > 0 && found <= MOST_STACK), way])
  }
}

function checkMaps(object: Uint8Array): void {
  for (const [name, maps] of namedMaps(object, Object.keys(LIMITS))) {
    process.stdout.write(`${name}: ${maps} maps\n`)
    expect([name, maps]).toEqual([name, expect.toSatisfy((found: number) => found > 0 && found <= MOST_MAPS)])
  }
}

describe.skipIf(missing() !== '')(titled('the programs'), () => {
  let namespace: RouterNamespace
  let router: EbpfRouter
  beforeAll(async () => {
    namespace = new RouterNamespace('programs')
    router = await namespace.open({ fibBlocks: 1024 })
  })
  afterAll(async () => {
    await router?.close()
    namespace?.close()
  })

  it('are as large and as complex as they were', () => {
    const { programs } = router.inspect()
    expect(programs.map(({ name }) => name)).toEqual(Object.keys(LIMITS).sort())
    for (const { name, instructions, verified, machineCode } of programs) {
      process.stdout.write(`${name}: ${instructions} instructions, ${machineCode} octets of machine code, ${verified} verified\n`)
      expect([name, instructions]).toEqual([name, expect.toSatisfy((found: number) => found > 0 && found <= LIMITS[name].instructions)])
      expect([name, verified]).toEqual([name, expect.toSatisfy((found: number) => found <= LIMITS[name].verified)])
    }
  })

  // This kernel may count less than the oldest one that is supported, which refused programs that others took.
  it('need no more stack than Linux 6.1 counts', () => checkStack(readBpfObject()))

  it('name no more maps than the kernel takes, with room for those to come', () => checkMaps(readBpfObject()))

  it('tell their maps, and the memory that these have', () => {
    const { maps } = router.inspect()
    const fib = maps.find(({ name }) => name === 'fib')
    expect(fib).toMatchObject({ capacity: 1024, valueOctets: 1024 })
    expect(fib?.octets).toBeGreaterThanOrEqual(1 << 20)
  })
})

/** Compilers besides the one that builds: whose frames are others, and which one there is differs from system to system. */
const CLANGS = Array.from({ length: 20 }, (_, index) => `clang-${15 + index}`).filter(isThere)
const lacksClang = !existsSync('/usr/include/bpf/bpf_helpers.h') ? 'needs libbpf-dev' : CLANGS.length === 0 ? 'needs clang-15 or later' : ''

describe.skipIf(lacksClang !== '')(titled('the programs, compiled by another clang', lacksClang), () => {
  it.each(lacksClang === '' ? CLANGS : ['clang-N'])('need no more stack and name no more maps than Linux 6.1 takes (%s)', (clang) => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-clang-'))
    try {
      const file = join(folder, 'heddle.bpf.o')
      compileBpf(headerFolder(), file, clang)
      const object = readFileSync(file)
      checkStack(object)
      checkMaps(object)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

const lacksObject = existsSync(BPF_OBJECT) ? '' : 'needs the BPF programs, which clang compiles: npm run build:native'

// 5.15 is the least kernel by design, and none of the suite's: what would keep the programs from being loaded there has to show elsewhere.
it.skipIf(lacksObject !== '')(titled('the programs ask for nothing that is newer than Linux 5.15', lacksObject), () => {
  const object = readBpfObject()
  expect(unknownTo(LINUX_5_15, object)).toEqual([])
  // What those before had not yet is found: `bpf_for_each_map_elem`, and sections of data.
  expect(unknownTo({ ...LINUX_5_15, helper: 163 }, object)).toContain('function 164 in sweep')
  expect(unknownTo({ ...LINUX_5_15, btfKind: 14 }, object)).toEqual(['types of kind 15'])
})

it.skipIf(lacksObject !== '')(titled('the programs say nothing of where they were compiled', lacksObject), () => {
  const text = Buffer.from(readBpfObject()).toString('latin1')
  expect(text).toContain('bpf/maps.h')
  expect(text).not.toContain(fileURLToPath(new URL('../../..', import.meta.url)))
})
