import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'

/** Where the executable is that container runtimes call, or why there is none. */
export type ClientBinary = { readonly path: string } | { readonly missing: string }

/** Finds the executable: where `HEDDLE_CNI_CLIENT` says, else in the platform's package. */
export function clientBinary(): ClientBinary {
  const override = process.env['HEDDLE_CNI_CLIENT']
  if (override !== undefined && override !== '') return existsSync(override) ? { path: override } : { missing: `there is no ${override}` }
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) {
    return { missing: `it exists for Linux on x64 and arm64, and this is ${process.platform} on ${process.arch}` }
  }
  const name = `@heddle/cni-linux-${process.arch}`
  try {
    return { path: createRequire(import.meta.url).resolve(`${name}/heddle-cni`) }
  } catch {
    return { missing: `install ${name}, or build it from the sources: npm run build:native` }
  }
}
