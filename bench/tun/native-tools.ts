import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../harness/machine.ts'

const OUT = join(root, 'out', 'bench', 'tun')

/** Programs in C that the bench brings along, and what of `native/` each is made of. */
const SOURCES = { forwarder: ['forwarder', 'forwarder-out', 'forwarder-in'], traffic: ['traffic'] } as const
export type Tool = keyof typeof SOURCES

const made = new Map<Tool, string>()

/** Compiles a program of `native/`, once; its path. */
export function compiled(tool: Tool): string {
  const before = made.get(tool)
  if (before !== undefined) return before
  mkdirSync(OUT, { recursive: true })
  const path = join(OUT, tool)
  const sources = SOURCES[tool].map((name) => join(root, 'bench', 'tun', 'native', `${name}.c`))
  execFileSync('cc', ['-O3', '-Wall', '-Wextra', '-Werror', '-pthread', ...sources, '-o', path], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  made.set(tool, path)
  return path
}
