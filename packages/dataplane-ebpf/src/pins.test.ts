import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { areElsewhere, forgetLinks, markNamespace, pinsOf, removePins } from './pins.js'

describe('Pins', () => {
  let directory: string
  let pins: string
  beforeEach(() => {
    directory = makeFolder('pins')
    pins = pinsOf(directory)
    mkdirSync(pins)
  })
  const pin = (...names: string[]): void => names.forEach((name) => writeFileSync(join(pins, name), ''))

  // Without their generation, tables that were left would be nobody's: the next dataplane would neither take them over nor take them away.
  it.each(['aaa', 'link-1', 'zzz'])('keep what says of what generation they are until all others have gone: %s does not', (name) => {
    pin('atoms', 'config', 'ports', 'zones')
    // A directory that is not empty cannot be removed, as a pin in a process that ends.
    mkdirSync(join(pins, name, 'within'), { recursive: true })
    expect(() => removePins(directory)).toThrow(/ENOTEMPTY/)
    expect(readdirSync(pins)).toContain('config')
    rmSync(join(pins, name, 'within'), { recursive: true })
    removePins(directory)
    expect(readdirSync(directory)).toEqual([])
  })

  it('are forgotten of links alone', () => {
    const links = ['uplink', 'uplink-xdp', 'next-uplink', 'link-1', 'link-23', 'next-link-23']
    const others = ['config', 'links', 'next_hops', 'uplinks']
    pin(...links, ...others)
    mkdirSync(join(pins, 'link-4'))
    forgetLinks(pins)
    expect(readdirSync(pins).sort()).toEqual(others)
  })

  it('say which network namespace their links are in, and nothing of it before they do', () => {
    expect(areElsewhere(pins, 1)).toBe(false)
    for (const namespace of [1, 1, 12]) {
      markNamespace(pins, namespace)
      expect([1, 12, 2].map((other) => areElsewhere(pins, other))).toEqual([1, 12, 2].map((other) => other !== namespace))
    }
  })
})
