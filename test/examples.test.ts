// Every example runs to its end; each asserts what it shows.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { root } from '../scripts/lib/packages.mjs'

const run = promisify(execFile)
const examples = readdirSync(join(root, 'examples')).filter((name) => existsSync(join(root, 'examples', name, 'main.ts')))

it('there are examples', () => {
  expect(examples.length).toBeGreaterThanOrEqual(4)
})

it.each(examples)(
  'example %s runs',
  async (name) => {
    const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', join(root, 'examples', name, 'main.ts')], {
      cwd: root,
      timeout: 100_000,
    })
    expect(stdout).not.toBe('')
  },
  70_000,
)
