import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WordQueue } from './word-queue.js'

/** Steps of thousands, so that chunks begin and go. */
const step = fc.oneof(
  fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 1, max: 9000 }) }),
  fc.record({ kind: fc.constant('drop' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant('truncate' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ kind: fc.constant('shift' as const) }),
  fc.record({ kind: fc.constant('set' as const), share: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }) }),
)

test('a queue holds what an array would, whatever comes and goes', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const queue = new WordQueue()
      let model: number[] = []
      let next = 0xffff_ff00
      const push = (): void => {
        next = (next + 1) >>> 0
        queue.push(next)
        model.push(next)
      }
      for (const action of steps) {
        switch (action.kind) {
          case 'push':
            for (let count = 0; count < action.count; count++) push()
            break
          case 'drop': {
            const count = Math.floor(model.length * action.share)
            queue.drop(count)
            model = model.slice(count)
            break
          }
          case 'truncate': {
            const length = Math.floor(model.length * action.share)
            queue.truncate(length)
            model.length = length
            break
          }
          case 'shift':
            if (model.length > 0) expect(queue.shift()).toBe(model.shift())
            break
          default: {
            if (model.length === 0) break
            const at = Math.floor(model.length * action.share)
            queue.set(at, 7)
            model[at] = 7
          }
        }
      }
      push()
      expect(Array.from({ length: queue.length }, (_, at) => queue.get(at)).join()).toBe(model.join())
      queue.drop(queue.length)
      expect(queue.octets).toBeLessThanOrEqual(1 << 14)
    }),
    { numRuns: 50 },
  )
})
