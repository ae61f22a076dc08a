import { ManualClock } from '@heddle/io/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEFAULT_QUARANTINE, LabelError, LabelSpace } from './label-space.js'

const QUARANTINE = DEFAULT_QUARANTINE

describe('a label space', () => {
  it('gives labels from its range, each to one owner, until none is left', () => {
    const space = new LabelSpace({ clock: new ManualClock(), first: 100, last: 103 })
    expect(new Set([1, 2, 3, 4].map((owner) => space.allocate(String(owner))))).toEqual(new Set([100, 101, 102, 103]))
    expect(() => space.allocate('5')).toThrow(expect.objectContaining({ code: 'label.exhausted' }) as LabelError)
  })

  it.each([
    [15, 20],
    [16, 1_048_576],
    [30, 29],
    [16.5, 20],
  ])('refuses the range %d–%d', (first, last) => {
    expect(() => new LabelSpace({ clock: new ManualClock(), first, last })).toThrow(LabelError)
  })

  it('keeps a released label at rest, also when nothing else is left', () => {
    const clock = new ManualClock()
    const space = new LabelSpace({ clock, first: 16, last: 17 })
    const [a] = [space.allocate('a'), space.allocate('b')]
    space.release(a)
    space.release(a)
    clock.advance(QUARANTINE - 1)
    expect(() => space.allocate('c')).toThrow(LabelError)
    clock.advance(1)
    expect(space.allocate('c')).toBe(a)
    expect(space.ownerOf(a)).toBe('c')
  })

  it('lets labels rest for as long as it is told when one is asked for', () => {
    const clock = new ManualClock()
    let quarantine = 1000
    const space = new LabelSpace({ clock, first: 16, last: 16, quarantine: () => quarantine })
    space.release(space.allocate('a'))
    quarantine = 5000
    clock.advance(4999)
    expect(space.available).toBe(0)
    expect(() => space.allocate('b')).toThrow(LabelError)
    clock.advance(1)
    expect([space.available, space.allocate('b')]).toEqual([1, 16])
  })

  // It was measured by the rest of the moment of asking alone, and came back while others still sent by it.
  it('lets labels rest for as long as it was told when they were released', () => {
    const clock = new ManualClock()
    let quarantine = 5000
    const space = new LabelSpace({ clock, first: 16, last: 18, quarantine: () => quarantine })
    const [a, b] = [space.allocate('a'), space.allocate('b')]
    space.hold(18)
    space.release(a)
    space.releaseHeld()
    quarantine = 1000
    space.release(b)
    clock.advance(4999)
    expect(space.available).toBe(0)
    expect(() => space.allocate('c')).toThrow(LabelError)
    clock.advance(1)
    expect(space.available).toBe(3)
    expect([space.allocate('c'), space.allocate('d'), space.allocate('e')]).toEqual([a, 18, b])
    expect(space.available).toBe(0)
  })

  it('does not give out a label that is held, adopts it, and lets it rest when nobody does', () => {
    const clock = new ManualClock()
    const space = new LabelSpace({ clock, first: 16, last: 19 })
    space.resume([16, 17], 7)
    const fresh = new Set([space.allocate('new'), space.allocate('newer')])
    expect(fresh).toEqual(new Set([18, 19]))
    space.adopt(16, 'old')
    expect(space.isHeld(16)).toBe(false)
    expect(() => space.adopt(16, 'other')).toThrow(expect.objectContaining({ code: 'label.taken' }) as LabelError)
    space.releaseHeld()
    clock.advance(QUARANTINE - 1)
    expect(() => space.allocate('newest')).toThrow(LabelError)
    clock.advance(1)
    expect(space.allocate('newest')).toBe(17)
  })

  it('never gives out the joint label, nor keeps it for what had it', () => {
    const space = new LabelSpace({ clock: new ManualClock(), first: 49_151, last: 49_153 })
    expect(space.available).toBe(2)
    space.resume([49_152], 7)
    expect(space.isHeld(49_152)).toBe(false)
    expect(() => space.adopt(49_152, 'old')).toThrow(expect.objectContaining({ code: 'label.range' }) as LabelError)
    expect([space.allocate('a'), space.allocate('b')].toSorted((a, b) => a - b)).toEqual([49_151, 49_153])
    expect(space.available).toBe(0)
    expect(() => space.allocate('c')).toThrow(expect.objectContaining({ code: 'label.exhausted' }) as LabelError)
  })

  it('refuses a range of the joint label alone', () => {
    const space = () => new LabelSpace({ clock: new ManualClock(), first: 49_152, last: 49_152 })
    expect(space).toThrow(expect.objectContaining({ code: 'label.range' }) as LabelError)
  })

  it('never gives out a label early over any sequence of changes, as a list of releases tells', () => {
    const step = fc.oneof(
      fc.constant({ type: 'allocate' as const }),
      fc.nat(7).map((which) => ({ type: 'release' as const, which })),
      fc.nat(7).map((which) => ({ type: 'adopt' as const, which })),
      fc.nat(QUARANTINE).map((time) => ({ type: 'wait' as const, time })),
    )
    fc.assert(
      // The second range has the joint label in it.
      fc.property(fc.constantFrom(16, 49_149), fc.array(step, { maxLength: 60 }), (first, steps) => {
        const clock = new ManualClock()
        const space = new LabelSpace({ clock, first, last: first + 7 })
        const owned: number[] = []
        const released = new Map<number, number>()
        const may = (label: number): boolean =>
          label !== 49_152 && !owned.includes(label) && clock.now() - (released.get(label) ?? Number.NEGATIVE_INFINITY) >= QUARANTINE
        for (const action of steps) {
          if (action.type === 'wait') clock.advance(action.time)
          else if (action.type === 'release') {
            const [label] = owned.splice(action.which, 1)
            if (label === undefined) continue
            space.release(label)
            released.set(label, clock.now())
          } else if (action.type === 'adopt') {
            const label = first + action.which
            if (owned.includes(label) || label === 49_152) continue
            space.adopt(label, 'adopted')
            owned.push(label)
          } else {
            const free = Array.from({ length: 8 }, (_, index) => first + index).filter(may)
            if (free.length === 0) expect(() => space.allocate('x')).toThrow(LabelError)
            else {
              const label = space.allocate('x')
              expect(free).toContain(label)
              owned.push(label)
            }
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('goes on after a restart with none of the labels that were released before it', () => {
    // Each process takes over the labels of the one before, adds and releases some, and dies; the quarantine of what it released is known to nobody.
    const life = fc.record({ add: fc.nat(200), remove: fc.array(fc.nat(), { maxLength: 100 }) })
    fc.assert(
      fc.property(fc.array(life, { minLength: 2, maxLength: 6 }), (lives) => {
        const clock = new ManualClock()
        let generation = 0
        let held: number[] = []
        const released = new Set<number>()
        for (const { add, remove } of lives) {
          clock.advance(5000)
          const space = new LabelSpace({ clock })
          space.resume(held, generation)
          for (const label of held) space.adopt(label, 'before')
          for (let count = 0; count < add; count++) {
            const label = space.allocate('new')
            expect(released.has(label)).toBe(false)
            held.push(label)
            generation++
          }
          for (const which of remove) {
            const [label] = held.splice(which % Math.max(1, held.length), 1)
            if (label === undefined) continue
            space.release(label)
            released.add(label)
            generation++
          }
          held = [...held]
        }
      }),
      { numRuns: 200 },
    )
  })

  it('starts elsewhere after each restart even when every label is gone', () => {
    const starts = Array.from({ length: 200 }, (_, generation) => {
      const space = new LabelSpace({ clock: new ManualClock() })
      space.resume([16], generation + 1)
      return space.allocate('x')
    })
    const sorted = starts.toSorted((a, b) => a - b)
    const nearest = Math.min(...sorted.slice(1).map((label, index) => label - (sorted[index] ?? 0)))
    expect(nearest).toBeGreaterThan(1000)
  })
})
