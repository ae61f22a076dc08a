import { LinuxError } from '@heddle/linux'
import { call } from '../native/call.js'
import type { KernelMaps } from './kernel-maps.js'

/** Octets of a frame that the kernel takes for a test run. */
const SMALLEST_FRAME = 64

/**
 * Has the kernel take away the flows that have ended, and count those that are left; see `bpf/sweep.bpf.c`. Whether it did: what it had no memory for is done
 * by the next sweep.
 */
export function sweepFlows({ object }: KernelMaps): boolean {
  try {
    call(() => object.testRun('sweep', new Uint8Array(SMALLEST_FRAME), 0, 1))
    return true
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return false
  }
}
