// A Node that is too old gets one clear line, from the command and from the repository's own commands.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { root } from '../scripts/lib/packages.mjs'

const folder = mkdtempSync(join(tmpdir(), 'heddle-old-node-'))
const pretend = join(folder, 'pretend.cjs')
writeFileSync(
  pretend,
  `Object.defineProperty(process, 'version', { value: 'v20.18.3' })
Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.3' } })\n`,
)
afterAll(() => {
  rmSync(folder, { recursive: true })
})

describe('on Node 20.18', () => {
  it.each(['packages/heddle/bin/heddle.js', 'scripts/demo.mjs', 'scripts/test.mjs', 'scripts/check.mjs', 'scripts/build.mjs'])(
    '%s says what it needs, and does nothing else',
    (file) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--require', pretend, join(root, file)], { encoding: 'utf8' })
      expect(status).not.toBe(0)
      expect(stdout).toBe('')
      expect(stderr).toMatch(/^[^\n]*20\.18\.3[^\n]*\n$|^[^\n]*20\.19[^\n]*20\.18\.3[^\n]*\n$/)
      expect(stderr).toContain('20.19')
    },
  )
})
