// The native parts, as the other commands see them: built if this machine can, else a reason to tell.
import { step } from './bootstrap.mjs'
import { buildClient } from '../build-cni-client.mjs'
import { bpfStatus, buildBpf, buildNative, nativeStatus } from '../build-native.mjs'

/** Builds what is missing or older than its sources. @param {{ install: boolean }} options @returns {string | undefined} why there are none */
export function ensureNative({ install }) {
  const status = nativeStatus()
  if (status.file === undefined) return status.reason
  if (!status.current) step('Building the native parts (Rust; a minute or two the first time)')
  try {
    if (!status.current) buildNative({ install })
    const bpf = buildBpf({ install })
    const client = buildClient()
    const missing = [bpf === '' ? '' : `BPF programs: ${bpf}`, client === undefined ? '' : `CNI client: ${client}`].filter(
      (text) => text !== '',
    )
    return missing.length === 0 ? undefined : missing.join('; ')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    console.error(`  not built: ${reason}`)
    return reason
  }
}

/**
 * What is older than its sources, or not there, of the parts by which packets go, and why: what is found out by them would be said of a commit that it is not of.
 *
 * @param {Pick<ReturnType<typeof nativeStatus>, 'current' | 'reason'>} [libraries] @param {string} [bpf] as `bpfStatus` says
 */
export function staleParts(libraries = nativeStatus(), bpf = bpfStatus()) {
  return [libraries.current ? '' : libraries.reason, bpf].filter((reason) => reason !== '')
}

/** Path of a cargo that is new enough, if there is one. */
export function findCargo() {
  return nativeStatus().cargo
}
