import { DataplaneError } from '@heddle/core'
import { readFileSync } from 'node:fs'

/** The compiled programs: one object for every little-endian machine. It lies beside the folder of this module. */
export const BPF_OBJECT = new URL('../bpf/heddle.bpf.o', import.meta.url)

/** Names another object to load, of the same layouts: for who tries a version of the programs out. */
const OVERRIDE = 'HEDDLE_EBPF_OBJECT_PATH'

/** Octets of the compiled programs. @throws DataplaneError `dataplane.device` when they were not compiled */
export function readBpfObject(): Uint8Array {
  const path = process.env[OVERRIDE] ?? BPF_OBJECT
  try {
    return readFileSync(path)
  } catch (cause) {
    const way = 'compile them with npm run build:native (needs clang and the headers of libbpf)'
    throw new DataplaneError('dataplane.device', `the BPF programs are not there (${path instanceof URL ? path.pathname : path}); ${way}`, {
      cause,
    })
  }
}
