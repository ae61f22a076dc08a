import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Machine } from './result.ts'

/** Top of the repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')

/** What decides how fast things are here. */
export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: systemName(),
    kernel: kernelVersion(),
    node: process.version,
  }
}

/** Version of this machine's kernel, without what its distributor calls the build. */
export function kernelVersion(): string {
  return /^[\d.]*\d/.exec(release())?.[0] ?? release()
}

function systemName(): string {
  if (!existsSync('/etc/os-release')) return process.platform
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform
}

/** The commit that is checked out, and whether sources differ from it. */
export function thisCommit(): string {
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim() ?? ''
  const commit = git('rev-parse', '--short=10', 'HEAD') || 'unknown'
  return git('status', '--porcelain', '--', 'packages', 'bench', ':!bench/results') === '' ? commit : `${commit} with changes`
}
