import { DataplaneError } from '@heddle/core'
import { LinuxError } from '@heddle/linux'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NativeLock } from './native/binding.js'
import { call } from './native/call.js'

/** How long a lock may be held by what is about to let it go, milliseconds. */
const LOCK_PATIENCE = 1000

/** One that was just let go may be held for a moment by a process that this one starts: what it inherits is closed when it runs its program. */
export async function patiently(take: () => NativeLock): Promise<NativeLock> {
  for (const end = performance.now() + LOCK_PATIENCE; ;) {
    try {
      return take()
    } catch (error) {
      if (!isTaken(error) || performance.now() > end) throw error
      await sleep(10)
    }
  }
}

/** The lock of the one dataplane of an uplink, by the index of that. @throws LinuxError EADDRINUSE when another has it */
export function takeUplinkLock(netns: string | undefined, uplink: number): Promise<NativeLock> {
  return patiently(() => call((native) => native.lockTake(netns, `uplink-${uplink}`)))
}

/** The same; undefined when another dataplane has it. */
export async function takeFreeUplinkLock(netns: string | undefined, uplink: number): Promise<NativeLock | undefined> {
  try {
    return await takeUplinkLock(netns, uplink)
  } catch (error) {
    if (!isTaken(error)) throw error
    return undefined
  }
}

/** The lock of a directory of pins. @throws LinuxError EADDRINUSE when another process has it */
export function takePinsLock(directory: string): Promise<NativeLock> {
  return patiently(() => call((native) => native.lockPins(directory)))
}

/** What is thrown where a lock is taken. @param what it is of, with whoever has it; see `holderOfUplink` */
export function busy(what: string, cause: LinuxError): DataplaneError {
  return new DataplaneError('dataplane.busy', `another dataplane has ${what}`, { cause })
}

/** Whether a lock could not be had because somebody else has it. */
export function isTaken(error: unknown): error is LinuxError {
  return error instanceof LinuxError && error.code === 'EADDRINUSE'
}
