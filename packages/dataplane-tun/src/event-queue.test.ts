import { describe, expect, it } from 'vitest'
import { EventQueue } from './event-queue.js'

describe('an event queue', () => {
  it('gives what happens after the iterator was asked for, in order, and then ends', async () => {
    const queue = new EventQueue<number>()
    queue.push(0)
    const events = queue[Symbol.asyncIterator]()
    queue.push(1)
    queue.push(2)
    expect([(await events.next()).value, (await events.next()).value]).toEqual([1, 2])
    const next = events.next()
    queue.push(3)
    expect(await next).toEqual({ value: 3, done: false })
    queue.push(4)
    queue.end()
    expect(await events.next()).toEqual({ value: 4, done: false })
    expect(await events.next()).toEqual({ value: undefined, done: true })
  })

  it('forgets the oldest when nobody takes them', async () => {
    const queue = new EventQueue<number>()
    const events = queue[Symbol.asyncIterator]()
    for (let event = 0; event < 5000; event++) queue.push(event)
    expect((await events.next()).value).toBe(5000 - 4096)
  })
})
