import { DataplaneError } from '@heddle/core'
import { readFileSync } from 'node:fs'

/** The compiled programs: one object for every little-endian machine. It lies beside the folder of this module. */
export const BPF_OBJECT = new URL('../bpf/heddle.bpf.o', import.meta.url)

/** Octets of the compiled programs. @throws DataplaneError `dataplane.device` when they were not compiled */
export function readBpfObject(): Uint8Array {
  try {
    return readFileSync(BPF_OBJECT)
  } catch (cause) {
    const way = 'compile them with npm run build:native (needs clang and the headers of libbpf)'
    throw new DataplaneError('dataplane.device', `the BPF programs are not there (${BPF_OBJECT.pathname}); ${way}`, { cause })
  }
}
