import { expect, it } from 'vitest'
import { until } from './until.js'

/** A machine on which each look and each pause takes so many milliseconds, whatever was asked for; a look may be told by its number. */
class Machine {
  looks = 0
  #now = 1000

  constructor(
    private readonly look: number | ((number: number) => number),
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
      this.looks++
      this.#now += typeof this.look === 'number' ? this.look : this.look(this.looks)
      return this.looks >= look
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
  expect(machine.now()).toBe(1000 + 10_100 + 80)
})

it('counts the part that the machine had time for', async () => {
  const machine = new Machine(400, 100)
  expect(await until(machine, 10_000, machine.holdsAt(Infinity))).toBe(undefined)
  expect(machine.now()).toBe(1000 + 5 * 10_100 + 400)
})

// Of looks of 1.1 s two were made in 2 s, and what came after 1.5 s was not seen.
it('looks once more when the deadline has passed', async () => {
  const machine = new Machine(1100, 20)
  expect(await until(machine, 2000, machine.holdsAt(3))).toBe(3 * 1100 + 2 * 20)
  expect(await until(machine, 2000, machine.holdsAt(Infinity))).toBe(undefined)
  expect(machine.looks).toBe(3 + 3)
})

it('counts a look that is kept waiting like the quickest before it', async () => {
  const machine = new Machine((number) => (number % 4 === 0 ? 1900 : 5), 20)
  expect(await until(machine, 2000, machine.holdsAt(80))).toBe(machine.now() - 1000)
  expect(await until(machine, 2000, machine.holdsAt(Infinity))).toBe(undefined)
  expect(machine.looks).toBe(80 + 82)
})

it('does not count what was before it waits', async () => {
  const machine = new Machine(0, 20)
  expect(await until(machine, 100, machine.holdsAt(5), 0)).toBe(machine.now())
})
