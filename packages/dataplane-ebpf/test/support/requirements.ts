import { DataplaneError } from '@heddle/core'
import { nativeAvailability } from '@heddle/linux'
import { existsSync } from 'node:fs'
import { BPF_OBJECT } from '../../src/bpf-object.js'
import { native } from '../../src/native/load.js'
import { missingEbpfFeatures } from '../../src/probe.js'

let found: string | undefined

/** Why BPF programs cannot be run here; empty when they can. */
export function missing(): string {
  return (found ??= look())
}

function look(): string {
  if (process.platform !== 'linux') return 'needs Linux'
  if (process.getuid?.() !== 0) return 'needs root'
  const native = nativeAvailability()
  if (!native.available) return `needs the native part of @heddle/linux: ${native.reason}`
  if (!existsSync(BPF_OBJECT)) return 'needs the BPF programs, which clang compiles: npm run build:native'
  try {
    const lacking = missingEbpfFeatures()
    return lacking === '' ? '' : `needs ${lacking}`
  } catch (error) {
    if (error instanceof DataplaneError) return `needs the native part: ${error.message}`
    throw error
  }
}

/** Why the native part is not there; empty when it is. All that tests need which judge what was found of the kernel: those would not be skipped by it. */
export function missingNative(): string {
  try {
    native()
    return ''
  } catch (error) {
    if (error instanceof DataplaneError) return `needs the native part: ${error.message}`
    throw error
  }
}

/** A title that names why its tests are skipped. */
export function titled(title: string, reason = missing()): string {
  return reason === '' ? title : `${title} (skipped: ${reason})`
}
