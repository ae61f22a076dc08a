import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { makeFolder } from '../../dataplane-tun/test/support/folders.js'
import { LAYOUT_VERSION } from './layout/structs/config.js'
import { areElsewhere, markNamespace, pinsOf, preparePins, removePins } from './pins.js'

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

  // Of a namespace that nobody knew any more, they were taken for those of the next.
  it('keep what says of which network namespace they are until all others have gone', () => {
    pin('config', 'ports')
    markNamespace(pins, 7)
    mkdirSync(join(pins, 'zzz', 'within'), { recursive: true })
    expect(() => removePins(directory)).toThrow(/ENOTEMPTY/)
    expect(areElsewhere(pins, 8)).toBe(true)
  })

  describe('that are of another network namespace', () => {
    beforeEach(() => {
      pin('config', 'ports', 'link-3')
      markNamespace(pins, 7)
    })
    const names = (): string[] => readdirSync(directory).toSorted()
    const next = `layout-${LAYOUT_VERSION}-next`

    it('are taken over in their own alone', () => {
      const prepared = preparePins(directory, false, 7)
      expect(prepared).toMatchObject({ pins, folder: pins, isNew: false, older: [] })
      prepared.takeAwayOlder()
      prepared.undo()
      expect(readdirSync(pins).toSorted()).toEqual(['config', 'link-3', 'netns-7', 'ports'])
    })

    it('keep their place until they are taken away, which others get then', () => {
      const prepared = preparePins(directory, false, 8)
      const older = { name: `layout-${LAYOUT_VERSION}`, folder: pins, ports: [3], isOfThisLayout: true, isElsewhere: true }
      expect(prepared).toMatchObject({ pins, folder: join(directory, next), isNew: true, older: [older] })
      writeFileSync(join(prepared.folder, 'ports'), '')
      prepared.takeAwayOlder()
      expect([names(), readdirSync(pins)]).toEqual([[`layout-${LAYOUT_VERSION}`], ['ports']])
      prepared.undo()
      expect(names()).toEqual([])
    })

    it('stay where nothing comes of the others, or their process ends', () => {
      preparePins(directory, false, 8).undo()
      expect(names()).toEqual([`layout-${LAYOUT_VERSION}`])
      writeFileSync(join(preparePins(directory, false, 8).folder, 'ports'), '')
      expect(names()).toEqual([`layout-${LAYOUT_VERSION}`, next])
      expect(preparePins(directory, false, 7)).toMatchObject({ folder: pins, isNew: false, older: [] })
      expect([names(), readdirSync(pins).length]).toEqual([[`layout-${LAYOUT_VERSION}`], 4])
    })
  })

  it('say which network namespace their links are in, and nothing of it before they do', () => {
    expect(areElsewhere(pins, 1)).toBe(false)
    for (const namespace of [1, 1, 12]) {
      markNamespace(pins, namespace)
      expect([1, 12, 2].map((other) => areElsewhere(pins, other))).toEqual([1, 12, 2].map((other) => other !== namespace))
    }
  })
})
