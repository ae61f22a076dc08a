import { LinuxError } from '@heddle/linux'
import { rmSync } from 'node:fs'
import type { NativeAttached } from '../native/binding.js'
import { call, callAsync } from '../native/call.js'

export interface FilterPlace {
  readonly ifindex: number
  readonly netns: string | undefined
  /** Where a directory says that the qdisc was made for the filter; left out where only the filter's name may. */
  readonly pin?: string
}

/** Whether a dataplane has its filter on a link, or had it when it ended. @throws LinuxError */
export function hasFilter(netns: string | undefined, ifindex: number): boolean {
  return programsOn(netns, ifindex)?.some(({ isOurs }) => isOurs) === true
}

/** Whether a program of whoever sees what comes in by a link. @throws LinuxError */
export function hasProgram(netns: string | undefined, ifindex: number): boolean {
  return programsOn(netns, ifindex)?.[0] !== undefined
}

/** Programs that see what comes in by a link, whoever's; undefined where the link is gone. @throws LinuxError */
export function programsOn(netns: string | undefined, ifindex: number): NativeAttached[] | undefined {
  try {
    return call((native) => native.programsOn(netns, ifindex))
  } catch (error) {
    return noneOf(error)
  }
}

/** As `programsOn`, beside everything else. @throws LinuxError */
export async function programsFound(netns: string | undefined, ifindex: number): Promise<NativeAttached[] | undefined> {
  try {
    return await callAsync((native) => native.programsFound(netns, ifindex))
  } catch (error) {
    return noneOf(error)
  }
}

/** A link that is gone has none. */
function noneOf(error: unknown): undefined {
  if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
  return undefined
}

/**
 * Ends a filter of clsact that a dataplane before this one has left, the qdisc that was made for it, and what is pinned there. It is well when the link is
 * gone.
 *
 * @throws LinuxError
 */
export async function endFilter({ ifindex, netns, pin }: FilterPlace): Promise<void> {
  try {
    await callAsync((native) => native.filterEnd(netns, ifindex, pin))
  } catch (error) {
    if (!(error instanceof LinuxError) || error.code !== 'ENODEV') throw error
    if (pin !== undefined) rmSync(pin, { force: true, recursive: true })
  }
}
