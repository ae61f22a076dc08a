import { LinuxError } from '@heddle/linux'
import type { Native } from '../native/load.js'
import { callAsync } from '../native/call.js'

/** Takes something away that is in a namespace; with the namespace it has gone already. @throws LinuxError when it stays */
export async function takeAway(work: (native: Native) => Promise<void>): Promise<void> {
  try {
    await callAsync(work)
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'ENOENT') throw error
  }
}
