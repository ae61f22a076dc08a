import { LinuxError } from '@heddle/linux'
import type { KernelMaps } from './kernel-maps.js'

/**
 * Has the kernel take away the flows that have ended, and count those that are left; see `bpf/sweep.bpf.c`. Returns why it could not: who needs it done has to try
 * again.
 */
export function sweepFlows(maps: KernelMaps): LinuxError | undefined {
  try {
    maps.run('sweep')
    return undefined
  } catch (error) {
    if (!(error instanceof LinuxError)) throw error
    return error
  }
}
