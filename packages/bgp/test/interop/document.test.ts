import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { DAEMONS, FEATURES, matrixText } from './matrix/features.js'

const document = join(import.meta.dirname, '../../../../docs/INTEROP.md')
const [BEGIN, END] = [
  '<!-- matrix: written by HEDDLE_UPDATE=1 vitest run packages/bgp/test/interop/document.test.ts -->\n',
  '\n<!-- matrix ends -->',
]

it('docs/INTEROP.md has the matrix that the tests show', () => {
  const text = readFileSync(document, 'utf8')
  const [from, to] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)]
  expect(from <= to && from >= BEGIN.length).toBe(true)
  if (process.env['HEDDLE_UPDATE'] === '1') writeFileSync(document, text.slice(0, from) + matrixText() + text.slice(to))
  expect(
    readFileSync(document, 'utf8')
      .slice(from)
      .startsWith(matrixText() + END),
  ).toBe(true)
})

it.each(FEATURES)('$feature: a test for each cell', ({ cells }) => {
  expect(cells).toHaveLength(DAEMONS.length)
  for (const [column, cell] of cells.entries()) {
    if ('lacks' in cell) continue
    const source = readFileSync(join(import.meta.dirname, `${cell.file}.test.ts`), 'utf8')
    expect(source).toContain(cell.title)
    const [name = ''] = DAEMONS[column].split(' ')
    expect(source.toLowerCase()).toContain(name.toLowerCase())
  }
})
