// Every ```ts block of every README runs, from the built packages, so that what a newcomer copies works.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { packages, root } from '../scripts/lib/packages.mjs'

const run = promisify(execFile)
const scratch = mkdtempSync(join(root, 'test', '.snippets-'))
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const readmes = [join(root, 'README.md'), ...packages().map(({ dir }) => join(dir, 'README.md'))]

describe.each(readmes.map((file) => relative(root, file)))('%s', (file) => {
  const text = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : ''
  const snippets = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code)

  it('shows its use in a snippet', () => {
    expect(snippets.length).toBeGreaterThan(0)
  })

  it.each(snippets.map((code, index) => [index + 1, code] as const))(
    'snippet %i runs',
    async (index, code) => {
      const path = join(scratch, `${file.replace(/\W/g, '-')}-${index}.ts`)
      writeFileSync(path, code)
      await run(process.execPath, ['--disable-warning=ExperimentalWarning', path], { cwd: root, timeout: 100_000 })
    },
    40_000,
  )
})
