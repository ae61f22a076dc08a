import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

describe('a kernel that is fetched', () => {
  it('was said to be out of reach for a property of null, where there is no apt', () => {
    const cache = mkdtempSync(join(tmpdir(), 'hd-kernels-'))
    try {
      const { href } = new URL('../scripts/lib/debian-kernels.mjs', import.meta.url)
      const program = `import { fetchedKernel, reasonOf } from '${href}'
        try { fetchedKernel('6.1', console.log) } catch (error) { console.log(reasonOf(error)) }`
      const env = { PATH: cache, XDG_CACHE_HOME: cache }
      const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8', env })
      expect(said).toBe('apt-get update: spawnSync apt-get ENOENT\n')
    } finally {
      rmSync(cache, { recursive: true, force: true })
    }
  })
})
