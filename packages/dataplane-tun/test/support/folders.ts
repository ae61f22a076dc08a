import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder for a test, which takes it away; `sweepFolders` does if the test is killed. */
export function makeFolder(name: string): string {
  return mkdtempSync(join(tmpdir(), `hd-${process.pid}-${name}-`))
}

/** Takes away folders of tests that were killed, and the file systems that were mounted in them. */
export function sweepFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^hd-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeLeftover(join(tmpdir(), name))
  }
}

/** Another test file may be at it, too, and processes of the test that was killed may still run. */
function removeLeftover(folder: string): void {
  for (const mount of mountsIn(folder)) {
    try {
      execFileSync('umount', ['--lazy', mount], { stdio: 'pipe' })
    } catch (error) {
      if (mountsIn(folder).includes(mount)) throw error
    }
  }
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  } catch (error) {
    if (existsSync(folder)) throw error
  }
}

/** The innermost first. */
function mountsIn(folder: string): readonly string[] {
  const places = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
  return places.filter((place) => `${place}/`.startsWith(`${folder}/`)).toReversed()
}
