import { describe, expect, it } from 'vitest'
import { EventQueue } from './event-queue.js'

const over = { value: undefined, done: true }

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
    queue.push(5)
    expect(await events.next()).toEqual({ value: 4, done: false })
    expect(await events.next()).toEqual(over)
    expect(await queue[Symbol.asyncIterator]().next()).toEqual(over)
  })

  it('forgets the oldest when nobody takes them', async () => {
    const queue = new EventQueue<number>()
    const events = queue[Symbol.asyncIterator]()
    for (let event = 0; event < 5000; event++) queue.push(event)
    expect((await events.next()).value).toBe(5000 - 4096)
  })

  it('carries undefined like any other event', async () => {
    const queue = new EventQueue<undefined>()
    const events = queue[Symbol.asyncIterator]()
    queue.push(undefined)
    expect(await events.next()).toEqual({ value: undefined, done: false })
  })

  it('starts fresh for the next consumer when one leaves its loop', async () => {
    const queue = new EventQueue<number>()
    setTimeout(() => queue.push(1))
    for await (const event of queue) {
      expect(event).toBe(1)
      queue.push(2) // waits for a consumer that leaves
      break
    }
    queue.push(3) // nobody is there
    const seen: number[] = []
    setTimeout(() => {
      queue.push(4)
      queue.end()
    })
    for await (const event of queue) seen.push(event)
    expect(seen).toEqual([4])
  })

  it('ends the loop of a consumer that waits when it returns', async () => {
    const events = new EventQueue<number>()[Symbol.asyncIterator]()
    const next = events.next()
    await events.return?.()
    expect(await next).toEqual(over)
    expect(await events.next()).toEqual(over)
  })

  it('is taken over by a later consumer, which ends the earlier one', async () => {
    const queue = new EventQueue<number>()
    const first = queue[Symbol.asyncIterator]()
    const waits = first.next()
    const second = queue[Symbol.asyncIterator]()
    expect(await waits).toEqual(over)
    await first.return?.() // comes too late to end the second
    queue.push(1)
    expect(await second.next()).toEqual({ value: 1, done: false })
    expect(await first.next()).toEqual(over)
  })
})
