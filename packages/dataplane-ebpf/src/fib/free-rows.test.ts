import { expect, it } from 'vitest'
import { FreeRows } from './free-rows.js'

it('rows come out as out of an array, the first first, however many there are', () => {
  const [free, array] = [new FreeRows(), [] as number[]]
  for (const count of [3, 700, 0, 5000]) {
    for (let row = 0; row < count; row++) {
      free.push(row * 3)
      array.push(row * 3)
      if (row % 5 === 4) expect(free.shift()).toBe(array.shift())
    }
    expect(free.length).toBe(array.length)
    while (array.length > count / 4) expect(free.shift()).toBe(array.shift())
  }
  expect(free.length).toBe(array.length)
})
