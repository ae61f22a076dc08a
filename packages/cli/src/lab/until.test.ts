import { expect, it } from 'vitest'
import { until } from './until.js'

/** A machine on which each look and each pause takes so many milliseconds, whatever was asked for. */
class Machine {
  looks = 0
  #now = 1000

  constructor(
    private readonly look: number,
    private readonly pause: number,
  ) {}

  now(): number {
    return this.#now
  }

  async sleep(): Promise<void> {
    this.#now += this.pause
  }

  /** A condition that holds from the look on that is told. */
  holdsAt(look: number): () => Promise<boolean> {
    return async () => {
      this.#now += this.look
      return ++this.looks >= look
    }
  }
}

it('tells how long it took since what is waited for began', async () => {
  const machine = new Machine(5, 20)
  expect(await until(machine, 1000, machine.holdsAt(3))).toBe(3 * 5 + 2 * 20)
  expect(await until(machine, 1000, machine.holdsAt(1), 900)).toBe(machine.now() - 900)
})

// Of a look that took long, and the pause behind it, 40 ms counted: ten seconds were 25.
it('counts all that it waits where the machine has time', async () => {
  const machine = new Machine(80, 20)
  expect(await until(machine, 10_000, machine.holdsAt(Infinity))).toBe(undefined)
  expect(machine.now()).toBe(1000 + 10_100)
})

it('counts the part that the machine had time for', async () => {
  const machine = new Machine(400, 100)
  expect(await until(machine, 10_000, machine.holdsAt(Infinity))).toBe(undefined)
  expect(machine.now()).toBe(1000 + 5 * 10_100)
})

it('does not count what was before it waits', async () => {
  const machine = new Machine(0, 20)
  expect(await until(machine, 100, machine.holdsAt(5), 0)).toBe(machine.now())
})
