import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** The first of the paths that exists. */
export function installed(...paths: string[]): string | undefined {
  return paths.find((path) => existsSync(path))
}

/** A version number in what a command says of itself. */
export function versionIn(executable: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(executable, args, { encoding: 'utf8' })
  return /\d+\.\d+(\.\d+)*/.exec(`${stdout}${stderr}`)?.[0] ?? 'unknown'
}
