import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { capacityOf, countedIn, foundSizes, mapSizes, placesOf, type AskedCapacity } from './map-sizes.js'

const NOTHING: AskedCapacity = { fibBlocks: undefined, routes: undefined, flows: undefined, ports: undefined }

describe('how large tables are', () => {
  it('follows from what was asked for, the memory of the FIB from the routes', () => {
    expect(capacityOf(NOTHING)).toEqual({ fibBlocks: 65_536, routes: 262_144, flows: 65_536, ports: 16_384 })
    expect(capacityOf({ ...NOTHING, routes: 64 }).fibBlocks).toBe(65_536)
    expect(capacityOf({ ...NOTHING, routes: 1_000_000 }).fibBlocks).toBe(250_000)
    expect(capacityOf({ ...NOTHING, routes: 4_194_303 }).fibBlocks).toBe(1_048_576)
    const all = { fibBlocks: 1024, routes: 2_000_000, flows: 2048, ports: 1 }
    expect(capacityOf(all)).toEqual(all)
  })

  it('is told with its reason', () => {
    const told = (asked: AskedCapacity, there: AskedCapacity): readonly string[] => {
      const sizes = mapSizes(capacityOf(there))
      return foundSizes(asked, (map) => sizes[map]).map(({ option, found, because }) => `${option} ${found}: ${because}`)
    }
    expect(told(NOTHING, NOTHING)).toEqual([
      'routes 262144: what there is without `routes`',
      'fibBlocks 65536: a quarter of the routes, at least 65536',
      'flows 65536: what there is without `flows`',
      'ports 16384: what there is without `ports`',
    ])
    const asked = { ...NOTHING, routes: 1_000_000, ports: 100 }
    expect(told(asked, asked)).toEqual([
      'routes 1000000: asked for by `routes: 1000000`',
      'fibBlocks 250000: a quarter of the routes, at least 65536',
      'flows 65536: what there is without `flows`',
      'ports 100: asked for by `ports: 100`',
    ])
    const kept = 'tables were taken over, and stay as large as they are'
    expect(told(asked, { ...NOTHING, flows: 1024, ports: 100 })).toEqual([
      expect.stringMatching(`^routes 262144: ${kept}; to have 1000000, .*heddle stop`),
      `fibBlocks 65536: ${kept}`,
      `flows 1024: ${kept}`,
      'ports 100: asked for by `ports: 100`',
    ])
  })
})

// With both directions of 16,385 endpoints, each transaction was refused.
it.each([
  [1, 32_768],
  [16_384, 32_768],
  [100_000, 200_000],
])('%i ports may have policies of both directions', (ports, policies) => {
  expect(mapSizes(capacityOf({ ...NOTHING, ports })).policies).toBe(policies)
})

describe('maps that forget the quietest', () => {
  it.each([
    [1, { told_paths: 1024, fragments: 4096, nat_fragments: 4096 }],
    [4, { told_paths: 1024, fragments: 4096, nat_fragments: 4096 }],
    [8, { told_paths: 2048, fragments: 4096, nat_fragments: 4096 }],
    [64, { told_paths: 16_384, fragments: 16_384, nat_fragments: 16_384 }],
  ])('have room for what each of %i CPUs takes for itself', (possible, sizes) => {
    expect(mapSizes(capacityOf(NOTHING), possible)).toMatchObject(sizes)
  })

  it.each([
    ['0\n', 1],
    ['0-1\n', 2],
    ['0-127\n', 128],
    ['0,2-3,8-15\n', 11],
  ])('count the CPUs that there may be: %j', (list, count) => {
    expect(countedIn(list)).toBe(count)
  })

  it.skipIf(process.platform !== 'linux')('are sized by those of this machine', () => {
    const possible = countedIn(readFileSync('/sys/devices/system/cpu/possible', 'utf8'))
    expect(mapSizes(capacityOf(NOTHING))).toEqual(mapSizes(capacityOf(NOTHING), possible))
  })
})

describe('flows whose decisions a CPU remembers', () => {
  it.each([
    [65_536, 2, 16_384],
    [65_536, 8, 4096],
    [65_536, 12, 2048],
    [65_536, 64, 1024],
    [1_048_576, 2, 16_384],
    [1_048_576, 64, 8192],
    [64, 2, 1024],
    [1, 512, 1024],
  ])('of %i flows on %i CPUs are %i', (flows, count, places) => {
    expect(placesOf(flows, count)).toBe(places)
  })
})
