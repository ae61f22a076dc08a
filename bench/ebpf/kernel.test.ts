import { describe, expect, it } from 'vitest'
import { addresses, addresses6 } from './kernel.ts'

const MILLION = 1_000_000

describe('routes that are far apart', () => {
  it('are to a million different /24 of unicast', () => {
    const found = addresses(MILLION)
    expect(new Set(found).size).toBe(MILLION)
    expect(found.every((address) => address >= 0x0100_0000 && address < 0xe000_0000 && (address & 0xff) === 0)).toBe(true)
    // Hardly any are of the same /16 as the one before: no part of a table is warm from it.
    expect(found.filter((address, at) => at > 0 && address >>> 16 === found[at - 1] >>> 16)).toEqual(new Uint32Array(0))
  })

  it('and to a million different /64 of one /40', () => {
    const found = addresses6(MILLION)
    expect(new Set(found).size).toBe(MILLION)
    expect(found.every((word) => word < 2 ** 24)).toBe(true)
  })
})
