import { execFile, type ExecFileException } from 'node:child_process'
import { LabError } from '../errors.js'

/** Runs a program to its end. @throws LabError `lab.command` with what it wrote when it fails */
export async function command(file: string, args: readonly string[], options: { readonly timeout?: number } = {}): Promise<string> {
  const result = await attempt(file, args, options)
  if (result.status !== 0)
    throw new LabError(
      'lab.command',
      `${file} ${args.join(' ')}: ${result.stderr.trim() || result.stdout.trim() || `status ${result.status}`}`,
    )
  return result.stdout
}

export interface Attempt {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** As `command`, but a failure is a value. */
export function attempt(file: string, args: readonly string[], { timeout = 20_000 }: { readonly timeout?: number } = {}): Promise<Attempt> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout, maxBuffer: 64 << 20, encoding: 'utf8' }, (error: ExecFileException | null, stdout, stderr) => {
      resolve({
        status: error === null ? 0 : typeof error.code === 'number' ? error.code : 1,
        stdout,
        stderr: stderr || (error?.message ?? ''),
      })
    })
  })
}

/** `ip` with `words`, separated by spaces. */
export async function ip(words: string): Promise<string> {
  return command('ip', words.split(' '))
}
