import { expect, it } from 'vitest'
import { formatTable, type Column } from './table.js'

const columns: Column<{ name: string; count: number }>[] = [
  { title: 'NAME', text: ({ name }) => name },
  { title: 'COUNT', text: ({ count }) => String(count), align: 'right' },
]
const rows = [
  { name: 'red', count: 7 },
  { name: 'a longer one', count: 12_345_678 },
]

it('lines columns up, numbers to the right', () => {
  expect(formatTable(columns, rows, { colors: false })).toBe(
    ['NAME             COUNT', 'red                  7', 'a longer one  12345678', ''].join('\n'),
  )
})

it('has a heading even when there is nothing below it', () => {
  expect(formatTable(columns, [], { colors: false })).toBe('NAME  COUNT\n')
})

it('uses escape sequences only where they are wanted, and never those of its data', () => {
  const evil = [{ name: 'x\u001B[2J\n', count: 0 }]
  const plain = formatTable(columns, evil, { colors: false })
  expect(plain).not.toContain('\u001B')
  expect(plain).toContain('x\\x1b[2J\\x0a')
  expect(formatTable(columns, rows, { colors: true }).startsWith('\u001B[1mNAME')).toBe(true)
})
