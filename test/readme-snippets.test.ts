// Every ```ts block of every README and of docs/compose.md runs, from the built packages, and type-checks against their declarations, so that what a newcomer
// copies works.
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toolScript } from '../scripts/lib/bootstrap.mjs'
import { packages, root } from '../scripts/lib/packages.mjs'

const run = promisify(execFile)
const scratch = mkdtempSync(join(root, 'test', '.snippets-'))
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true })
})

const files = ['README.md', 'docs/compose.md', ...packages().map(({ dir }) => join(relative(root, dir), 'README.md'))].map((file) => {
  const text = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : ''
  const snippets = [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code], index) => ({
    index: index + 1,
    path: pathOf(file, index + 1),
    code,
  }))
  return { file, snippets }
})

function pathOf(file: string, index: number): string {
  return join(scratch, `${file.replace(/\W/g, '-')}-${index}.ts`)
}

beforeAll(() => {
  for (const { path, code } of files.flatMap(({ snippets }) => snippets)) writeFileSync(path, code)
})

describe.each(files)('$file', ({ snippets }) => {
  it('shows its use in a snippet', () => {
    expect(snippets.length).toBeGreaterThan(0)
  })

  it.each(snippets)(
    'snippet $index runs',
    async ({ path }) => {
      await run(process.execPath, ['--disable-warning=ExperimentalWarning', path], { cwd: root, timeout: 100_000 })
    },
    40_000,
  )
})

it('all snippets type-check as a strict consumer has them', async () => {
  const compilerOptions = {
    noEmit: true,
    strict: true,
    target: 'es2024',
    module: 'nodenext',
    lib: ['es2024', 'esnext.disposable'],
    types: ['node'],
  }
  const config = join(scratch, 'tsconfig.json')
  writeFileSync(config, JSON.stringify({ compilerOptions, files: files.flatMap(({ snippets }) => snippets.map(({ path }) => path)) }))
  const said = await run(process.execPath, [toolScript('@typescript/native', 'tsc'), '-p', config]).then(
    ({ stdout }) => stdout,
    (error: Error & { stdout?: string }) => error.stdout ?? error.message,
  )
  expect(said).toBe('')
})
