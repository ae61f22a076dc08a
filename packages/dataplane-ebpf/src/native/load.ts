import { DataplaneError } from '@heddle/core'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import type * as Binding from './binding.js'

/** The functions and classes of the native part. */
export type Native = typeof Binding

/** Version of this package, which the native part must have too: what crosses between them changes without notice. */
export const VERSION = '0.1.0'

let loaded: Native | DataplaneError | undefined

/**
 * Loads the native part once: from `HEDDLE_EBPF_NATIVE_PATH` if that is set, else from the platform's package.
 *
 * @throws DataplaneError `dataplane.device` naming each attempt and the way out
 */
export function native(): Native {
  const result = (loaded ??= load())
  if (result instanceof DataplaneError) throw result
  return result
}

function load(): Native | DataplaneError {
  const require = createRequire(import.meta.url)
  const reasons: string[] = []
  for (const target of targets()) {
    try {
      const binding = require(target) as Native
      const version = 'version' in binding ? binding.version() : 'unknown'
      if (version === VERSION) return binding
      reasons.push(`${target}: is of version ${version}, and ${VERSION} is wanted`)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      // What follows the first line is Node's list of who required whom.
      reasons.push(`${target}: ${message.split('\n', 1)[0]}`)
    }
  }
  const tried = reasons.join('; ') || 'nothing to try'
  return new DataplaneError('dataplane.device', `the native part of @heddle/dataplane-ebpf is not available (${tried}); ${remedy()}`)
}

/** What to load, most wanted first. */
function targets(): string[] {
  const override = process.env['HEDDLE_EBPF_NATIVE_PATH']
  if (override !== undefined && override !== '') return [resolve(override)]
  return isSupported() ? [platformPackage()] : []
}

function isSupported(): boolean {
  return process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')
}

function platformPackage(): string {
  return `@heddle/dataplane-ebpf-linux-${process.arch}-gnu`
}

function remedy(): string {
  if (!isSupported()) return `it exists for Linux with glibc on x64 and arm64, and this is ${process.platform} on ${process.arch}`
  return `install ${platformPackage()} (glibc 2.34 or newer), or build it from the sources: npm run build:native`
}
