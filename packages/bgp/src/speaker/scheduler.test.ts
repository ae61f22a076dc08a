import { ManualClock, recordingLogger } from '@heddle/io/testing'
import { expect, it } from 'vitest'
import { Scheduler, type Task } from './scheduler.js'

function scheduled(): { clock: ManualClock; scheduler: Scheduler; failures: () => number } {
  const clock = new ManualClock()
  const logger = recordingLogger()
  const failures = (): number => logger.records.filter(({ message }) => message === 'work failed').length
  return { clock, scheduler: new Scheduler(clock, logger), failures }
}

it('runs what threw again, without being woken', async () => {
  const { clock, scheduler, failures } = scheduled()
  const left = ['a', 'fault', 'b', 'fault', 'fault', 'c']
  const done: string[] = []
  const task: Task = {
    work: 'ingest',
    run: () => {
      const item = left.shift()
      if (item === 'fault') throw new TypeError('a fault')
      if (item !== undefined) done.push(item)
      return left.length > 0
    },
  }
  scheduler.wake(task)
  await clock.run(10)
  expect([done, failures(), scheduler.waiting]).toEqual([['a', 'b', 'c'], 3, 0])
})

it('does not spend the time of others on what throws every time, and takes it up again soon when it works', async () => {
  const { clock, scheduler, failures } = scheduled()
  let works = false
  let others = 0
  const broken: Task = {
    work: 'ingest',
    run: () => {
      if (!works) throw new TypeError('a fault')
      return false
    },
  }
  const other: Task = { work: 'deliver', run: () => ++others < 1_000 }
  scheduler.wake(broken)
  scheduler.wake(other)
  await clock.run(10_000)
  expect(others).toBe(1_000)
  // 1, 2, 4 … 64 ms, and then each 100 ms
  expect(failures()).toBeLessThan(120)
  const before = failures()
  works = true
  await clock.run(100)
  expect(failures()).toBe(before)
  works = false
  scheduler.wake(broken)
  await clock.run(0)
  expect(failures()).toBe(before + 2) // what worked meanwhile is no failure any more: it is tried again at once
  scheduler.stop()
  await clock.run(1_000)
  expect(failures()).toBe(before + 2)
})
